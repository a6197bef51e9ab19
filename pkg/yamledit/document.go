package yamledit

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
	k8syaml "sigs.k8s.io/yaml"
)

// Document is one document of a file.
type Document struct {
	text   string
	above  int   // how many lines of the file stand above it
	starts []int // of its lines
	root   *yaml.Node
}

// NewDocument reads a text that is a single document.
func NewDocument(text string) (*Document, error) {
	if parts := split(text); len(parts) > 1 {
		return nil, &SyntaxError{Line: len(lineStarts(parts[0])), Reason: "a second document begins"}
	}
	return parse(text, 0)
}

func parse(text string, above int) (*Document, error) {
	d := &Document{text: text, above: above, starts: lineStarts(text)}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var node yaml.Node
	switch err := decoder.Decode(&node); {
	case errors.Is(err, io.EOF):
		return d, nil
	case err != nil:
		return nil, syntax(err, above)
	}
	var more yaml.Node
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, &SyntaxError{Line: above + 1, Reason: "is more than one document"}
	}
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 && node.Content[0].ShortTag() != "!!null" {
		d.root = node.Content[0]
	}
	return d, nil
}

// Text is the document as it stands in the file, its marker included.
func (d *Document) Text() string { return d.text }

// Replace puts another text in place of the document's, which has to be a single document too.
func (d *Document) Replace(text string) error {
	changed, err := parse(text, d.above)
	if err != nil {
		return err
	}
	*d = *changed
	return nil
}

// Root is what the document holds, nil if that is nothing.
func (d *Document) Root() *yaml.Node { return d.root }

// Line is the line of the file at which the document's content begins, from 1 on.
func (d *Document) Line() int {
	if d.root == nil {
		return d.above + 1
	}
	return d.above + d.root.Line
}

// LineOf is the line of the file at which a node of this document begins.
func (d *Document) LineOf(n *yaml.Node) int { return d.above + n.Line }

// JSON is the document as JSON, the way Kubernetes reads YAML; a key that is there twice is an error. Errors do not quote
// the document.
func (d *Document) JSON() ([]byte, error) {
	if _, err := d.tree(); err != nil { // before aliases of aliases are expanded
		return nil, err
	}
	out, err := k8syaml.YAMLToJSONStrict([]byte(d.text))
	if err != nil {
		return nil, syntax(err, d.above)
	}
	return out, nil
}

// Get is the value at a path of keys, nil if there is none. It does not look into aliases: what is found stands there.
func (d *Document) Get(path ...string) *yaml.Node {
	n := d.root
	for _, key := range path {
		if _, n = entry(n, key); n == nil {
			return nil
		}
	}
	return n
}

// entry finds a key of a mapping and its value; both are nil where there is none.
func entry(n *yaml.Node, key string) (name, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// scalar is what a scalar says: its tag tells "1" from 1.
type scalar struct{ tag, value string }

// What a manifest needs at most; without bounds a few lines of aliases of aliases fill all memory.
const (
	maxNodes = 1_000_000
	maxDepth = 1_000
)

// tree is what the document says, free of how it is written: maps, lists and scalars.
func (d *Document) tree() (any, error) {
	if d.root == nil {
		return nil, nil
	}
	left := maxNodes
	return d.plain(d.root, &left, 0)
}

func (d *Document) plain(n *yaml.Node, left *int, depth int) (any, error) {
	if *left--; *left < 0 || depth > maxDepth {
		return nil, &SyntaxError{Line: d.LineOf(n), Reason: "is too large, or an anchor contains itself"}
	}
	switch n.Kind {
	case yaml.AliasNode:
		return d.plain(n.Alias, left, depth+1)
	case yaml.ScalarNode:
		return scalar{n.ShortTag(), n.Value}, nil
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			v, err := d.plain(item, left, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind == yaml.AliasNode {
				key = key.Alias
			}
			if key.Kind != yaml.ScalarNode {
				return nil, &SyntaxError{Line: d.LineOf(n.Content[i]), Reason: "has a key that is no text"}
			}
			if _, twice := out[key.Value]; twice {
				return nil, &SyntaxError{Line: d.LineOf(n.Content[i]), Reason: "has a key twice"}
			}
			v, err := d.plain(n.Content[i+1], left, depth+1)
			if err != nil {
				return nil, err
			}
			out[key.Value] = v
		}
		return out, nil
	}
	return nil, fmt.Errorf("line %d: is no YAML that a manifest is made of", d.LineOf(n))
}
