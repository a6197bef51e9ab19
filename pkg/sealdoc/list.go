package sealdoc

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8syaml "sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// Expand puts documents in place of a List of which one item is a Secret, as kubectl get writes several. Comments stay. Other texts
// stay as they are, what is no YAML among them.
func Expand(text []byte) ([]byte, error) {
	file, err := yamledit.Parse(text)
	if err != nil {
		return text, nil //nolint:nilerr // whoever parses it next says so
	}
	var out strings.Builder
	expanded := false
	for _, d := range file.Documents() {
		if !listOf(d, SecretKind) {
			out.WriteString(d.Text())
			continue
		}
		if _, err := d.JSON(); err != nil {
			return nil, err
		}
		items, err := expand(d)
		if err != nil {
			return nil, err
		}
		expanded = true
		out.WriteString(items)
	}
	if !expanded {
		return text, nil
	}
	return []byte(out.String()), nil
}

// ListsSealed reports whether a document is a List that SealedSecrets are in.
func ListsSealed(d *yamledit.Document) bool { return listOf(d, SealedSecretKind) }

// listOf reports whether a document is a List of which an item is of a kind.
func listOf(d *yamledit.Document, kind schema.GroupVersionKind) bool {
	if !strings.HasSuffix(Kind(d).Kind, ListKind.Kind) {
		return false
	}
	items := d.Get("items")
	return items != nil && slices.ContainsFunc(items.Content, func(item *yaml.Node) bool {
		return value(item, "kind") == kind.Kind && value(item, "apiVersion") == kind.GroupVersion().String()
	})
}

// value is the text at a key of a mapping, empty if there is none.
func value(n *yaml.Node, key string) string {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1].Value
		}
	}
	return ""
}

// expand writes the items of a List as documents. Comments that are not in any of them come to the top of the first.
func expand(d *yamledit.Document) (string, error) {
	comments, told := d.Comments()
	var out strings.Builder
	for _, item := range d.Get("items").Content {
		if item.Kind != yaml.MappingNode {
			return "", lineError(d, "the List holds what is no object")
		}
		if value(item, "kind") == SecretKind.Kind {
			served(item)
		}
		text, err := asDocument(item, isJSON(d))
		if err != nil {
			return "", lineError(d, "the List holds what cannot be written as YAML")
		}
		document, err := yamledit.NewDocument(text)
		if err != nil {
			return "", lineError(d, "an item of the List refers to another one; write each as a document of its own")
		}
		kept, _ := document.Comments()
		for _, comment := range kept {
			if i := slices.Index(comments, comment); i >= 0 {
				comments = slices.Delete(comments, i, i+1)
			}
		}
		out.WriteString("---\n" + text)
	}
	if !told {
		comments = nil
	}
	head := ""
	if len(comments) > 0 {
		head = strings.Join(comments, "\n") + "\n"
	}
	return strings.Replace(out.String(), "---\n", "---\n"+head, 1), nil
}

// asDocument writes an item of a List as a document. JSON becomes YAML as people write it.
func asDocument(item *yaml.Node, json bool) (string, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(item), encoder.Close()); err != nil || !json {
		return text.String(), err
	}
	object, err := k8syaml.YAMLToJSON(text.Bytes())
	if err != nil {
		return "", err
	}
	out, err := k8syaml.JSONToYAML(object)
	return string(out), err
}

// served takes out of an object that came from a server what only the server sets.
func served(object *yaml.Node) {
	for i := 0; i+1 < len(object.Content); i += 2 {
		metadata := object.Content[i+1]
		if object.Content[i].Value != "metadata" || metadata.Kind != yaml.MappingNode {
			continue
		}
		for at := 0; at+1 < len(metadata.Content); {
			if slices.Contains([]string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences", "selfLink"}, metadata.Content[at].Value) {
				metadata.Content = slices.Delete(metadata.Content, at, at+2)
				continue
			}
			at += 2
		}
	}
}
