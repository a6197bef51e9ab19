package yamledit

import (
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// errNowhere says that the text of a node was not found where the YAML library says that it stands.
var errNowhere = errors.New("the text is written in a way that cannot be changed in place")

// span is a part of a document's text, in bytes.
type span struct{ start, end int }

// place is what the text around a node means for where it ends.
type place struct {
	flow   bool
	indent int // columns before the keys or dashes of the collection that it is in, -1 for the document itself
}

// offset is where a node begins.
func (d *Document) offset(n *yaml.Node) (int, error) {
	if n.Line < 1 || n.Line > len(d.starts) || n.Column < 1 {
		return 0, errNowhere
	}
	at := d.starts[n.Line-1]
	for column := 1; column < n.Column; column++ {
		if at >= len(d.text) {
			return 0, errNowhere
		}
		_, size := utf8.DecodeRuneInString(d.text[at:])
		at += size
	}
	return at, nil
}

// span is the text of a node, anchor and tag included.
func (d *Document) span(n *yaml.Node, in place) (span, error) {
	start, err := d.offset(n)
	if err != nil {
		return span{}, err
	}
	end, err := d.end(n, in)
	if err != nil {
		return span{}, err
	}
	if end < start {
		return span{}, errNowhere
	}
	return span{start, end}, nil
}

// inside is the place of what stands in a collection.
func (d *Document) inside(n *yaml.Node, in place) (place, error) {
	if in.flow || n.Style&yaml.FlowStyle != 0 {
		return place{flow: true, indent: in.indent}, nil
	}
	if len(n.Content) == 0 {
		return place{}, errNowhere
	}
	if n.Kind == yaml.MappingNode {
		return place{indent: n.Content[0].Column - 1}, nil
	}
	at, err := d.offset(n.Content[0])
	if err != nil {
		return place{}, err
	}
	dash := strings.LastIndexByte(d.text[:at], '-')
	if dash < 0 {
		return place{}, errNowhere
	}
	return place{indent: utf8.RuneCountInString(d.text[d.lineStart(dash):dash])}, nil
}

// end is where the text of a node ends.
func (d *Document) end(n *yaml.Node, in place) (int, error) {
	at, err := d.offset(n)
	if err != nil {
		return 0, err
	}
	if n.Kind == yaml.AliasNode {
		return d.expect(at, "*"+n.Value)
	}
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || strings.HasPrefix(d.text[at:], "!") {
		at = d.properties(at)
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return d.scalarEnd(n, at, in)
	case yaml.MappingNode, yaml.SequenceNode:
		within, err := d.inside(n, in)
		if err != nil {
			return 0, err
		}
		last := at
		opened := within.flow && at < len(d.text) && (d.text[at] == '{' || d.text[at] == '[')
		if opened {
			last++
		}
		if len(n.Content) > 0 {
			if last, err = d.end(n.Content[len(n.Content)-1], within); err != nil {
				return 0, err
			}
		}
		if !opened {
			return last, nil
		}
		for last = d.blank(last); last < len(d.text) && strings.IndexByte(",:", d.text[last]) >= 0; {
			last = d.blank(last + 1)
		}
		return d.expect(last, map[byte]string{'{': "}", '[': "]"}[d.text[at]])
	}
	return 0, errNowhere
}

func (d *Document) expect(at int, text string) (int, error) {
	if !strings.HasPrefix(d.text[at:], text) {
		return 0, errNowhere
	}
	return at + len(text), nil
}

// properties is where the content behind anchors and tags begins, or the text ends if there is none.
func (d *Document) properties(at int) int {
	for at < len(d.text) && (d.text[at] == '&' || d.text[at] == '!') {
		for at < len(d.text) && strings.IndexByte(" \t\r\n,]}", d.text[at]) < 0 {
			at++
		}
		behind := at
		if next := d.blank(at); next < len(d.text) {
			at = next
		}
		if at == behind {
			break
		}
	}
	return at
}

// blank is the next offset that is neither white space nor a comment.
func (d *Document) blank(at int) int {
	for at < len(d.text) {
		switch d.text[at] {
		case ' ', '\t', '\r', '\n':
			at++
		case '#': // behind a token the YAML library demands no blank
			at = d.lineEnd(at)
		default:
			return at
		}
	}
	return at
}

func (d *Document) scalarEnd(n *yaml.Node, at int, in place) (int, error) {
	text := d.text
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		if _, err := d.expect(at, `"`); err != nil {
			return 0, err
		}
		for i := at + 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				return i + 1, nil
			}
		}
		return 0, errNowhere
	case n.Style&yaml.SingleQuotedStyle != 0:
		if _, err := d.expect(at, `'`); err != nil {
			return 0, err
		}
		for i := at + 1; i < len(text); i++ {
			if text[i] != '\'' {
				continue
			}
			if i+1 < len(text) && text[i+1] == '\'' {
				i++
				continue
			}
			return i + 1, nil
		}
		return 0, errNowhere
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return d.blockEnd(at, in)
	case n.Value == "":
		// Nothing is written; what may stand here is an anchor or a tag.
		start, err := d.offset(n)
		if err != nil {
			return 0, err
		}
		for start < len(text) && (text[start] == '&' || text[start] == '!') {
			for start < len(text) && strings.IndexByte(" \t\r\n,]}", text[start]) < 0 {
				start++
			}
			if next := start; next+1 < len(text) && text[next] == ' ' && (text[next+1] == '&' || text[next+1] == '!') {
				start++
			}
		}
		return start, nil
	}
	return d.plainEnd(at, in), nil
}

