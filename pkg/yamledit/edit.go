package yamledit

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// patch puts a text in place of a part of the document's.
type patch struct {
	span
	text string
}

// Set makes value, a string, the value at a path of keys of a document that is a mapping. What is missing of the path is
// added behind the last key of the mapping that it is missing in. A value that others refer to by its anchor stays theirs.
func (d *Document) Set(value string, path ...string) error {
	return d.change(path, func(tree map[string]any, key string) { tree[key] = scalar{"!!str", value} }, func() ([]patch, error) {
		return d.set(value, path)
	})
}

// SetEach is Set for several keys of the mapping at a path, at once: each Set reads all of the document again.
func (d *Document) SetEach(values map[string]string, path ...string) error {
	at := func(key string) []string { return append(path[:len(path):len(path)], key) }
	rest := maps.Clone(values) // those that are not there yet, or that others refer to
	var there []*yaml.Node
	if n := d.Get(path...); n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, old := n.Content[i], n.Content[i+1]
			if _, ok := rest[key.Value]; ok && key.Kind == yaml.ScalarNode && old.Kind == yaml.ScalarNode && old.Anchor == "" {
				there = append(there, key, old)
				delete(rest, key.Value)
			}
		}
	}
	changed := *d
	if len(there) > 0 {
		if err := changed.change(at(there[0].Value), func(tree map[string]any, _ string) {
			for i := 0; i < len(there); i += 2 {
				tree[there[i].Value] = scalar{"!!str", values[there[i].Value]}
			}
		}, func() ([]patch, error) {
			n, in, _, err := changed.reach(at(there[0].Value))
			if err != nil {
				return nil, err
			}
			within, err := changed.within(n, in)
			if err != nil {
				return nil, err
			}
			var patches []patch
			for i := 0; i < len(there); i += 2 {
				more, err := changed.overwrite(there[i+1], within, nil, values[there[i].Value])
				if err != nil {
					return nil, err
				}
				patches = append(patches, more...)
			}
			return patches, nil
		}); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(rest)) {
		if err := changed.Set(values[key], at(key)...); err != nil {
			return err
		}
	}
	*d = changed
	return nil
}

// Delete removes the key at a path, with the comment on its line. Comments above it stay, since nobody knows what they
// are about. It is no error that the key is not there.
func (d *Document) Delete(path ...string) error {
	if d.Get(path...) == nil {
		return nil
	}
	return d.change(path, func(tree map[string]any, key string) { delete(tree, key) }, func() ([]patch, error) {
		return d.remove(path)
	})
}

// change makes patches and holds what becomes of the document against what want makes of what it says now.
func (d *Document) change(path []string, want func(tree map[string]any, key string), patches func() ([]patch, error)) error {
	before, err := d.tree()
	if err != nil {
		return err
	}
	tree, ok := before.(map[string]any)
	if !ok {
		return &SyntaxError{Line: d.Line(), Reason: "is no mapping"}
	}
	for _, key := range path[:len(path)-1] {
		inner, ok := tree[key].(map[string]any)
		if !ok {
			if old, there := tree[key].(scalar); tree[key] != nil && (!there || old.tag != "!!null") {
				return &SyntaxError{Line: d.Line(), Reason: fmt.Sprintf("%s is no mapping", strings.Join(path[:len(path)-1], "."))}
			}
			inner = map[string]any{}
			tree[key] = inner
		}
		tree = inner
	}
	want(tree, path[len(path)-1])
	todo, err := patches()
	if err != nil {
		return d.refused(path, err)
	}
	changed, err := parse(apply(d.text, todo), d.above)
	if err != nil {
		return d.refused(path, errNowhere)
	}
	after, err := changed.tree()
	if err != nil || !reflect.DeepEqual(before, after) {
		return d.refused(path, errNowhere)
	}
	*d = *changed
	return nil
}

func (d *Document) refused(path []string, err error) error {
	line := d.Line()
	for i := range path {
		if n := d.Get(path[:i+1]...); n != nil {
			line = d.LineOf(n)
		}
	}
	return fmt.Errorf("line %d: %s: %w", line, strings.Join(path, "."), err)
}

