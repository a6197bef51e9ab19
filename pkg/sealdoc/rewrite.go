package sealdoc

import (
	"slices"
	"strings"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	"go.yaml.in/yaml/v3"

	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// rewrite is the text of a Secret as that of its SealedSecret, lines moved to where they belong with their comments. Annotations
// that say scope and record are not there yet. It reports false where the text has a form that it does not know. Whether what
// comes out is the SealedSecret, the caller has to see.
func rewrite(from *yamledit.Document, want *ssv1alpha1.SealedSecret) (string, bool) {
	d, err := yamledit.NewDocument(from.Text())
	if err != nil || isJSON(from) {
		return "", false
	}
	for _, path := range [][]string{{}, {"metadata"}, {"metadata", "annotations"}, {"data"}, {"stringData"}} {
		d.Unfold(path...) // what is in braces, if it is
	}
	root, ok := d.Block()
	if !ok {
		return "", false
	}
	w := &writer{d: d, want: want, unit: d.Unit(), eol: d.Newline()}
	spec, ok := w.spec(root)
	if !ok {
		return "", false
	}
	var b strings.Builder
	b.WriteString(root.Preamble)
	for _, e := range root.Entries {
		switch e.Key {
		case "apiVersion":
			b.WriteString(e.Head + w.line(e, 0, want.APIVersion))
		case "kind":
			b.WriteString(e.Head + w.line(e, 0, want.Kind))
		case "metadata":
			metadata, ok := w.metadata(e)
			if !ok {
				return "", false
			}
			b.WriteString(e.Head + metadata)
		case "data", "stringData", "type", "immutable":
			b.WriteString(spec)
			spec = ""
		default: // null, or it would have been refused
			return "", false
		}
	}
	b.WriteString(root.Tail)
	return b.String(), true
}

// writer writes the parts of a SealedSecret.
type writer struct {
	d    *yamledit.Document
	want *ssv1alpha1.SealedSecret
	unit int
	eol  string
}

// line is an entry with another value, at a depth.
func (w *writer) line(e yamledit.Entry, depth int, value string) string {
	return strings.Repeat(" ", depth*w.unit) + e.Name + ": " + value + e.Gap + e.Comment + w.eol
}

// alone is a comment on a line of its own, or nothing.
func (w *writer) alone(comment string, depth int) string {
	if comment == "" {
		return ""
	}
	return strings.Repeat(" ", depth*w.unit) + comment + w.eol
}

// at moves an entry's lines to a depth.
func (w *writer) at(e yamledit.Entry, depth int) string {
	return yamledit.Shift(e.Head+e.Text, depth*w.unit-e.Indent)
}

// header is the line of a key above the lines of a mapping.
func (w *writer) header(key string, depth int, e *yamledit.Entry) string {
	comment, head := "", ""
	if e != nil {
		head = yamledit.Shift(e.Head, depth*w.unit-e.Indent)
		if e.Comment != "" {
			comment = " " + e.Comment
		}
	}
	return head + strings.Repeat(" ", depth*w.unit) + key + ":" + comment + w.eol
}

// metadata is that of the SealedSecret: name and namespace.
func (w *writer) metadata(e yamledit.Entry) (string, bool) {
	block, ok := w.d.Block("metadata")
	if !ok {
		return "", false
	}
	var b strings.Builder
	b.WriteString(w.header(e.Name, 0, &yamledit.Entry{Comment: e.Comment}))
	there := false
	for _, entry := range block.Entries {
		switch entry.Key {
		case "namespace":
			there = true
			b.WriteString(entry.Head + entry.Text)
		case "name":
			b.WriteString(entry.Head + entry.Text)
		case "labels", "annotations", "finalizers": // they go into the template
		default: // what only the server sets
			b.WriteString(entry.Head)
		}
	}
	if !there && w.want.Namespace != "" {
		b.WriteString(strings.Repeat(" ", block.Entries[0].Indent) + "namespace: " + yamledit.Scalar(w.want.Namespace) + w.eol)
	}
	return b.String(), true
}

// spec is what the rest of the Secret becomes.
func (w *writer) spec(root *yamledit.Block) (string, bool) {
	var b strings.Builder
	find := func(keys ...string) []yamledit.Entry {
		return slices.DeleteFunc(slices.Clone(root.Entries), func(e yamledit.Entry) bool { return !slices.Contains(keys, e.Key) })
	}
	data := find("data", "stringData")
	if len(data) > 0 {
		var blank string
		blank, data[0].Head = leadingBlank(data[0].Head)
		b.WriteString(blank)
	}
	b.WriteString("spec:" + w.eol)
	for i, e := range data {
		if i == 0 {
			b.WriteString(w.header("encryptedData", 1, &e))
		} else {
			b.WriteString(yamledit.Shift(e.Head, 2*w.unit-e.Indent) + w.alone(e.Comment, 2))
		}
		if !w.items(&b, e.Key, len(data) > 1 && e.Key == "data") {
			return "", false
		}
	}
	var template strings.Builder
	if !w.moved(&template, root) {
		return "", false
	}
	for _, e := range find("type", "immutable") {
		template.WriteString(w.at(e, 2))
	}
	if template.Len() > 0 {
		b.WriteString(w.header("template", 1, nil))
		b.WriteString(template.String())
	}
	return b.String(), true
}

// leadingBlank parts the blank lines at the beginning from the rest.
func leadingBlank(lines string) (blank, rest string) {
	for end := 0; ; {
		i := strings.IndexByte(lines[end:], '\n')
		if i < 0 || strings.TrimSpace(lines[end:end+i]) != "" {
			return lines[:end], lines[end:]
		}
		end += i + 1
	}
}

// items writes the items that stand in data or stringData.
func (w *writer) items(b *strings.Builder, field string, overridden bool) bool {
	if n := w.d.Get(field); n == nil || len(n.Content) == 0 {
		return n != nil // nothing is in it
	}
	block, ok := w.d.Block(field)
	if !ok {
		block = braces(w.d.Get(field))
	}
	for _, e := range block.Entries {
		b.WriteString(yamledit.Shift(e.Head, 2*w.unit-e.Indent))
		for _, comment := range e.Inside {
			b.WriteString(w.alone(comment, 2))
		}
		if overridden && w.d.Get("stringData", e.Key) != nil {
			b.WriteString(w.alone(e.Comment, 2))
			continue
		}
		item, ok := w.want.Spec.EncryptedData[e.Key]
		if !ok {
			return false
		}
		b.WriteString(w.line(e, 2, item))
	}
	return true
}

// braces is what stands in a mapping that a list of keys a line cannot be made of.
func braces(n *yaml.Node) *yamledit.Block {
	b := &yamledit.Block{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		b.Entries = append(b.Entries, yamledit.Entry{Key: n.Content[i].Value, Value: n.Content[i+1], Name: yamledit.Scalar(n.Content[i].Value)})
	}
	return b
}

// moved writes the metadata that belongs to the Secret, into the template.
func (w *writer) moved(b *strings.Builder, root *yamledit.Block) bool {
	block, ok := w.d.Block("metadata")
	if !ok {
		return false
	}
	var inner strings.Builder
	for _, e := range block.Entries {
		switch e.Key {
		case "labels", "finalizers":
			inner.WriteString(w.at(e, 3))
		case "annotations":
			if !w.annotations(&inner, e) {
				return false
			}
		}
	}
	if inner.Len() == 0 {
		return true
	}
	b.WriteString(w.header("metadata", 2, nil))
	b.WriteString(inner.String())
	return root != nil
}

// annotations writes those that the template keeps; scope comes later.
func (w *writer) annotations(b *strings.Builder, of yamledit.Entry) bool {
	if len(of.Value.Content) == 0 {
		return true
	}
	block, ok := w.d.Block("metadata", "annotations")
	if !ok {
		return false
	}
	var kept strings.Builder
	for _, e := range block.Entries {
		_, stays := w.want.Spec.Template.Annotations[e.Key]
		if _, scope := scopeOf(w.want)[e.Key]; stays || scope {
			kept.WriteString(w.at(e, 4))
		}
	}
	if kept.Len() > 0 {
		b.WriteString(w.header("annotations", 3, &of))
		b.WriteString(kept.String())
	}
	return true
}
