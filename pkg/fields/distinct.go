package fields

import "sigs.k8s.io/structured-merge-diff/v6/fieldpath"

// Distinct returns root without the items of associative lists and sets that repeat one before them, which an update may
// store but an apply is refused for; root itself is left as it is. Lists that shape does not know are left alone.
func Distinct(root any, shape *Shape) any {
	switch v := root.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			out[name] = Distinct(inner, shape.below(fieldpath.FieldNameElement(name)))
		}
		return out
	case []any:
		kind, keys := shape.list()
		if kind == atomicList {
			return v
		}
		out := make([]any, 0, len(v))
		for _, item := range v {
			if !repeats(item, out, kind, keys) {
				out = append(out, Distinct(item, shape.item()))
			}
		}
		return out
	}
	return root
}

// repeats reports whether an item stands for the same as one of those before it.
func repeats(item any, before []any, kind listKind, keys []string) bool {
	if kind == setList {
		for _, other := range before {
			if Equal(item, other) {
				return true
			}
		}
		return false
	}
	element, ok := keyElement(item, keys)
	if !ok {
		return false
	}
	_, at := child(before, element)
	return at >= 0
}
