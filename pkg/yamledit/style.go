package yamledit

import (
	"encoding/json"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
	k8syaml "sigs.k8s.io/yaml"
)

// restyle writes a value the way that the old one was: quoted alike, a block scalar below the same header.
func (d *Document) restyle(old *yaml.Node, at span, in place, value string) string {
	switch {
	case old.Style&yaml.DoubleQuotedStyle != 0:
		return quoted(value)
	case old.Style&yaml.SingleQuotedStyle != 0 && printable(value):
		return "'" + strings.ReplaceAll(value, "'", "''") + "'"
	case old.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return d.block(at, in, value)
	}
	return scalarText(value, in.flow)
}

// block writes a value below the header of a block scalar if it can stand there, and else in its place. The header's comment
// stays.
func (d *Document) block(at span, in place, value string) string {
	header := d.text[at.start:d.lineEnd(at.start)]
	comment := ""
	if i := strings.Index(header, " #"); i >= 0 {
		header, comment = header[:i], header[i:]
	}
	first := d.nextLine(d.lineEnd(at.start))
	line, clipped := strings.CutSuffix(value, "\n")
	indicator := header[max(strings.LastIndexAny(header, "|>"), 0):] // an anchor may stand on a line of its own
	if indicator == "" || strings.IndexByte("|>", indicator[0]) < 0 || first >= at.end || line == "" || strings.TrimSpace(line) != line || !printable(line) || clipped && strings.ContainsAny(indicator, "-+") {
		return scalarText(value, in.flow) + comment
	}
	content := d.text[first:at.end]
	indent := content[:len(content)-len(strings.TrimLeft(content, " "))]
	if indent == "" { // a blank line
		return scalarText(value, in.flow) + comment
	}
	if indicator = indicator[:1]; !clipped {
		indicator += "-"
	}
	return indicator + comment + d.Newline() + indent + line
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// scalarText writes a string so that every reader of YAML, 1.1 or 1.2, takes it for that string.
func scalarText(value string, flow bool) string {
	if flow {
		return quoted(value)
	}
	out, err := k8syaml.Marshal(value)
	text := strings.TrimSuffix(string(out), "\n")
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return quoted(value)
	}
	return text
}

func quoted(value string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil { // a string always can be
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// flowEntries is a mapping in braces of which each holds the next one, and the last one the value.
func flowEntries(keys []string, value string) string {
	text := quoted(value)
	for i := len(keys) - 1; i >= 0; i-- {
		text = "{" + quoted(keys[i]) + ": " + text + "}"
	}
	return text
}

// blockEntries are the lines of mappings of which each holds the next one, the last line without a line break.
func (d *Document) blockEntries(keys []string, value string, indent int) string {
	var b strings.Builder
	for i, key := range keys {
		b.WriteString(strings.Repeat(" ", indent+i*d.Unit()))
		b.WriteString(scalarText(key, false))
		b.WriteByte(':')
		if i < len(keys)-1 {
			b.WriteString(d.Newline())
		}
	}
	b.WriteString(" " + scalarText(value, false))
	return b.String()
}

// Newline is how the document ends its lines.
func (d *Document) Newline() string {
	if i := strings.IndexByte(d.text, '\n'); i > 0 && d.text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// Unit is by how many columns the document indents a mapping in a mapping.
func (d *Document) Unit() int {
	if d.root != nil && d.root.Kind == yaml.MappingNode && len(d.root.Content) > 0 {
		for i := 1; i < len(d.root.Content); i += 2 {
			inner := d.root.Content[i]
			if inner.Kind == yaml.MappingNode && inner.Style&yaml.FlowStyle == 0 && len(inner.Content) > 0 {
				if unit := inner.Content[0].Column - d.root.Content[0].Column; unit > 0 {
					return unit
				}
			}
		}
	}
	return 2
}
