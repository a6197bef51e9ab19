package sealcheck

import (
	"bytes"
	"errors"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// part is a document of a file as text.
type part struct {
	text []byte
	// above is how many lines of the file stand above it.
	above int
}

// parts cuts a file before each line that begins a document; within a document there can be none.
func parts(text []byte) []part {
	var out []part
	begin, above := 0, 0
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte("\n---"))
		if i < 0 {
			return append(out, part{text[begin:], above})
		}
		at += i + 1
		if behind := text[at+3:]; len(behind) > 0 && !bytes.ContainsRune([]byte(" \t\r\n"), rune(behind[0])) {
			continue
		}
		out = append(out, part{text[begin:at], above})
		above += bytes.Count(text[begin:at], []byte{'\n'})
		begin = at
	}
}

// telling finds the documents that matter, whether in block style, in flow style or as JSON. What it finds in vain is read in
// vain.
var telling = regexp.MustCompile(`(?m)\bkind["']?\s*:\s*["']?(SealedSecret|Secret|SealedSecretList|SecretList|SecretGenerator|List|Kustomization|ConfigMap|GitRepository|OCIRepository|Bucket|ExternalArtifact)["']?\s*(,|}|#|$)`)

// document is one that was read.
type document struct {
	file  string
	above int
	root  *yaml.Node
	// json is the whole document.
	json []byte
	text []byte
}

// read reads a document; it is nil where that holds nothing.
func read(file string, p part) (*document, error) {
	parsed, err := yamledit.NewDocument(string(p.text))
	if err != nil {
		return nil, below(err, p.above)
	}
	if parsed.Root() == nil {
		return nil, nil
	}
	content, err := parsed.JSON()
	if err != nil {
		return nil, below(err, p.above)
	}
	return &document{file: file, above: p.above, root: parsed.Root(), json: content, text: p.text}, nil
}

// below counts the line of an error from the beginning of the file.
func below(err error, lines int) error {
	if syntax := (*yamledit.SyntaxError)(nil); errors.As(err, &syntax) && syntax.Line > 0 {
		return &yamledit.SyntaxError{Line: syntax.Line + lines, Reason: syntax.Reason}
	}
	return err
}

// node is part of a document: an object in it, and where that stands.
type node struct {
	*document
	at *yaml.Node
}

// line is where the value at a path of keys begins, or the last key on the way that is there.
func (n node) line(path ...string) int {
	at, line := n.at, n.at.Line
	for _, key := range path {
		name, value := entry(at, key)
		if value == nil {
			break
		}
		at, line = value, name.Line
	}
	return n.above + line
}

// entry finds a key of a mapping and its value, also where an alias stands for the mapping; both are nil where there is
// none.
func entry(n *yaml.Node, key string) (name, value *yaml.Node) {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}
