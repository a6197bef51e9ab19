package fields

import (
	"encoding/json"
	"math"
	"reflect"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Get returns the value at path below root, and whether there is one.
// Values are shared with root; callers must not change them.
func Get(root any, path fieldpath.Path) (any, bool) {
	current := root
	for _, element := range path {
		next, _ := child(current, element)
		if next == nil {
			return nil, false
		}
		current = next
	}
	return current, current != nil
}

// Lookup is Get, but tells a null that is there from an absent field: it returns Null for it.
func Lookup(root any, path fieldpath.Path) (any, bool) {
	if v, ok := Get(root, path); ok || len(path) == 0 {
		return v, ok
	}
	parent, _ := Get(root, path[:len(path)-1])
	last := path[len(path)-1]
	if m, ok := parent.(map[string]any); ok && last.FieldName != nil {
		if v, there := m[*last.FieldName]; there && v == nil {
			return Null{}, true
		}
	}
	return nil, false
}

// HasNulls reports whether outer has a null wherever inner has one. Lists are compared item by item, as far as both go.
func HasNulls(outer, inner any) bool {
	switch i := inner.(type) {
	case map[string]any:
		o, _ := outer.(map[string]any)
		for name, v := range i {
			if w, there := o[name]; v == nil && !there || !HasNulls(w, v) {
				return false
			}
		}
	case []any:
		o, _ := outer.([]any)
		for n := range min(len(o), len(i)) {
			if !HasNulls(o[n], i[n]) {
				return false
			}
		}
	}
	return true
}

// child returns the value that element selects in parent and, for list items, its index.
func child(parent any, element fieldpath.PathElement) (any, int) {
	switch p := parent.(type) {
	case map[string]any:
		if element.FieldName == nil {
			return nil, -1
		}
		return p[*element.FieldName], -1
	case []any:
		for i, item := range p {
			if selects(element, item, i) {
				return item, i
			}
		}
	}
	return nil, -1
}

func selects(element fieldpath.PathElement, item any, index int) bool {
	switch {
	case element.Key != nil:
		m, ok := item.(map[string]any)
		if !ok {
			return false
		}
		for _, key := range *element.Key {
			want := key.Value.Unstructured()
			// A key that is left out may default to "", as a reference's name does.
			if got, ok := m[key.Name]; !Equal(got, want) && (ok || want != "") {
				return false
			}
		}
		return true
	case element.Value != nil:
		return Equal(item, (*element.Value).Unstructured())
	case element.Index != nil:
		return index == *element.Index
	}
	return false
}

// Equal reports whether two JSON values are the same. Numbers are compared by value, whatever their Go type;
// null equals an absent value, but a Null equals a Null alone.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case Null:
		_, ok := b.(Null)
		return ok
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && equalMaps(x, y)
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		if shared(a, b) {
			return true
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case string:
		y, ok := b.(string)
		return ok && x == y
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	}
	return equalNumbers(a, b)
}

func equalMaps(a, b map[string]any) bool {
	if shared(a, b) {
		return true
	}
	for k, v := range a {
		if !Equal(v, b[k]) {
			return false
		}
	}
	for k, v := range b {
		if _, ok := a[k]; !ok && v != nil {
			return false
		}
	}
	return true
}

// shared reports whether two values are one map or list: two states of an object may share what is the same in both.
func shared(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && reflect.ValueOf(x).Pointer() == reflect.ValueOf(y).Pointer()
	case []any:
		y, ok := b.([]any)
		return ok && len(x) == len(y) && len(x) > 0 && &x[0] == &y[0]
	}
	return false
}

func equalNumbers(a, b any) bool {
	if ai, ok := integer(a); ok {
		if bi, ok := integer(b); ok {
			return ai == bi
		}
	}
	af, aok := float(a)
	bf, bok := float(b)
	return aok && bok && af == bf
}

// Contains reports whether the object outer has every value of the object inner, and nothing where inner has null. Maps of outer may hold
// more where shape knows that they are written field by field, as the object itself and its metadata are; lists must
// match item by item.
func Contains(outer, inner map[string]any, shape *Shape) bool {
	return containsAll(outer, inner, shape, "metadata")
}

// containsAll compares the fields of two maps; what is named granular is known to be written field by field.
func containsAll(outer, inner map[string]any, shape *Shape, granular string) bool {
	for name, v := range inner {
		if !contains(outer[name], v, shape.below(fieldpath.FieldNameElement(name)), name == granular) {
			return false
		}
	}
	return true
}

func contains(outer, inner any, shape *Shape, granular bool) bool {
	switch i := inner.(type) {
	case map[string]any:
		o, ok := outer.(map[string]any)
		return ok && (granular || shape.granular() || len(o) <= len(i)) && containsAll(o, i, shape, "")
	case []any:
		o, ok := outer.([]any)
		if !ok || len(o) != len(i) {
			return false
		}
		for n := range i {
			if !contains(o[n], i[n], shape.item(), false) {
				return false
			}
		}
		return true
	}
	return Equal(outer, inner)
}

// integer returns v as an int64; whole floats count, because YAML and JSON decoders disagree about 1.0.
func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case int32:
		return int64(n), true
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int64(n), true
		}
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	}
	return 0, false
}

func float(v any) (float64, bool) {
	if i, ok := integer(v); ok {
		return float64(i), true
	}
	switch n := v.(type) {
	case float64:
		return n, true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return 0, false
}

// keyElement returns the path element that selects item by the named keys, false where item lacks one of them.
func keyElement(item any, keys []string) (fieldpath.PathElement, bool) {
	m, ok := item.(map[string]any)
	if !ok {
		return fieldpath.PathElement{}, false
	}
	list := make(value.FieldList, 0, len(keys))
	for _, key := range keys {
		v, ok := m[key]
		if !ok {
			return fieldpath.PathElement{}, false
		}
		list = append(list, value.Field{Name: key, Value: value.NewValueInterface(v)})
	}
	list.Sort()
	return fieldpath.PathElement{Key: &list}, true
}
