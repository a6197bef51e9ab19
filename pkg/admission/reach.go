package admission

import (
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Surroundings answer, from memory, what lies around the object of a request; they may be called concurrently.
type Surroundings interface {
	// Within tells what Flux manages in a namespace, an entry an owner, ordered by owner.
	Within(namespace string) []Holding
	// OfKind tells what Flux manages of a kind, in all versions, an entry an owner, ordered by owner.
	OfKind(kind schema.GroupKind) []Holding
	// Steered tells what a Kustomization or HelmRelease manages, or those that apply from a source; an entry an owner.
	Steered(object desired.Key) []Holding
	// Release returns the HelmRelease that keeps a Helm release of this name in the storage of a namespace.
	Release(namespace, name string) (ownership.Owner, bool)
	// Workload returns what is known of a workload that Flux manages.
	Workload(object desired.Key) (Workload, bool)
}

// Holding is what one owner manages of something.
type Holding struct {
	Owner ownership.Owner
	// Count is how many objects; 0 where it is not known.
	Count int
	// Example is one of them; zero where none is known.
	Example desired.Key
	// Prunes says that Flux deletes the objects with their owner.
	Prunes bool
}

// Workload is what makes Pods, and what can be scaled.
type Workload struct {
	Owner ownership.Owner
	// Replicas says that its owner declares spec.replicas.
	Replicas bool
}

// reach is what an edit touches beyond the object that it names: what is in a namespace, what a Kustomization manages,
// the workload that a Scale or a Pod belongs to, Flux itself.
type reach interface {
	// owner manages what is reached; zero for Flux itself.
	owner() ownership.Owner
	find(r *Request, facts *Facts) (found, error)
}

// found is what a reach adds to a verdict. Without a headline or closing those of an edit of a managed object are used.
type found struct {
	findings          []Finding
	headline, closing string
}

// reached looks up what a request reaches, nil for nothing but its object.
func reached(r *Request, installation *Installation, lookups Lookups) reach {
	if i := identityReach(r, installation); i != nil {
		return i
	}
	kind := r.Object.GroupKind()
	switch {
	case r.scale():
		return scaleReach(r, lookups)
	case r.Operation == admissionv1.Delete && r.Subresource == "" && kind == namespaceKind:
		return contentsReach(lookups.Within(r.Object.Name), r.Object.Name == installation.FluxNamespace)
	case r.Operation == admissionv1.Delete && r.Subresource == "" && kind == crdKind:
		return contentsReach(lookups.OfKind(defines(r.Old)), false)
	case slices.Contains(steeringGroups, kind.Group):
		return steeringReach(r, lookups)
	case kind == secretKind || kind == configMapKind:
		return storageReach(r, lookups)
	case kind == autoscalerKind:
		return autoscalerReach(r, lookups)
	}
	return belowReach(r, lookups)
}

// workload finds a workload that Flux manages: in what Flux applies or, where that could not be built, among the objects
// of the cluster.
func workload(lookups Lookups, object desired.Key) (Workload, bool) {
	if want, state, ok := lookups.Desired(object); ok {
		_, replicas := fields.Get(want.Object, replicasPath)
		return Workload{Owner: state.Owner, Replicas: replicas}, true
	}
	return lookups.Workload(object)
}

// byHand reports whether this is a person, or somebody who impersonates a service account: a token of it has a uid.
func byHand(user authenticationv1.UserInfo) bool { return person(user) || user.UID == "" }

// merge adds what a reach found to the findings about the object itself; what is known of a field stays as it is.
func merge(findings, more []Finding) []Finding {
	for _, m := range more {
		same := func(f Finding) bool { return f.Note == m.Note && f.Path.Equals(m.Path) }
		if !slices.ContainsFunc(findings, same) {
			findings = append(findings, m)
		}
	}
	return findings
}

// reach adds what an edit touches beyond the object.
func (v *Verdict) reach(r *Request, facts *Facts) error {
	if facts.Reach == nil {
		return nil
	}
	more, err := facts.Reach.find(r, facts)
	if err != nil {
		return err
	}
	if len(more.findings) > 0 {
		v.Findings = merge(v.Findings, more.findings)
		v.reached, v.closing = more.headline, more.closing
	}
	return nil
}
