package admission

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// wantedAt returns what git says at path. Git may leave a defaulted part of a list item's key out (protocol).
func wantedAt(root any, path fieldpath.Path) (any, bool) {
	for _, element := range path {
		switch parent := root.(type) {
		case map[string]any:
			if element.FieldName == nil {
				return nil, false
			}
			root = parent[*element.FieldName]
		case []any:
			root = item(parent, element)
		default:
			return nil, false
		}
		if root == nil {
			return nil, false
		}
	}
	return root, true
}

// item returns the item of list that element selects, nil if there is none.
func item(list []any, element fieldpath.PathElement) any {
	if element.Key == nil {
		v, _ := fields.Get(list, fieldpath.Path{element})
		return v
	}
	for _, candidate := range list {
		m, ok := candidate.(map[string]any)
		if !ok {
			continue
		}
		same := 0
		for _, key := range *element.Key {
			v, has := m[key.Name]
			if !has {
				continue
			}
			if !fields.Equal(v, key.Value.Unstructured()) {
				same = -1
				break
			}
			same++
		}
		if same > 0 {
			return candidate
		}
	}
	return nil
}

// restores reports whether value at path is what git says there.
func restores(path fieldpath.Path, want desired.Object, value any, whole bool) bool {
	w, ok := wantedAt(want.Object, path)
	return ok && matches(path, value, w, whole)
}

// matches reports whether value is what git wants at path. Whole allows the maps of value to hold more: something that
// was wholly absent comes back, and the API server completes it with defaults.
func matches(path fieldpath.Path, value, want any, whole bool) bool {
	switch w := want.(type) {
	case map[string]any:
		v, ok := value.(map[string]any)
		if !ok {
			return false
		}
		for k, x := range w {
			if x != nil && !matches(append(path.Copy(), fieldpath.FieldNameElement(k)), v[k], x, whole) {
				return false
			}
		}
		for k, x := range v {
			if w[k] == nil && x != nil && !whole && !defaulted(k, x) {
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
			if !matches(path, v[i], w[i], whole) {
				return false
			}
		}
		return true
	}
	return fields.Equal(value, want) || quantities(path) && sameQuantity(value, want)
}

// defaulted reports whether the API server may have added this to an item of an atomic list.
func defaulted(field string, value any) bool { return field == "protocol" && value == "TCP" }

// quantities reports whether path is where the built-in kinds keep quantities, which the API server rewrites.
func quantities(path fieldpath.Path) bool {
	for _, element := range path {
		for _, name := range []string{"limits", "requests", "hard", "capacity", "sizeLimit", "divisor"} {
			if is(element, name) {
				return true
			}
		}
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
