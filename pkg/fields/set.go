package fields

import (
	"maps"
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Union returns what is in any of the sets; nil sets are passed over. It unites them by halves, so that many sets cost
// little more than one of their size.
func Union(sets ...*fieldpath.Set) *fieldpath.Set {
	switch len(sets) {
	case 0:
		return fieldpath.NewSet()
	case 1:
		if sets[0] == nil {
			return fieldpath.NewSet()
		}
		return sets[0]
	}
	half := len(sets) / 2
	return Union(sets[:half]...).Union(Union(sets[half:]...))
}

// With returns root with value at path, or without the field where value is nil; root itself is left as it is. Maps
// and lists on the way are made where they are missing. A list item that is not there is appended, with its key fields.
func With(root any, path fieldpath.Path, value any) any {
	if len(path) == 0 {
		return value
	}
	element, rest := path[0], path[1:]
	if element.FieldName != nil {
		return withField(root, *element.FieldName, rest, value)
	}
	list, _ := root.([]any)
	item, at := child(list, element)
	next := With(item, rest, value)
	if value != nil {
		next = keyed(next, element)
	}
	out := make([]any, 0, len(list)+1)
	for i, old := range list {
		if i != at {
			out = append(out, old)
		} else if next != nil {
			out = append(out, next)
		}
	}
	if at < 0 && next != nil {
		out = append(out, next)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func withField(root any, name string, rest fieldpath.Path, value any) any {
	old, _ := root.(map[string]any)
	out := make(map[string]any, len(old)+1)
	for k, v := range old {
		out[k] = v
	}
	if next := With(old[name], rest, value); next != nil {
		out[name] = next
	} else {
		delete(out, name)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// WithEmpties returns root with the empty maps that wanted has where root has null or nothing, and whether there are
// any; root itself is left as it is. Of lists only the items of those that shape knows to be associative are looked at,
// as far as root has them.
func WithEmpties(root, wanted any, shape *Shape) (out any, changed bool) {
	switch w := wanted.(type) {
	case map[string]any:
		old, ok := root.(map[string]any)
		if !ok {
			return root, false
		}
		m := old
		for name, v := range w {
			next, set := old[name], false
			if inner, ok := v.(map[string]any); ok && len(inner) == 0 && next == nil {
				next, set = inner, true
			} else {
				next, set = WithEmpties(next, v, shape.below(fieldpath.FieldNameElement(name)))
			}
			if set && !changed {
				m, changed = maps.Clone(old), true
			}
			if set {
				m[name] = next
			}
		}
		return m, changed
	case []any:
		kind, keys := shape.list()
		old, ok := root.([]any)
		if !ok || kind != associativeList {
			return root, false
		}
		list, sub := old, shape.item()
		for _, item := range w {
			element, ok := keyElement(item, keys)
			if !ok {
				continue
			}
			before, at := child(old, element)
			next, set := WithEmpties(before, item, sub)
			if set && !changed {
				list, changed = slices.Clone(old), true
			}
			if set {
				list[at] = next
			}
		}
		return list, changed
	}
	return root, false
}