func apply(text string, patches []patch) string {
	slices.SortStableFunc(patches, func(a, b patch) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, p := range patches {
		b.WriteString(text[at:max(p.start, at)] + p.text)
		at = max(p.end, at)
	}
	return b.String() + text[at:]
}

// reach walks down a path as far as there are mappings. It returns the last mapping, where it stands, and the keys that
// are left.
func (d *Document) reach(path []string) (*yaml.Node, place, []string, error) {
	n, in := d.root, place{indent: -1}
	for i, key := range path {
		_, value := entry(n, key)
		switch {
		case n.Kind == yaml.AliasNode:
			return nil, in, nil, fmt.Errorf("%s is an alias of what stands elsewhere; write it out first", strings.Join(path[:i], "."))
		case n.Kind != yaml.MappingNode || value == nil || len(path) == i+1:
			return n, in, path[i:], nil
		case value.Kind != yaml.MappingNode && value.Kind != yaml.AliasNode: // null
			return n, in, path[i:], nil
		}
		within, err := d.within(n, in)
		if err != nil {
			return nil, in, nil, err
		}
		n, in = value, within
	}
	return n, in, nil, nil
}

// within is inside of a mapping that may be empty.
func (d *Document) within(n *yaml.Node, in place) (place, error) {
	if len(n.Content) == 0 {
		return place{flow: true, indent: in.indent}, nil
	}
	return d.inside(n, in)
}

func (d *Document) set(value string, path []string) ([]patch, error) {
	n, in, keys, err := d.reach(path)
	if err != nil {
		return nil, err
	}
	within, err := d.within(n, in)
	if err != nil {
		return nil, err
	}
	if _, old := entry(n, keys[0]); old != nil {
		return d.overwrite(old, within, keys[1:], value)
	}
	return d.insert(n, in, within, keys, value)
}

// overwrite puts a value in place of another one; keys are those of mappings that have to be around it.
func (d *Document) overwrite(old *yaml.Node, in place, keys []string, value string) ([]patch, error) {
	at, err := d.span(old, in)
	if err != nil {
		return nil, err
	}
	moved, err := d.inherit(old, at)
	if err != nil {
		return nil, err
	}
	text := ""
	switch {
	case len(keys) > 0 && in.flow:
		text = flowEntries(keys, value)
	case len(keys) > 0:
		text = d.Newline() + d.blockEntries(keys, value, in.indent+d.Unit())
		for at.start > 0 && d.text[at.start-1] == ' ' {
			at.start--
		}
	case old.Kind == yaml.ScalarNode:
		text = d.restyle(old, at, in, value)
	default:
		text = scalarText(value, in.flow)
	}
	if at.start == at.end && at.start > 0 && d.text[at.start-1] == ':' && len(keys) == 0 {
		text = " " + text
	}
	return append(moved, patch{at, text}), nil
}

// inherit moves the anchor of a node that goes away, with what it stands for, to the first alias of it.
func (d *Document) inherit(old *yaml.Node, at span) ([]patch, error) {
	if old.Anchor == "" {
		return nil, nil
	}
	var first *yaml.Node
	var where place
	var find func(n *yaml.Node, in place) error
	find = func(n *yaml.Node, in place) error {
		if n.Kind == yaml.AliasNode && n.Alias == old && first == nil {
			first, where = n, in
		}
		if len(n.Content) == 0 || first != nil {
			return nil
		}
		within, err := d.inside(n, in)
		if err != nil {
			return err
		}
		for _, inner := range n.Content {
			if err := find(inner, within); err != nil {
				return err
			}
		}
		return nil
	}
	if err := find(d.root, place{indent: -1}); err != nil || first == nil {
		return nil, err
	}
	text := d.text[at.start:at.end]
	if old.Kind != yaml.ScalarNode || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("other places refer to it as *%s; write it out there first", old.Anchor)
	}
	to, err := d.span(first, where)
	if err != nil {
		return nil, err
	}
	return []patch{{to, text}}, nil
}

func (d *Document) insert(n *yaml.Node, in, within place, keys []string, value string) ([]patch, error) {
	at, err := d.span(n, in)
	if err != nil {
		return nil, err
	}
	if len(n.Content) == 0 { // {}
		inner := flowEntries(keys, value)
		if in.flow || in.indent < 0 || at.start == 0 || d.text[at.start-1] != ' ' {
			return []patch{{at, inner}}, nil
		}
		at.start--
		return []patch{{at, d.Newline() + d.blockEntries(keys, value, in.indent+d.Unit())}}, nil
	}
	key, last := n.Content[len(n.Content)-2], n.Content[len(n.Content)-1]
	end, err := d.end(last, within)
	if err != nil {
		return nil, err
	}
	if !within.flow {
		end = d.lineEnd(end)
		text := d.Newline() + d.blockEntries(keys, value, within.indent)
		return []patch{{span{end, end}, text}}, nil
	}
	begin, err := d.offset(key)
	if err != nil {
		return nil, err
	}
	gap := " "
	if line := d.text[d.lineStart(begin):begin]; strings.TrimSpace(line) == "" {
		gap = d.Newline() + line
	}
	text := "," + gap + strings.TrimSuffix(strings.TrimPrefix(flowEntries(keys, value), "{"), "}")
	return []patch{{span{end, end}, text}}, nil
}
