package admission

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// finder finds what git says at a path. It remembers where the items of long lists are; the zero finder is ready.
type finder struct {
	// lists is by a list's first item and the names of the keys that its items are found by.
	lists map[listKey]map[string]int
}

type listKey struct {
	first *any
	names string
}

// at returns what git says at path below root. Git may leave a defaulted part of a list item's key out (protocol).
func (f *finder) at(root any, path fieldpath.Path) (any, bool) {
	for _, element := range path {
		switch parent := root.(type) {
		case map[string]any:
			if element.FieldName == nil {
				return nil, false
			}
			root = parent[*element.FieldName]
		case []any:
			root = f.item(parent, element)
		default:
			return nil, false
		}
		if root == nil {
			return nil, false
		}
	}
	return root, true
}

// item returns the first item of list that element selects, nil if there is none. Going through a list once for each of
// its items would take a list of thousands longer than the API server waits.
func (f *finder) item(list []any, element fieldpath.PathElement) any {
	if len(list) == 0 {
		return nil
	}
	var keys value.FieldList
	switch {
	case element.Index != nil:
		v, _ := fields.Get(list, fieldpath.Path{element})
		return v
	case element.Value != nil:
		keys = value.FieldList{{Value: *element.Value}}
	case element.Key != nil:
		keys = *element.Key
	}
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = key.Name
	}
	known := listKey{&list[0], strings.Join(names, "\x00")}
	index, ok := f.lists[known]
	if !ok {
		index = make(map[string]int, len(list))
		for i, item := range list {
			key := itemKey(item, names)
			if _, taken := index[key]; !taken && key != "" {
				index[key] = i
			}
		}
		if f.lists == nil {
			f.lists = map[listKey]map[string]int{}
		}
		f.lists[known] = index
	}
	// An item matches by the keys that it has, at least one.
	found := len(list)
	for _, some := range subsets(keys) {
		if i, ok := index[keyOf(some)]; ok {
			found = min(found, i)
		}
	}
	if found == len(list) {
		return nil
	}
	return list[found]
}

// itemKey is what an item of a list is found by, empty where it has none of the names. An item of a set, whose only name
// is empty, is found by itself.
func itemKey(item any, names []string) string {
	if len(names) == 1 && names[0] == "" {
		return keyOf(value.FieldList{{Value: value.NewValueInterface(item)}})
	}
	m, _ := item.(map[string]any)
	var keys value.FieldList
	for _, name := range names {
		if v, ok := m[name]; ok {
			keys = append(keys, value.Field{Name: name, Value: value.NewValueInterface(v)})
		}
	}
	return keyOf(keys)
}

// keyOf is equal for equal keys; numbers are equal as fields.Equal has it.
func keyOf(keys value.FieldList) string {
	var b strings.Builder
	for _, key := range keys {
		v := key.Value.Unstructured()
		if number, ok := v.(float64); ok && number == math.Trunc(number) && math.Abs(number) < 1<<53 {
			v = int64(number)
		}
		fmt.Fprintf(&b, "%q=%#v;", key.Name, v)
	}
	return b.String()
}

// subsets are the ways in which an item can have some of the keys. The lists of Kubernetes have no more than four.
func subsets(keys value.FieldList) []value.FieldList {
	if len(keys) > 4 {
		return []value.FieldList{keys}
	}
	var out []value.FieldList
	for bits := 1; bits < 1<<len(keys); bits++ {
		var some value.FieldList
		for i, key := range keys {
			if bits&(1<<i) != 0 {
				some = append(some, key)
			}
		}
		out = append(out, some)
	}
	return out
}

// restores reports whether value at path is what git says there.
func restores(path fieldpath.Path, want desired.Object, value any, whole bool) bool {
	w, ok := (&finder{}).at(want.Object, path)
	return ok && matches(path, value, w, whole)
}

// matches reports whether value is what git wants at path. Whole allows the maps of value to hold more: something that
// was wholly absent comes back, and the API server completes it with defaults.
func matches(path fieldpath.Path, value, want any, whole bool) bool {
	return matching{whole}.value(value, want, slices.ContainsFunc(path, holdsQuantities))
}

type matching struct{ whole bool }

// value compares one value; quantities says that it lies where quantities are kept.
func (m matching) value(value, want any, quantities bool) bool {
	switch w := want.(type) {
	case map[string]any:
		v, ok := value.(map[string]any)
		if !ok {
			return false
		}
		for k, x := range w {
			if x != nil && !m.value(v[k], x, quantities || holdsQuantities(fieldpath.FieldNameElement(k))) {
				return false
			}
		}
		for k, x := range v {
			if w[k] == nil && x != nil && !m.whole && !defaulted(k, x) {
				return false
			}
		}
		return true
	case []any:
		v, ok := value.([]any)
		if !ok || len(v) != len(w) {
			return false
		}
		for i := range w {
			if !m.value(v[i], w[i], quantities) {
				return false
			}
		}
		return true
	}
	return fields.Equal(value, want) || quantities && sameQuantity(value, want)
}

// defaulted reports whether the API server may have added this to an item of an atomic list.
func defaulted(field string, value any) bool { return field == "protocol" && value == "TCP" }

// holdsQuantities reports whether the built-in kinds keep quantities, which the API server rewrites, below this field.
func holdsQuantities(element fieldpath.PathElement) bool {
	if element.FieldName == nil {
		return false
	}
	switch *element.FieldName {
	case "limits", "requests", "hard", "capacity", "sizeLimit", "divisor":
		return true
	}
	return false
}

func sameQuantity(a, b any) bool {
	x, err := resource.ParseQuantity(fmt.Sprint(a))
	if err != nil {
		return false
	}
	y, err := resource.ParseQuantity(fmt.Sprint(b))
	return err == nil && x.Cmp(y) == 0
}
