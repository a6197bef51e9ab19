package admission

import (
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// tie reports whether path is in an object's finalizers or ownerReferences. They say when the object goes, and Flux neither
// applies because of them nor takes them away.
func tie(path fieldpath.Path) bool {
	return len(path) > 1 && is(path[0], "metadata") && (is(path[1], "finalizers") || is(path[1], "ownerReferences"))
}

// adds reports whether a change of finalizers or ownerReferences brings a new one.
func adds(c fields.Change) bool {
	after, whole := c.After.([]any)
	if !whole {
		return c.After != nil
	}
	before, _ := c.Before.([]any)
	return slices.ContainsFunc(after, func(item any) bool {
		return !slices.ContainsFunc(before, func(b any) bool { return fields.Equal(item, b) })
	})
}

// terminating reports whether the object is being deleted: only its finalizers keep it.
func terminating(r *Request) bool { return r.Old != nil && r.Old.GetDeletionTimestamp() != nil }

// released lists the finalizers that a person takes off an object that is being deleted. Whatever the finalizer's controller
// would have cleaned up stays behind.
func released(r *Request) []Finding {
	if r.Operation != admissionv1.Update || r.New == nil || !byHand(r.User) {
		return nil
	}
	var out []Finding
	for _, finalizer := range r.Old.GetFinalizers() {
		if !slices.Contains(r.New.GetFinalizers(), finalizer) {
			out = append(out, Finding{Kind: Released, Path: fieldpath.MakePathOrDie("metadata", "finalizers", value.NewValueInterface(finalizer)), Old: finalizer})
		}
	}
	return out
}
