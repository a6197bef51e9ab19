package yamledit

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Block is a mapping of one key a line, cut into its entries. Preamble, the entries' Head and Text, and Tail are together the
// whole text between the lines around it.
type Block struct {
	// Preamble is what stands above the document's content: its marker, directives. Only the root has one.
	Preamble string
	Entries  []Entry
	// Tail is what follows the last entry up to the end of the document. Only the root has one.
	Tail string
}

// Entry is a key of a mapping and all text that belongs to it. Texts of lines end in a line break.
type Entry struct {
	Key   string
	Value *yaml.Node
	// Name is the key as it is written, in quotes perhaps.
	Name string
	// Head are the comments and blank lines above it.
	Head string
	// Text are its lines, from the key to the end of the value.
	Text string
	// Comment is what stands behind the value, or behind the key where the value stands below it: # …, or nothing. Gap is the
	// white space before it.
	Comment, Gap string
	// Inside are the comments between the key and its value.
	Inside []string
	// Indent is how many columns stand before the key.
	Indent int
}

// Block cuts the mapping at a path into its entries. It reports false where there is none, or it is not written with one
// key a line: in braces, as JSON, behind the dash of a list, with merge keys or anchors.
func (d *Document) Block(path ...string) (*Block, bool) {
	if d.root == nil {
		return nil, false
	}
	n, in, keys, err := d.reach(append(path[:len(path):len(path)], ""))
	if err != nil || len(keys) != 1 || n.Kind != yaml.MappingNode || len(n.Content) == 0 || n.Anchor != "" {
		return nil, false
	}
	within, err := d.within(n, in)
	if err != nil || within.flow {
		return nil, false
	}
	b := &Block{}
	at, ok := d.linesOf(n, path, b)
	if !ok {
		return nil, false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		e := Entry{Key: n.Content[i].Value, Value: n.Content[i+1], Indent: within.indent}
		if n.Content[i].Kind != yaml.ScalarNode || e.Key == "<<" {
			return nil, false
		}
		key, err := d.span(n.Content[i], place{flow: true})
		if err != nil {
			return nil, false
		}
		value, err := d.span(e.Value, within)
		if err != nil {
			return nil, false
		}
		start := d.lineStart(key.start)
		if strings.TrimSpace(d.text[start:key.start]) != "" || start < at {
			return nil, false
		}
		next := d.nextLine(d.lineEnd(value.end))
		e.Name, e.Head, e.Text = d.text[key.start:key.end], d.text[at:start], d.text[start:next]
		e.Comment, e.Gap = d.comment(e.Value, key, value)
		if beside, below, ok := d.between(key.end, value.start, ":"); ok && e.Value.Kind == yaml.ScalarNode {
			if beside != "" {
				e.Inside = append(e.Inside, beside)
			}
			e.Inside = append(e.Inside, below...)
		}
		if next == len(d.text) && !strings.HasSuffix(e.Text, "\n") {
			e.Text += d.Newline()
		}
		b.Entries = append(b.Entries, e)
		at = next
	}
	if len(path) == 0 {
		b.Tail = d.text[at:]
	}
	return b, true
}

// linesOf is where the lines of a mapping begin: behind the line of its key, or of the document's marker.
func (d *Document) linesOf(n *yaml.Node, path []string, b *Block) (int, bool) {
	if len(path) > 0 {
		key, _ := entry(d.Get(path[:len(path)-1]...), path[len(path)-1])
		at, err := d.offset(key)
		if err != nil || key.Line == n.Content[0].Line {
			return 0, false
		}
		return d.nextLine(d.lineEnd(at)), true
	}
	first, err := d.offset(n.Content[0])
	if err != nil {
		return 0, false
	}
	begin := 0
	for at := 0; at < first; at = d.nextLine(d.lineEnd(at)) {
		if marker(d.text[at:], "---") {
			begin = d.nextLine(d.lineEnd(at))
		}
	}
	if begin > d.lineStart(first) {
		return 0, false
	}
	b.Preamble = d.text[:begin]
	return begin, true
}

// comment is the one on the last line of a value, or on the line of its key where the value stands below, and the white
// space before it.
func (d *Document) comment(n *yaml.Node, key, value span) (comment, gap string) {
	at := value.end
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		at = value.start
	} else if n.Kind != yaml.ScalarNode && n.Kind != yaml.AliasNode && d.lineStart(value.start) != d.lineStart(key.start) {
		at = key.end
	}
	line := d.text[at:d.lineEnd(at)]
	for i := 1; i < len(line); i++ {
		if line[i] == '#' && (line[i-1] == ' ' || line[i-1] == '\t') {
			before := strings.TrimRight(line[:i], " \t")
			return line[i:], line[len(before):i]
		}
	}
	return "", ""
}

// Shift moves lines to the right, or to the left where columns is negative, as far as there are blanks. Empty lines stay.
func Shift(lines string, columns int) string {
	var b strings.Builder
	for len(lines) > 0 {
		end := strings.IndexByte(lines, '\n') + 1
		if end == 0 {
			end = len(lines)
		}
		line := lines[:end]
		lines = lines[end:]
		switch {
		case strings.TrimRight(line, "\r\n") == "":
		case columns > 0:
			b.WriteString(strings.Repeat(" ", columns))
		default:
			blanks := len(line) - len(strings.TrimLeft(line, " "))
			line = line[min(blanks, -columns):]
		}
		b.WriteString(line)
	}
	return b.String()
}

// Scalar writes a string as YAML, on one line.
func Scalar(value string) string { return scalarText(value, false) }
