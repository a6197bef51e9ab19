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
	if !ok || !contains(compared(live), compared(desired)) {
		return false
	}
	if len(takeover) > 0 && stripped(live) {
		return false
	}
	stale := false
	declared.Iterate(func(path fieldpath.Path) { // Not All: leaving a range over it early panics.
		if !stale {
			stale = !names(desired.Object, path)
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

// names reports whether desired has the field, be it as null: in schemaless parts null is a value that Flux declares.
func names(desired any, path fieldpath.Path) bool {
	if _, ok := fields.Get(desired, path); ok {
		return true
	}
	last := path[len(path)-1].FieldName
	parent, ok := fields.Get(desired, path[:len(path)-1])
	if !ok || last == nil {
		return false
	}
	content, ok := parent.(map[string]any)
	if !ok {
		return false
	}
	_, ok = content[*last]
	return ok
}

// contains reports whether live has every value of desired. Maps of live may hold more; lists must match item by item.
func contains(live, desired any) bool {
	switch d := desired.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range d {
			if !contains(l[k], v) { // also null, which removes what others set
				return false
			}
		}
		return true
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(d) {
			return false
		}
		for i := range d {
			if !contains(l[i], d[i]) {
				return false
			}
		}
		return true
	}
	return fields.Equal(live, desired)
}
