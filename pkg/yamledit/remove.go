package yamledit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (d *Document) remove(path []string) ([]patch, error) {
	n, in, keys, err := d.reach(path)
	if err != nil {
		return nil, err
	}
	if len(keys) != 1 {
		return nil, errNowhere
	}
	within, err := d.within(n, in)
	if err != nil {
		return nil, err
	}
	name, value := entry(n, keys[0])
	at, err := d.span(value, within)
	if err != nil {
		return nil, err
	}
	moved, err := d.inherit(value, at)
	if err != nil {
		return nil, err
	}
	begin, err := d.offset(name)
	if err != nil {
		return nil, err
	}
	i := slices.Index(n.Content, name)
	if within.flow {
		if patches, err := d.removeBesideComments(n, i, in, span{begin, at.end}); err != nil || patches != nil {
			return append(moved, patches...), err
		}
	}
	if len(n.Content) == 2 {
		var owner *yaml.Node
		if len(path) > 1 {
			owner, _ = entry(d.Get(path[:len(path)-2]...), path[len(path)-2])
		}
		return d.empty(n, owner, in, within, span{begin, at.end}, moved)
	}
	if !within.flow {
		start := d.lineStart(begin)
		if strings.TrimSpace(d.text[start:begin]) != "" {
			return nil, errNowhere // behind the dash of a list
		}
		return append(moved, patch{span{start, d.nextLine(d.lineEnd(at.end))}, ""}), nil
	}
	if i+2 < len(n.Content) {
		next, err := d.offset(n.Content[i+2])
		return append(moved, patch{span{begin, next}, ""}), err
	}
	before, err := d.end(n.Content[i-1], within)
	return append(moved, patch{span{before, at.end}, ""}), err
}

// removeBesideComments takes an entry out of a mapping in braces, with its comma and the comment on its line; comments above it
// and behind it stay. It returns nil where there are none.
func (d *Document) removeBesideComments(n *yaml.Node, i int, in place, only span) ([]patch, error) {
	within, err := d.inside(n, in)
	if err != nil {
		return nil, err
	}
	whole, err := d.span(n, in)
	if err != nil {
		return nil, err
	}
	before, after := whole.start+1, whole.end-1
	if i > 0 {
		if before, err = d.end(n.Content[i-1], within); err != nil {
			return nil, err
		}
	}
	if i+2 < len(n.Content) {
		if after, err = d.offset(n.Content[i+2]); err != nil {
			return nil, err
		}
	}
	beside, above, ok := d.between(before, only.start, ",")
	own, below, okBehind := d.between(only.end, after, ",")
	switch {
	case !ok || !okBehind:
		return nil, errNowhere
	case beside == "" && own == "" && len(above)+len(below) == 0:
		return nil, nil
	}
	end := only.end
	if comma := strings.IndexByte(d.text[end:after], ','); comma >= 0 {
		if end += comma + 1; strings.Contains(d.text[only.end:end], "#") {
			return nil, errNowhere // the comma stands below a comment
		}
	}
	start := only.start
	if own != "" {
		end = d.lineEnd(end)
	}
	if line := d.lineStart(start); strings.TrimSpace(d.text[line:start]) == "" && end < after && strings.TrimSpace(d.text[end:d.lineEnd(end)]) == "" {
		start, end = line, d.nextLine(d.lineEnd(end))
	} else {
		for end < after && d.text[end] == ' ' {
			end++
		}
	}
	return []patch{{span{start, end}, ""}}, nil
}

// empty takes the only entry out of a mapping, which stands below the key owner.
func (d *Document) empty(n, owner *yaml.Node, in, within place, only span, moved []patch) ([]patch, error) {
	at, err := d.span(n, in)
	if err != nil {
		return nil, err
	}
	if within.flow {
		return append(moved, patch{at, "{}"}), nil
	}
	if owner == nil || owner.Line == n.Line {
		return nil, errNowhere
	}
	colon, err := d.end(owner, place{flow: true}) // a key is a scalar on one line
	if err != nil {
		return nil, err
	}
	if colon, err = d.expect(d.blank(colon), ":"); err != nil {
		return nil, err
	}
	start := d.lineStart(only.start)
	return append(moved, patch{span{colon, colon}, " {}"}, patch{span{start, d.nextLine(d.lineEnd(only.end))}, ""}), nil
}
