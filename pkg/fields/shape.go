package fields

import (
	"sort"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Shape knows which lists of an object are associative and which are sets. The API server writes this into
// managedFields: items of an associative list as `k:{…}`, items of a set as `v:…`, atomic lists and maps as leaves.
// A list that no manager's set enters is atomic to a Shape. The zero Shape and nil know no list at all.
type Shape struct {
	set *fieldpath.Set
}

// NewShape learns from the field sets of all managers of an object, nil sets are passed over.
func NewShape(sets ...*fieldpath.Set) *Shape {
	return &Shape{set: Union(sets...)}
}

// below returns the Shape of what element selects.
func (s *Shape) below(element fieldpath.PathElement) *Shape {
	if s == nil {
		return nil
	}
	sub, ok := s.set.Children.Get(element)
	if !ok {
		return nil
	}
	return &Shape{set: sub}
}

// item returns the Shape of one item of an associative list: what is known of any item holds for all of them. It goes
// through the whole list.
func (s *Shape) item() *Shape {
	if s == nil {
		return nil
	}
	var sets []*fieldpath.Set
	s.set.Children.Iterate(func(element fieldpath.PathElement) {
		if element.Key == nil {
			return
		}
		if sub, ok := s.set.Children.Get(element); ok {
			sets = append(sets, sub)
		}
	})
	return &Shape{set: Union(sets...)}
}

type listKind int

const (
	atomicList listKind = iota
	associativeList
	setList
)

// list says what kind of list this is, and the key fields of an associative one.
func (s *Shape) list() (listKind, []string) {
	if s == nil {
		return atomicList, nil
	}
	tells := func(element fieldpath.PathElement) bool {
		kind, _ := elementKind(element)
		return kind != atomicList
	}
	if element, ok := find(s.set, tells); ok {
		return elementKind(element)
	}
	return atomicList, nil
}

func elementKind(element fieldpath.PathElement) (listKind, []string) {
	switch {
	case element.Key != nil:
		keys := make([]string, 0, len(*element.Key))
		for _, field := range *element.Key {
			keys = append(keys, field.Name)
		}
		sort.Strings(keys)
		return associativeList, keys
	case element.Value != nil:
		return setList, nil
	}
	return atomicList, nil
}

// granular reports whether some manager owns single fields of the map here.
func (s *Shape) granular() bool { return s != nil && !s.set.Empty() }

// atomicMap reports whether a map here is known to be written as a whole: some manager owns it as a leaf and
// no manager owns anything inside it.
func (s *Shape) atomicMap(parent *Shape, element fieldpath.PathElement) bool {
	return s == nil && parent != nil && parent.set.Members.Has(element)
}
