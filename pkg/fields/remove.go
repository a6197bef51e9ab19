package fields

import (
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Remove returns root without the fields in set, and without the lists and maps that became empty by it; root itself
// is left as it is. A list item is removed whole where set has it as a member and keep has not, and a named field where
// set has it or something below it and keep has nothing of it: what nobody owns, such as defaults, goes with it. A map
// that keep has itself stays, empty.
func Remove(root map[string]any, set, keep *fieldpath.Set) map[string]any {
	return removal{}.all(root, set, keep)
}

// Prune is what a server-side apply does to the fields that its manager stops declaring, set, while the union of the
// other managers' sets, keep, stays: Remove, but where all that is in a map is removed and the map itself stays, it
// becomes null.
// Source: structured-merge-diff, Updater.prune and TypedValue.RemoveItems.
func Prune(root map[string]any, set, keep *fieldpath.Set) map[string]any {
	return removal{nulls: true}.all(root, set, keep)
}

// removal takes fields out of an object.
type removal struct {
	// nulls makes null of a map that stays and loses all that it has.
	nulls bool
}

func (r removal) all(root map[string]any, set, keep *fieldpath.Set) map[string]any {
	out, _ := r.from(root, set, keep).(map[string]any)
	if out == nil {
		out = map[string]any{}
	}
	return out
}

func (r removal) from(parent any, set, keep *fieldpath.Set) any {
	switch p := parent.(type) {
	case map[string]any:
		out := make(map[string]any, len(p))
		for name, v := range p {
			if left, stays := r.element(v, fieldpath.FieldNameElement(name), set, keep); stays {
				out[name] = left
			}
		}
		if len(out) == 0 && len(p) > 0 {
			return nil
		}
		return out
	case []any:
		out := make([]any, 0, len(p))
		for i, item := range p {
			element, found := elementOf(item, i, set)
			if !found {
				out = append(out, item)
				continue
			}
			if left, stays := r.element(item, element, set, keep); stays {
				out = append(out, keyed(left, element))
			}
		}
		if len(out) == 0 && len(p) > 0 {
			return nil
		}
		return out
	}
	return parent
}

// keyed returns a list item with the key fields by which element selects it: what is left of an item keeps them.
func keyed(item any, element fieldpath.PathElement) any {
	if element.Key == nil {
		return item
	}
	for _, key := range *element.Key {
		item = withField(item, key.Name, nil, key.Value.Unstructured())
	}
	return item
}

// element returns what is left of v, which may be a null that stays, and whether anything is.
func (r removal) element(v any, element fieldpath.PathElement, set, keep *fieldpath.Set) (left any, stays bool) {
	sub := set.WithPrefix(element)
	kept := keep.WithPrefix(element)
	if gone := set.Members.Has(element) || element.FieldName != nil && !sub.Empty(); gone && !keep.Members.Has(element) &&
		(kept.Empty() || element.FieldName == nil) {
		return nil, false
	}
	if v == nil || sub.Empty() {
		return v, true
	}
	left = r.from(v, sub, kept)
	if left == nil && keep.Members.Has(element) {
		return r.empty(v), true
	}
	return left, left != nil
}

// empty returns what v becomes when all its fields are removed and it stays itself.
func (r removal) empty(v any) any {
	if _, ok := v.([]any); ok {
		return []any{}
	}
	if r.nulls {
		return nil
	}
	return map[string]any{}
}

// elementOf finds the element of set that selects this list item.
func elementOf(item any, index int, set *fieldpath.Set) (fieldpath.PathElement, bool) {
	return find(set, func(element fieldpath.PathElement) bool { return selects(element, item, index) })
}

// find returns the first element of set, member or child, that match accepts. It goes through all children, because
// leaving a range over SetNodeMap.All or Set.All early panics (structured-merge-diff 6.4).
func find(set *fieldpath.Set, match func(fieldpath.PathElement) bool) (found fieldpath.PathElement, ok bool) {
	for element := range set.Members.All() {
		if match(element) {
			return element, true
		}
	}
	set.Children.Iterate(func(element fieldpath.PathElement) {
		if !ok && match(element) {
			found, ok = element, true
		}
	})
	return found, ok
}
