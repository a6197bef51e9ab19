package drift

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/fluxcd/pkg/ssa"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Settled reports whether the objects alone prove that Flux's next apply changes nothing: Flux's applied entry
// declares nothing that git does not, every desired value is live as it is written, and nobody that Flux takes over
// from holds anything beyond it. False proves nothing: quantities may be written differently, lists completed.
func Settled(desired, live *unstructured.Unstructured, managers []ownership.Manager, takeover []ssa.FieldManager) bool {
	declared, ok := ownership.Declared(managers, ownership.Kustomization)
	if !ok || !fields.Contains(live.Object, desired.Object, ownership.Shape(managers)) {
		return false
	}
	if len(takeover) > 0 && stripped(live) {
		return false
	}
	stale := false
	declared.Iterate(func(path fieldpath.Path) { // Not All: leaving a range over it early panics.
		if !stale {
			_, ok := fields.Get(desired.Object, path)
			stale = !ok
		}
	})
	if stale {
		return false
	}
	for _, m := range managers {
		if m.TakenOver(takeover) && !within(m.Fields, declared) {
			return false
		}
	}
	return true
}

func within(set, declared *fieldpath.Set) bool { return set.Difference(declared).Empty() }
