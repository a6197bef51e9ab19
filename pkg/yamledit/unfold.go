package yamledit

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Unfold writes the mapping in braces at a path with one key a line, without a path that which the whole document is. Comments
// stay with the entries that they stand behind or above, and what the document says stays the same. It reports false, and
// changes nothing, where there is no such mapping, or it cannot be had.
func (d *Document) Unfold(path ...string) bool {
	if d.root == nil {
		return false
	}
	n, in, keys, err := d.reach(append(path[:len(path):len(path)], ""))
	if err != nil || len(keys) != 1 || in.flow || n.Kind != yaml.MappingNode || n.Style&yaml.FlowStyle == 0 || len(n.Content) == 0 {
		return false
	}
	at, err := d.span(n, in)
	if err != nil || d.text[at.start] != '{' {
		return false
	}
	lines, above, ok := d.unfolded(n, at, in)
	if !ok {
		return false
	}
	end := d.lineEnd(at.end)
	behind, _, ok := d.between(at.end, end, "")
	if !ok {
		return false
	}
	if behind == "" {
		behind, above = above, ""
	}
	indent := strings.Repeat(" ", in.indent+1)
	if in.indent >= 0 {
		indent = strings.Repeat(" ", in.indent+d.Unit())
	}
	eol := d.Newline()
	var b strings.Builder
	if len(strings.TrimSpace(d.text[d.lineStart(at.start):at.start])) > 0 { // behind the key, or the document's marker
		if behind != "" {
			b.WriteString(" " + behind)
		}
		b.WriteString(eol)
	} else if behind != "" {
		b.WriteString(indent + behind + eol)
	}
	if above != "" {
		b.WriteString(indent + above + eol)
	}
	for i, line := range lines {
		if i > 0 {
			b.WriteString(eol)
		}
		b.WriteString(indent + line)
	}
	for at.start > 0 && (d.text[at.start-1] == ' ' || d.text[at.start-1] == '\t') {
		at.start--
	}
	changed, err := parse(d.text[:at.start]+b.String()+d.text[end:], d.above)
	if err != nil {
		return false
	}
	before, errBefore := d.tree()
	after, errAfter := changed.tree()
	if errBefore != nil || errAfter != nil || !reflect.DeepEqual(before, after) {
		return false
	}
	*d = *changed
	return true
}

// unfolded are the lines of a mapping in braces, and the comment behind its opening one.
func (d *Document) unfolded(n *yaml.Node, whole span, in place) (lines []string, above string, ok bool) {
	within := place{flow: true, indent: in.indent}
	at := whole.start + 1
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, errKey := d.span(n.Content[i], within)
		value, errValue := d.span(n.Content[i+1], within)
		if errKey != nil || errValue != nil || value.start == value.end {
			return nil, "", false
		}
		sign := ","
		if i == 0 {
			sign = ""
		}
		beside, below, ok := d.between(at, key.start, sign)
		inner, more, okInner := d.between(key.end, value.start, ":")
		if !ok || !okInner {
			return nil, "", false
		}
		switch {
		case i == 0:
			above = beside
		case beside != "":
			lines[len(lines)-1] += " " + beside
		}
		lines = append(lines, below...)
		if inner != "" {
			lines = append(lines, inner)
		}
		lines = append(lines, more...)
		lines = append(lines, d.text[key.start:key.end]+": "+d.text[value.start:value.end])
		at = value.end
	}
	beside, below, ok := d.between(at, whole.end-1, ",")
	if !ok {
		return nil, "", false
	}
	if beside != "" {
		lines[len(lines)-1] += " " + beside
	}
	return append(lines, below...), above, true
}
