package fields

import (
	"slices"
	"sort"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Change is one field that differs between two states of an object, at the leaf or at the smallest subtree that is
// wholly present on one side and absent on the other.
type Change struct {
	Path fieldpath.Path
	// Before and After are the JSON values; nil means absent.
	Before, After any
}

// Diff lists the changes from before to after, ordered by path. Items of associative lists and sets are compared
// item by item; where only their order differs, the list itself is the change. Everything that shape does not know
// to be associative is compared as a whole, and so is what lies deeper than any kind of object goes.
func Diff(before, after any, shape *Shape) []Change {
	d := differ{}
	d.value(nil, before, after, shape, false)
	return d.changes
}

// Null is a null of its own, as kinds with nullable fields have it: neither absent nor a value.
type Null struct{}

// MarshalJSON writes null.
func (Null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// DiffNulls is Diff, but tells a null from an absent field: one that comes or goes is a change to or from Null.
func DiffNulls(before, after any, shape *Shape) []Change {
	d := differ{nulls: true}
	d.value(nil, before, after, shape, false)
	return d.changes
}

// maxDepth bounds the length of a path: who nests maps by the thousand must not make every path as long.
const maxDepth = 64

type differ struct {
	nulls   bool
	changes []Change
}

func (d *differ) add(path fieldpath.Path, before, after any) {
	d.changes = append(d.changes, Change{Path: path.Copy(), Before: before, After: after})
}

// whole compares two values as one.
func (d *differ) whole(path fieldpath.Path, before, after any) {
	if !Equal(before, after) {
		d.add(path, before, after)
	}
}

func (d *differ) value(path fieldpath.Path, before, after any, shape *Shape, atomic bool) {
	switch {
	case before == nil && after == nil, shared(before, after):
		return
	case len(path) >= maxDepth:
		d.whole(path, before, after)
		return
	case isList(before, after):
		d.list(path, before, after, shape)
		return
	case before == nil || after == nil || atomic:
		d.whole(path, before, after)
		return
	}
	b, bok := before.(map[string]any)
	a, aok := after.(map[string]any)
	if !bok || !aok {
		d.whole(path, before, after)
		return
	}
	for _, name := range sortedKeys(b, a) {
		element := fieldpath.FieldNameElement(name)
		sub := shape.below(element)
		x, had := b[name]
		y, has := a[name]
		switch {
		case !d.nulls || x != nil || y != nil || had == has:
			d.value(append(path, element), x, y, sub, sub.atomicMap(shape, element))
		case has:
			d.add(append(path, element), nil, Null{})
		default:
			d.add(append(path, element), Null{}, nil)
		}
	}
}

// isList reports whether this is a list on one side and a list or nothing on the other.
func isList(before, after any) bool {
	_, b := before.([]any)
	_, a := after.([]any)
	return b && a || b && after == nil || a && before == nil
}

func (d *differ) list(path fieldpath.Path, before, after any, shape *Shape) {
	b, _ := before.([]any)
	a, _ := after.([]any)
	kind, keys := shape.list()
	if kind == atomicList || len(b) == 0 && len(a) == 0 {
		d.whole(path, before, after)
		return
	}
	bItems, bok := index(b, kind, keys)
	aItems, aok := index(a, kind, keys)
	if !bok || !aok {
		d.whole(path, before, after)
		return
	}
	sub := shape.item()
	for _, item := range bItems.order {
		d.value(append(path, item), bItems.get(item), aItems.get(item), sub, false)
	}
	for _, item := range aItems.order {
		if bItems.get(item) == nil {
			d.add(append(path, item), nil, aItems.get(item))
		}
	}
	if reordered(bItems, aItems) {
		d.add(path, before, after)
	}
}

// items are the items of one associative list or set, by the element that selects them.
type items struct {
	order []fieldpath.PathElement
	// sorted is ordered by element.
	sorted []listItem
}

type listItem struct {
	element fieldpath.PathElement
	value   any
}

func (i items) get(element fieldpath.PathElement) any {
	at, found := slices.BinarySearchFunc(i.sorted, element, func(item listItem, element fieldpath.PathElement) int {
		return item.element.Compare(element)
	})
	if !found {
		return nil
	}
	return i.sorted[at].value
}

// index returns false where the items cannot be told apart: one lacks a key or is null, or two are the same.
func index(list []any, kind listKind, keys []string) (items, bool) {
	out := items{order: make([]fieldpath.PathElement, 0, len(list)), sorted: make([]listItem, 0, len(list))}
	for _, item := range list {
		var element fieldpath.PathElement
		if kind == associativeList {
			var ok bool
			if element, ok = keyElement(item, keys); !ok {
				return items{}, false
			}
		} else if item == nil {
			return items{}, false
		} else {
			element = fieldpath.ValueElement(value.NewValueInterface(item))
		}
		out.order = append(out.order, element)
		out.sorted = append(out.sorted, listItem{element, item})
	}
	slices.SortFunc(out.sorted, func(a, b listItem) int { return a.element.Compare(b.element) })
	for i := 1; i < len(out.sorted); i++ {
		if out.sorted[i-1].element.Equals(out.sorted[i].element) {
			return items{}, false
		}
	}
	return out, true
}

// reordered reports whether the items that both lists have stand in another order.
func reordered(before, after items) bool {
	var common []fieldpath.PathElement
	for _, element := range before.order {
		if after.get(element) != nil {
			common = append(common, element)
		}
	}
	i := 0
	for _, element := range after.order {
		if before.get(element) == nil {
			continue
		}
		if !common[i].Equals(element) {
			return true
		}
		i++
	}
	return false
}

func sortedKeys(maps ...map[string]any) []string {
	seen := map[string]struct{}{}
	for _, m := range maps {
		for k := range m {
			seen[k] = struct{}{}
		}
	}
	keys := make([]string, 0, len(seen))
	for k := range seen {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