// plainEnd is where a scalar without quotes ends, which may go on on lines that are indented further.
func (d *Document) plainEnd(at int, in place) int {
	end := at
	for {
		lineEnd := d.lineEnd(at)
		i := at
		for ; i < lineEnd; i++ {
			c := d.text[i]
			space := i+1 >= lineEnd || d.text[i+1] == ' ' || d.text[i+1] == '\t' || d.text[i+1] == '\r'
			if c == ':' && (space || in.flow && strings.IndexByte(",[]{}", d.text[i+1]) >= 0) ||
				c == '#' && i > at && (d.text[i-1] == ' ' || d.text[i-1] == '\t') ||
				in.flow && strings.IndexByte(",[]{}", c) >= 0 {
				break
			}
		}
		if trimmed := strings.TrimRight(d.text[at:i], " \t\r\n"); trimmed != "" {
			end = at + len(trimmed)
		}
		if i < lineEnd {
			return end
		}
		next := lineEnd
		for next < len(d.text) && strings.IndexByte(" \t\r\n", d.text[next]) >= 0 {
			next++
		}
		begin := d.lineStart(next)
		if next >= len(d.text) || d.text[next] == '#' || !in.flow && next-begin <= in.indent ||
			next == begin && (marker(d.text[next:], "---") || marker(d.text[next:], "...")) {
			return end
		}
		at = next
	}
}

// blockEnd is where a literal or folded scalar ends: behind its last line that is not blank, its line break apart, and
// behind the blank ones too where they count.
func (d *Document) blockEnd(at int, in place) (int, error) {
	if at >= len(d.text) || d.text[at] != '|' && d.text[at] != '>' {
		return 0, errNowhere
	}
	header := d.lineEnd(at)
	indicators, _, _ := strings.Cut(d.text[at:header], " ")
	keep := strings.Contains(indicators, "+")
	least := in.indent + 1
	if i := strings.IndexAny(indicators, "123456789"); i >= 0 {
		least = max(in.indent, 0) + int(indicators[i]-'0')
	}
	first := !strings.ContainsAny(indicators, "123456789") // the line that says how far the text is indented is still to come
	end := at + len(strings.TrimRight(d.text[at:header], " \t\r"))
	for line := d.nextLine(header); line < len(d.text); line = d.nextLine(d.lineEnd(line)) {
		lineEnd := d.lineEnd(line)
		content := strings.TrimRight(d.text[line:lineEnd], "\r")
		indent := len(content) - len(strings.TrimLeft(content, " "))
		blank := strings.TrimLeft(content, " ") == ""
		if !blank && indent < least || line == lineEnd && lineEnd == len(d.text) {
			break
		}
		if !blank && first {
			least, first = indent, false
		}
		if !blank || keep {
			end = line + len(content)
		}
		if d.nextLine(lineEnd) <= line {
			break
		}
	}
	return end, nil
}

// lineStart is where the line of an offset begins.
func (d *Document) lineStart(at int) int { return strings.LastIndexByte(d.text[:at], '\n') + 1 }

// lineEnd is where the line of an offset ends, before its line break.
func (d *Document) lineEnd(at int) int {
	i := strings.IndexByte(d.text[at:], '\n')
	if i < 0 {
		return len(d.text)
	}
	if i > 0 && d.text[at+i-1] == '\r' {
		i--
	}
	return at + i
}

// nextLine is where the line behind a line's end begins.
func (d *Document) nextLine(end int) int {
	if strings.HasPrefix(d.text[end:], "\r\n") {
		return end + 2
	}
	return min(end+1, len(d.text))
}
