package redact

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Masked stands for a value of a Secret. It tells nothing of the value, not even its length.
const Masked = "***"

// copies are annotations in which tools keep a copy of the whole object that they applied: kubectl, kapp, and those that
// use the libraries of Rancher and Banzai Cloud.
var copies = []string{
	corev1.LastAppliedConfigAnnotation, "kapp.k14s.io/original", "objectset.rio.cattle.io/applied", "banzaicloud.com/last-applied",
}

// IsCopy reports whether an annotation is one in which a tool keeps a copy of the whole object that it applied.
func IsCopy(annotation string) bool { return slices.Contains(copies, annotation) }

// Change masks the two values of one field of an object of this kind, wherever they can hold a Secret's value, as Both
// does, and returns other values as they are.
func Change(kind schema.GroupKind, path fieldpath.Path, before, after any) (any, any) {
	if !sensitive(kind, path) {
		return before, after
	}
	return Both(before, after)
}

// Both masks the two values of one field. Two masked values that differ stay distinguishable: the second is marked.
func Both(before, after any) (any, any) {
	b, a := mask(before), mask(after)
	if before != nil && after != nil {
		if _, scalar := a.(string); scalar {
			a = Masked + " (differs)"
		}
	}
	return b, a
}

// Object returns object with every value masked that can hold a Secret's value; object itself is not changed.
// Objects of other kinds are returned as they are.
func Object(kind schema.GroupKind, object map[string]any) map[string]any {
	if !isSecret(kind) {
		return object
	}
	out := make(map[string]any, len(object))
	for k, v := range object {
		out[k] = v
	}
	for _, field := range []string{"data", "stringData"} {
		if v, ok := out[field]; ok {
			out[field] = mask(v)
		}
	}
	metadata, _ := out["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if len(annotations) == 0 {
		return out
	}
	metadata, annotations = shallow(metadata), shallow(annotations)
	for _, key := range copies {
		if _, ok := annotations[key]; ok {
			annotations[key] = Masked
		}
	}
	metadata["annotations"] = annotations
	out["metadata"] = metadata
	return out
}

func shallow(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func isSecret(kind schema.GroupKind) bool { return kind.Group == "" && kind.Kind == "Secret" }

// sensitive reports whether the value at path can hold a Secret's value: its data, and the copies of
// them that are left in annotations.
func sensitive(kind schema.GroupKind, path fieldpath.Path) bool {
	if !isSecret(kind) {
		return false
	}
	if len(path) == 0 {
		return true
	}
	switch name(path[0]) {
	case "data", "stringData":
		return true
	case "metadata":
		return len(path) == 1 || name(path[1]) == "annotations" && (len(path) == 2 || IsCopy(name(path[2])))
	}
	return false
}

func name(element fieldpath.PathElement) string {
	if element.FieldName == nil {
		return ""
	}
	return *element.FieldName
}

// mask keeps keys, which are no secret, and masks everything else.
func mask(v any) any {
	switch x := v.(type) {
	case nil:
		return nil
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, inner := range x {
			out[k] = mask(inner)
		}
		return out
	}
	return Masked
}
