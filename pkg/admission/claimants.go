package admission

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// claimants looks up the owners, other than the one that manages the object, that its labels name. Flux takes an object
// over from one owner to another by applying it in the name of the new one's service account, which the former owner
// knows nothing of: that is how an object moves between two Kustomizations in git, and how two HelmReleases share the
// CRDs of a chart. An object that moves between a Kustomization and a HelmRelease carries the labels of both.
//
// The labels after the edit are the editor's word. They are good for no more than what the service account may do anyway:
// whoever can act in its name acts for all that Flux applies with it.
func claimants(r *Request, owner ownership.Owner, lookups Lookups) ([]Claimant, error) {
	if person(r.User) || !impersonated(r.User) || r.scale() {
		return nil, nil
	}
	var found []Claimant
	seen := []ownership.Owner{owner}
	for _, object := range []*unstructured.Unstructured{r.Old, r.New} {
		if object == nil {
			continue
		}
		for _, claim := range ownership.Claims(object) {
			if slices.Contains(seen, claim) {
				continue
			}
			seen = append(seen, claim)
			status, err := lookups.Owner(claim, r.Object)
			if err != nil {
				return nil, fmt.Errorf("look up %s: %w", claim, err)
			}
			if status != nil {
				found = append(found, Claimant{Owner: claim, Status: status})
			}
		}
	}
	return found, nil
}

// claimant names the claimant that Flux applies for in the guise of this user, empty for none.
func (f *Facts) claimant(user authenticationv1.UserInfo) string {
	for _, c := range f.Claimants {
		if f.Installation.applies(user, c.Owner, c.Status.accounts()...) {
			return c.Owner.String()
		}
	}
	return ""
}

// heritable reports whether the object may pass to another owner that neither the edit nor the object names: what an
// owner has left behind that is not in this cluster any more, and what Helm made. A HelmRelease that is given another
// name in git and keeps its release's name writes that release's records and deletes its hooks, which the former
// HelmRelease still claims, for as long as it is there and after.
//
// And so may what is deleted among the owners of one namespace: an object moves in git, and the owner that has it in its
// inventory prunes it just when the other one has put its labels on, or the other one has to delete it, for an immutable
// field, before its labels are on.
func (f *Facts) heritable(r *Request) bool {
	if f.Reach != nil {
		_, record := f.Reach.(*stored)
		return record
	}
	if f.Status == nil || f.Owner.Kind == ownership.HelmRelease {
		return true
	}
	namespace, _, ok := serviceAccount(r.User)
	return ok && r.Operation == admissionv1.Delete && namespace == f.Owner.Namespace
}

// heirs looks up the service accounts that owners in the editor's namespace name.
func heirs(r *Request, lookups Lookups) ([]string, error) {
	if !impersonated(r.User) {
		return nil, nil
	}
	namespace, _, _ := serviceAccount(r.User)
	accounts, err := lookups.ServiceAccounts(namespace)
	if err != nil {
		return nil, fmt.Errorf("look up the service accounts that owners in %s name: %w", namespace, err)
	}
	return accounts, nil
}

// heir reports whether this is Flux in the guise of one of them.
func (f *Facts) heir(user authenticationv1.UserInfo) bool {
	namespace, _, ok := serviceAccount(user)
	return ok && f.Installation.applies(user, ownership.Owner{Namespace: namespace}, f.Heirs...)
}
