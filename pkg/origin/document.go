package origin

import (
	"fmt"
	"math"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on what is read to answer one question. What goes beyond them has a file and no line.
const (
	// maxText bounds a file, and maxParsed the manifests that are parsed, in bytes.
	maxText   = 4 << 20
	maxParsed = 1 << 20
	// maxNodes bounds the values of one document, those that aliases repeat counted each time.
	maxNodes = 200_000
	// maxDepth bounds how deep values nest.
	maxDepth = 200
)

// text is YAML or JSON that stands in a file, or in a scalar of one.
type text struct {
	content string
	file    string
	// before is how many lines of the file stand before the first of content.
	before int
	// line, if not 0, is the line on which all of content stands.
	line int
	// blind says that it is not known which line holds what.
	blind bool
}

// at is the place of a line of the text, counted from 1.
func (t text) at(line int) Origin {
	switch {
	case t.blind || t.file == "":
		return Origin{File: t.file}
	case t.line != 0:
		return Origin{File: t.file, Line: t.line}
	}
	return Origin{File: t.file, Line: t.before + line}
}

// inner is the text within a scalar, such as a patch that is written into a kustomization.
func inner(n *node) text {
	t := text{content: n.scalar(), file: n.at.File}
	switch {
	case n.at.Line == 0 || n.block == folded:
		t.blind = true
	case n.block == literal:
		t.before = n.at.Line
	default:
		t.line = n.at.Line
	}
	return t
}

// document is one of the documents of a YAML stream.
type document struct {
	root *node
	// at is the first line with content.
	at Origin
}

// documents parses a YAML stream, as which JSON goes too. Documents that cannot be parsed are left out. Documents for
// which wanted, if it is not nil, returns false are not parsed.
func (t text) documents(wanted func(content string) bool) []document {
	if len(t.content) > maxText {
		return nil
	}
	var out []document
	for _, part := range split(t.content) {
		if strings.TrimSpace(part.content) == "" || wanted != nil && !wanted(part.content) {
			continue
		}
		within := t
		within.content = part.content
		within.before += part.before
		if root := within.parse(); root != nil {
			out = append(out, document{root, root.at})
		}
	}
	return out
}

// first is the first document, nil if there is none.
func (t text) first() *node {
	if docs := t.documents(nil); len(docs) > 0 {
		return docs[0].root
	}
	return nil
}

type part struct {
	content string
	// before is how many lines stand before it.
	before int
}

// split cuts a stream at its document markers, which YAML allows nowhere else at the beginning of a line.
func split(content string) []part {
	var out []part
	start, first, line := 0, 0, 0
	for at := 0; at < len(content); {
		end := strings.IndexByte(content[at:], '\n')
		if end < 0 {
			end = len(content)
		} else {
			end += at + 1
		}
		if marker(content[at:end]) {
			out = append(out, part{content[start:at], first})
			// What follows the marker on its line belongs to the next document.
			start, first = at+3, line
		}
		at = end
		line++
	}
	return append(out, part{content[start:], first})
}

func marker(line string) bool {
	rest, ok := strings.CutPrefix(line, "---")
	if !ok {
		rest, ok = strings.CutPrefix(line, "...")
	}
	return ok && (rest == "" || strings.ContainsRune(" \t\r\n", rune(rest[0])))
}

// parse reads one document; nil if it cannot be read.
func (t text) parse() *node {
	var parsed yaml.Node
	if err := unmarshal(t.content, &parsed); err != nil || len(parsed.Content) != 1 {
		return nil
	}
	r := reader{text: t}
	root := r.node(parsed.Content[0], parsed.Content[0].Line, 0)
	if r.nodes > maxNodes {
		return nil
	}
	return root
}

// unmarshal turns a panic of the YAML library over odd input into an error: what it reads was applied by Flux, and a
// question about its lines must not end the process.
func unmarshal(content string, into *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not readable: %v", r)
		}
	}()
	return yaml.Unmarshal([]byte(content), into)
}

// reader turns nodes of the YAML library into nodes with places. Aliases and merge keys are resolved.
type reader struct {
	text  text
	nodes int
	// lines are those of the text, once they are needed.
	lines []string
}

// node reads n. Line is that of the key or list item to which a map or list belongs.
func (r *reader) node(n *yaml.Node, line, depth int) *node {
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		r.nodes = math.MaxInt / 2
		return &node{null: true}
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := &node{kind: mapping, at: r.text.at(line)}
		r.fields(out, n, depth)
		return out
	case yaml.SequenceNode:
		out := &node{kind: list, at: r.text.at(line)}
		for _, item := range n.Content {
			out.items = append(out.items, r.node(item, item.Line, depth+1))
		}
		return out
	case yaml.AliasNode:
		// A scalar is set where it is named; the fields of a map or list are where they are written.
		out := r.node(n.Alias, line, depth+1)
		if out.kind == scalar {
			out.at, out.block = r.text.at(n.Line), folded
		}
		return out
	}
	return &node{text: n.Value, null: n.ShortTag() == "!!null", at: r.text.at(n.Line), block: r.style(n)}
}

// style says how the lines of a scalar are written.
func (r *reader) style(n *yaml.Node) blockStyle {
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		return literal
	case n.Style&yaml.FoldedStyle != 0:
		return folded
	case !strings.ContainsAny(n.Value, " \n"):
		return oneLine
	}
	if r.lines == nil {
		r.lines = strings.Split(r.text.content, "\n")
	}
	if n.Line < 1 || n.Line > len(r.lines) {
		return folded
	}
	line := r.lines[n.Line-1]
	switch {
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 && strings.Contains(line, n.Value),
		n.Style&yaml.SingleQuotedStyle != 0 && strings.Contains(line, strings.ReplaceAll(n.Value, "'", "''")),
		n.Style&yaml.DoubleQuotedStyle != 0 && closed(line, n.Column):
		return oneLine
	}
	return folded
}

// closed reports whether a double-quoted scalar that begins at a column ends on the same line.
func closed(line string, column int) bool {
	for i := column; i >= 0 && i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return true
		}
	}
	return false
}

func (r *reader) fields(out *node, n *yaml.Node, depth int) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			r.merged(out, value, depth)
			continue
		}
		name := key.Value
		if key.Kind == yaml.AliasNode {
			name = key.Alias.Value
		}
		out.set(name, r.node(value, key.Line, depth+1))
	}
}

// merged adds the fields that << brings in; those that the map has itself win.
func (r *reader) merged(out *node, value *yaml.Node, depth int) {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	if value.Kind == yaml.SequenceNode {
		for _, item := range value.Content {
			if depth < maxDepth {
				r.merged(out, item, depth+1)
			}
		}
		return
	}
	if value.Kind != yaml.MappingNode || depth >= maxDepth {
		return
	}
	in := &node{kind: mapping}
	r.nodes++
	r.fields(in, value, depth+1)
	for _, f := range in.fields {
		if out.get(f.name) == nil {
			out.fields = append(out.fields, f)
		}
	}
}
