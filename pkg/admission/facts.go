package admission

import (
	"github.com/fluxcd/pkg/ssa/jsondiff"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Facts are what is known about a Request beyond the request itself.
type Facts struct {
	Installation *Installation
	// Owner manages the object if Managed; if not, it is merely what the new object claims, zero for nothing.
	Owner   ownership.Owner
	Managed bool
	// Status is what the owner's own object says; nil if it is not in this cluster.
	Status *OwnerStatus
	// Claimants are the other owners that the object's labels name, before the edit or after it, and that are in this
	// cluster. They are looked up for Flux in the guise of a service account only.
	Claimants []Claimant
	// Heirs are the service accounts that owners in the editor's namespace name. They are looked up for Flux in the
	// guise of a service account, and only for what may pass from one owner to another unannounced.
	Heirs []string
	// Desired is what Flux applies for the object, and State what says so; State is nil where no state that has
	// been built names the object.
	Desired desired.Object
	State   *desired.State
	// Reach is what the edit touches beyond the object; nil for nothing.
	Reach reach
	// Policy is the one that applies, nil for none: then edits are recorded.
	Policy *v1alpha1.EditPolicy
	// BreakGlass is the one that is in force for the object and the editor, nil for none.
	BreakGlass *v1alpha1.BreakGlass
	// Opens is what is known of a BreakGlass that the request creates, nil for other requests.
	Opens *Opening
}

// OwnerStatus is what a Kustomization or HelmRelease says about itself and about one object.
type OwnerStatus struct {
	// ServiceAccount is the account in the owner's namespace that the owner says to apply with; empty for none.
	ServiceAccount string
	// FormerServiceAccounts are those that Flux may still be at work with: the owner named them before, and Flux has not
	// observed since that it does not any more.
	FormerServiceAccounts []string
	Suspended             bool
	// Revision is what Flux applied last.
	Revision string
	// FromSecrets says that it renders values of Secrets into objects of any kind. Which ones only the State tells.
	FromSecrets bool
	// Settled says that the owner is ready at its present generation, so that its inventory is complete.
	Settled bool
	// Inventoried says that the object is in the owner's inventory.
	Inventoried bool
	// Ignore are the rules of fields that the owner tells Flux to leave alone (spec.ignore).
	Ignore []jsondiff.IgnoreRule
}

// accounts are the service accounts that Flux applies with.
func (s *OwnerStatus) accounts() []string {
	return append([]string{s.ServiceAccount}, s.FormerServiceAccounts...)
}

// Claimant is an owner that the object's labels name beside the one that manages it.
type Claimant struct {
	Owner  ownership.Owner
	Status *OwnerStatus
}

// manager returns the owner of the object as the old object or the desired state prove it.
func manager(r *Request, state *desired.State) (ownership.Owner, bool) {
	if r.Old != nil && !r.scale() {
		if owner, ok := ownership.Proven(r.Old); ok {
			return owner, true
		}
	}
	if state != nil {
		return state.Owner, true
	}
	return ownership.Owner{}, false
}

// claim returns the owner that the object's labels name without proof. What the new object says is the editor's word,
// so it counts only where the old object said nothing.
func claim(r *Request) (ownership.Owner, bool) {
	if r.scale() {
		return ownership.Owner{}, false
	}
	if r.Old != nil {
		if owner, ok := ownership.Claimed(r.Old); ok {
			return owner, true
		}
	}
	if r.New == nil {
		return ownership.Owner{}, false
	}
	return ownership.Claimed(r.New)
}

// Lookups answer from memory; they may be called concurrently.
type Lookups interface {
	// Desired returns what Flux applies for an object, see desired.Store.
	Desired(key desired.Key) (desired.Object, *desired.State, bool)
	// Owner returns what is known of an owner and of key in its inventory, nil if the owner is not in this cluster.
	Owner(owner ownership.Owner, key desired.Key) (*OwnerStatus, error)
	// ServiceAccounts returns those that the owners in a namespace name, empty for an owner that names none.
	ServiceAccounts(namespace string) ([]string, error)
	// Policies returns all policies; the slice is not changed by the caller.
	Policies() ([]v1alpha1.EditPolicy, error)
	// NamespaceLabels returns the labels of a namespace; they are not changed by the caller.
	NamespaceLabels(namespace string) (map[string]string, error)
	// BreakGlasses returns all of them; the slice is not changed by the caller.
	BreakGlasses() ([]v1alpha1.BreakGlass, error)
	Surroundings
}
