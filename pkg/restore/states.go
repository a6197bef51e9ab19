package restore

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxcd/pkg/ssa"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// states are those of both kinds of owner. What a Kustomization declares is its own, even if a HelmRelease released it too.
type states struct {
	kustomizations *desired.Store
	// releases is nil where HelmReleases are left to Flux.
	releases *desired.Store
}

// find returns what is desired of an object, and the state that says so.
func (s states) find(key desired.Key) (desired.Object, *desired.State, bool) {
	want, state, ok := s.kustomizations.Find(key)
	if !ok && s.releases != nil {
		return s.releases.Find(key)
	}
	return want, state, ok
}

// has reports whether a state names the object.
func (s states) has(key desired.Key) bool {
	return s.kustomizations.Has(key) || s.releases != nil && s.releases.Has(key)
}

// all returns the states of all owners.
func (s states) all() []desired.Kept {
	all := s.kustomizations.States()
	if s.releases != nil {
		all = append(all, s.releases.States()...)
	}
	return all
}

// changed returns the channels that are closed at the next change.
func (s states) changed() (kustomizations, releases <-chan struct{}) {
	if s.releases != nil {
		releases = s.releases.Changed()
	}
	return s.kustomizations.Changed(), releases
}

// watched is what one watch is for: the objects of one kind whose labels name an owner of one kind.
type watched struct {
	kind  schema.GroupVersionKind
	owner ownership.Kind
}

// settled reports whether the objects alone prove that Flux has nothing to do about an object of such an owner.
func settled(owner ownership.Kind, want, live *unstructured.Unstructured, managers []ownership.Manager, takeover []ssa.FieldManager) bool {
	if owner == ownership.HelmRelease {
		return drift.SettledRelease(want, live, managers)
	}
	return drift.Settled(want, live, managers, takeover)
}
