package yamledit

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Comments are the comments of the document in their order, each from its # to the end of its line. It reports false where
// they cannot be told from the rest for certain; then nothing of the text is returned, which may be a Secret.
func (d *Document) Comments() ([]string, bool) {
	if len(d.starts)-1 != strings.Count(d.text, "\n") {
		return nil, false // some lines end in another way, which YAML allows
	}
	found, ok := d.comments()
	if !ok {
		return nil, false
	}
	// What is said must not depend on any of them.
	var bare strings.Builder
	var out []string
	at := 0
	for _, c := range found {
		bare.WriteString(d.text[at:c.start] + "#")
		out = append(out, d.text[c.start:c.end])
		at = c.end
	}
	bare.WriteString(d.text[at:])
	without, err := parse(bare.String(), d.above)
	if err != nil || !empty(without.root) {
		return nil, false
	}
	before, errBefore := d.tree()
	after, errAfter := without.tree()
	if errBefore != nil || errAfter != nil || !reflect.DeepEqual(before, after) {
		return nil, false
	}
	return out, true
}

// comments are where comments seem to stand.
func (d *Document) comments() ([]span, bool) {
	opaque, err := d.opaque()
	if err != nil {
		return nil, false
	}
	var out []span
	for at := 0; at < len(d.text); at++ {
		for len(opaque) > 0 && at >= opaque[0].start {
			at, opaque = max(at, opaque[0].end), opaque[1:]
		}
		if at >= len(d.text) {
			break
		}
		// Directives and markers are parted from comments by blanks; elsewhere the YAML library demands none.
		if d.text[at] != '#' || at > d.lineStart(at) && d.text[d.lineStart(at)] == '%' && strings.IndexByte(" \t", d.text[at-1]) < 0 {
			continue
		}
		out = append(out, span{at, d.lineEnd(at)})
		at = d.lineEnd(at)
	}
	return out, true
}

// opaque are the parts of the text in which # begins no comment, in their order: keys, values, anchors, tags.
func (d *Document) opaque() ([]span, error) {
	var out []span
	var walk func(n *yaml.Node, in place) error
	walk = func(n *yaml.Node, in place) error {
		start, err := d.offset(n)
		if err != nil {
			return err
		}
		for at := start; n.Kind != yaml.AliasNode && at < len(d.text) && (d.text[at] == '&' || d.text[at] == '!'); {
			end := at
			for end < len(d.text) && strings.IndexByte(" \t\r\n,]}", d.text[end]) < 0 {
				end++
			}
			out = append(out, span{at, end})
			start = d.blank(end)
			at = start
		}
		if n.Kind == yaml.ScalarNode || n.Kind == yaml.AliasNode {
			end, err := d.end(n, in)
			if err != nil {
				return err
			}
			if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
				start = d.nextLine(d.lineEnd(start))
			}
			if start < end {
				out = append(out, span{start, end})
			}
			return nil
		}
		if len(n.Content) == 0 {
			return nil
		}
		within, err := d.inside(n, in)
		if err != nil {
			return err
		}
		for i, inner := range n.Content {
			at := within
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				at.flow = true // a key is on one line
			}
			if err := walk(inner, at); err != nil {
				return err
			}
		}
		return nil
	}
	if d.root == nil {
		return nil, nil
	}
	return out, walk(d.root, place{indent: -1})
}

// empty reports whether the YAML library finds no comment with a text.
func empty(n *yaml.Node) bool {
	if n == nil {
		return true
	}
	if strings.Trim(n.HeadComment+n.LineComment+n.FootComment, "#\r\n") != "" {
		return false
	}
	for _, inner := range n.Content {
		if !empty(inner) {
			return false
		}
	}
	return true
}

// between are the comments between two parts of a text which else has but white space and one of the signs there: the one
// on the line on which it begins, and those below.
func (d *Document) between(from, to int, sign string) (beside string, below []string, ok bool) {
	if from > to {
		return "", nil, false
	}
	first, signs := true, 0
	for at := from; at < to; {
		switch c := d.text[at]; {
		case c == '\n':
			first = false
			at++
		case c == ' ' || c == '\t' || c == '\r':
			at++
		case c == '#':
			text := d.text[at:d.lineEnd(at)]
			if first {
				beside = text
			} else {
				below = append(below, text)
			}
			at += len(text)
		case strings.IndexByte(sign, c) >= 0 && signs == 0:
			signs++
			at++
		default:
			return "", nil, false
		}
	}
	return beside, below, true
}
