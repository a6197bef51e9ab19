package origin

import (
	"strconv"
	"strings"
)

// node is a value of a manifest, a patch or a kustomization, with the place where it is written.
type node struct {
	kind nodeKind
	// text is that of a scalar, without quotes. null tells the scalar null from the text "null".
	text string
	null bool
	// at is the line of a scalar, and the line of the key or of the list item that a map or a list belongs to.
	at     Origin
	fields []field
	items  []*node
	// block is how the lines of a scalar of several lines are written.
	block blockStyle
}

type nodeKind int

const (
	scalar nodeKind = iota
	mapping
	list
)

type blockStyle int

const (
	// oneLine is a scalar that stands on one line.
	oneLine blockStyle = iota
	// literal is a block scalar whose lines are those of the file, beginning after the node's own.
	literal
	// folded is every other scalar of several lines: which line holds what is not known.
	folded
)

// field is an entry of a map.
type field struct {
	name  string
	value *node
}

func newScalar(text string, at Origin) *node { return &node{text: text, at: at} }

// get returns the value of a field, nil if there is none or n is not a map.
func (n *node) get(name string) *node {
	if n == nil || n.kind != mapping {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].name == name {
			return n.fields[i].value
		}
	}
	return nil
}

// set replaces or adds a field of a map.
func (n *node) set(name string, value *node) {
	for i := range n.fields {
		if n.fields[i].name == name {
			n.fields[i].value = value
			return
		}
	}
	n.fields = append(n.fields, field{name, value})
}

func (n *node) remove(name string) {
	for i := range n.fields {
		if n.fields[i].name == name {
			n.fields = append(n.fields[:i], n.fields[i+1:]...)
			return
		}
	}
}

// text of a scalar, empty for everything else.
func (n *node) scalar() string {
	if n == nil || n.kind != scalar {
		return ""
	}
	return n.text
}

// copy is deep, so that a patch can be merged into many objects.
func (n *node) copy() *node {
	if n == nil {
		return nil
	}
	out := *n
	if n.fields != nil {
		out.fields = make([]field, len(n.fields))
		for i, f := range n.fields {
			out.fields[i] = field{f.name, f.value.copy()}
		}
	}
	if n.items != nil {
		out.items = make([]*node, len(n.items))
		for i, item := range n.items {
			out.items[i] = item.copy()
		}
	}
	return &out
}

// follow walks down fields by name and list items by index.
func (n *node) follow(path ...any) *node {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			n = n.get(s)
		case int:
			if n == nil || n.kind != list || s < 0 || s >= len(n.items) {
				return nil
			}
			n = n.items[s]
		}
	}
	return n
}

// place is where the value at a path is written, none if there is no such value.
func (n *node) place(path ...any) Origin {
	if found := n.follow(path...); found != nil {
		return found.at
	}
	return Origin{}
}

// child is the value that one part of a JSON pointer or of a field path of kustomize names.
func (n *node) child(part string) *node {
	switch {
	case n == nil:
		return nil
	case n.kind == mapping:
		return n.get(part)
	case n.kind == list:
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(n.items) {
			return n.items[i]
		}
		return n.selected(part)
	}
	return nil
}

// selected is the item of a list that [key=value] names.
func (n *node) selected(part string) *node {
	inner, ok := strings.CutPrefix(part, "[")
	if !ok {
		return nil
	}
	key, value, ok := strings.Cut(strings.TrimSuffix(inner, "]"), "=")
	if !ok {
		return nil
	}
	for _, item := range n.items {
		if key == "" && item.kind == scalar && item.text == value || item.get(key) != nil && item.get(key).scalar() == value {
			return item
		}
	}
	return nil
}

// values is a map of texts.
func (n *node) values() map[string]string {
	if n == nil || n.kind != mapping {
		return nil
	}
	out := make(map[string]string, len(n.fields))
	for _, f := range n.fields {
		out[f.name] = f.value.scalar()
	}
	return out
}
