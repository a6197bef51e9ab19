package drift

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// optOut is a label or an annotation that makes Flux leave an object alone.
type optOut struct {
	path       fieldpath.Path
	key, value string
}

// optOuts are those that the object carries and that the controller of its owner looks at.
func optOuts(kind ownership.Kind, object *unstructured.Unstructured) []optOut {
	skips := [][2]string{{ownership.Reconcile, ownership.Disabled}, {ownership.SSA, ownership.Ignore}}
	if kind == ownership.HelmRelease {
		skips = [][2]string{{ownership.HelmDriftDetection, ownership.Disabled}}
	}
	var out []optOut
	for _, skip := range skips {
		for _, in := range []string{"annotations", "labels"} {
			metadata := object.GetAnnotations()
			if in == "labels" {
				metadata = object.GetLabels()
			}
			if value, ok := metadata[skip[0]]; ok && strings.EqualFold(value, skip[1]) {
				out = append(out, optOut{fieldpath.MakePathOrDie("metadata", in, skip[0]), skip[0], value})
			}
		}
	}
	return out
}

// GlassHolder begins Finding.Holder where a BreakGlass holds Flux off the object.
const GlassHolder = "BreakGlass "

// heldBy says which label or annotation of a live object keeps its owner off, empty for none. optOut is key=value.
func (p Policy) heldBy(live *unstructured.Unstructured, optOut string) string {
	if held, ok := p.holdOf(live); ok && optOut == held.Sets+"="+ownership.Disabled {
		return GlassHolder + held.BreakGlass + " is active"
	}
	return "the object says " + optOut
}

// withOptOuts returns the findings of an object with one for each label or annotation that holds Flux off it, be it
// live or in git alone. It takes the place of what was found of that label or annotation as a field. The hold of a BreakGlass
// is none of them: nobody has to see to it.
func withOptOuts(kind ownership.Kind, found []Finding, want, live *unstructured.Unstructured, managers []ownership.Manager, policy Policy) []Finding {
	held, ours := policy.holdOf(live)
	for _, o := range optOuts(kind, live) {
		if ours && o.key == held.Sets && o.path[1].FieldName != nil && *o.path[1].FieldName == "annotations" {
			continue // gitops-drift takes it away itself, see heldBy
		}
		f := Finding{Object: objectOf(live), Kind: OptedOut, Path: o.path, Live: o.value, Verdict: Held, Holder: "the object says " + o.key + "=" + o.value}
		if desired, ok := fields.Get(want.Object, o.path); ok {
			f.Desired = desired
		}
		f.attribute(kind, managers)
		found = append(without(found, o), f)
	}
	for _, o := range optOuts(kind, want) {
		if _, ok := fields.Get(live.Object, o.path); ok {
			continue // told already, or the live object says otherwise, which is a field that differs
		}
		found = append(without(found, o), Finding{Object: objectOf(live), Kind: OptedOut, Path: o.path, Desired: o.value, Verdict: Held,
			Holder: "git says " + o.key + "=" + o.value})
	}
	return found
}

// without returns the findings without what they say of a label or annotation, alone or in the whole map that was added.
func without(found []Finding, o optOut) []Finding {
	var out []Finding
	for _, f := range found {
		if f.Path.Equals(o.path) {
			continue
		}
		if f.Path.Equals(o.path[:len(o.path)-1]) {
			f.Live, f.Desired = lessKey(f.Live, o.key), lessKey(f.Desired, o.key)
			if f.Live == nil && f.Desired == nil {
				continue
			}
		}
		out = append(out, f)
	}
	return out
}

func lessKey(value any, key string) any {
	from, ok := value.(map[string]any)
	if !ok {
		return value
	}
	left := make(map[string]any, len(from))
	for k, v := range from {
		if k != key {
			left[k] = v
		}
	}
	if len(left) == 0 {
		return nil
	}
	return left
}
