package sealcheck

import (
	"bytes"
	"encoding/json"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What stands for a value of a Secret in a build: as text, and in base64.
const (
	maskText   = "***"
	maskBase64 = "Kioq"
)

// maskedSecret is a Secret without its values.
func maskedSecret(secret []byte) []byte {
	var object map[string]any
	if json.Unmarshal(secret, &object) != nil {
		return secret // it was read before
	}
	for field, mask := range map[string]string{"data": maskBase64, "stringData": maskText} {
		values, _ := object[field].(map[string]any)
		for key := range values {
			values[key] = mask
		}
	}
	out, err := json.Marshal(object)
	if err != nil {
		return secret // as above
	}
	return out
}

// telltale is in every text that a value can stand in: Secrets in lists, literals of generators, patches of Secrets.
var telltale = [][]byte{[]byte("secretGenerator"), []byte("/data"), []byte("/stringData"), []byte("Secret")}

// masked is a document without the values of Secrets that lists, generators and patches in it have. Names, which the build is for,
// stay.
func masked(text []byte) []byte {
	found := false
	for _, part := range telltale {
		found = found || bytes.Contains(text, part)
	}
	if !found {
		return text
	}
	var document yaml.Node
	if yaml.Unmarshal(text, &document) != nil || len(document.Content) != 1 || !maskNode(document.Content[0]) {
		return text // what is no YAML is no patch either
	}
	out, err := yaml.Marshal(&document)
	if err != nil {
		return nil // it was read before
	}
	return append([]byte("---\n"), out...)
}

// maskNode masks values in a Secret or a list, in a file of kustomize, in a Kustomization of Flux, or in a patch that is a list of
// operations.
func maskNode(root *yaml.Node) bool {
	if root.Kind == yaml.SequenceNode {
		return maskOperations(root)
	}
	changed := maskObject(root)
	_, generators := entry(root, "secretGenerator")
	for _, generator := range content(generators) {
		changed = maskLiterals(generator) || changed
	}
	if _, kind := entry(root, "kind"); kind != nil && kind.Value == "SecretGenerator" {
		changed = maskLiterals(root) || changed
	}
	for _, field := range []string{"patches", "patchesJson6902"} {
		_, patches := entry(root, field)
		for _, patch := range content(patches) {
			if _, inline := entry(patch, "patch"); inline != nil {
				changed = maskInline(inline) || changed
			}
		}
	}
	_, merges := entry(root, "patchesStrategicMerge")
	for _, merge := range content(merges) {
		changed = maskInline(merge) || changed
	}
	_, spec := entry(root, "spec")
	_, patches := entry(spec, "patches")
	for _, patch := range content(patches) {
		if _, inline := entry(patch, "patch"); inline != nil {
			changed = maskInline(inline) || changed
		}
	}
	return changed
}

// maskLiterals masks the values that a generator has itself.
func maskLiterals(generator *yaml.Node) bool {
	changed := false
	_, literals := entry(generator, "literals")
	for _, literal := range content(literals) {
		key, _, _ := strings.Cut(literal.Value, "=")
		literal.Value, literal.Style, changed = key+"="+maskText, 0, true
	}
	return changed
}

// maskObject masks the values of a Secret, and of those in a list.
func maskObject(root *yaml.Node) bool {
	changed := false
	_, items := entry(root, "items")
	for _, item := range content(items) {
		changed = maskObject(item) || changed
	}
	if _, kind := entry(root, "kind"); kind == nil || kind.Value != "Secret" {
		return changed
	}
	for field, mask := range map[string]string{"data": maskBase64, "stringData": maskText} {
		_, values := entry(root, field)
		changed = maskScalars(values, mask) || changed
	}
	return changed
}

// maskInline masks values in a patch that stands in a text.
func maskInline(patch *yaml.Node) bool {
	var document yaml.Node
	if yaml.Unmarshal([]byte(patch.Value), &document) != nil || len(document.Content) != 1 {
		return false
	}
	if root := document.Content[0]; root.Kind == yaml.SequenceNode && !maskOperations(root) || root.Kind != yaml.SequenceNode && !maskObject(root) {
		return false
	}
	text, err := yaml.Marshal(&document)
	if err != nil {
		text = nil // it was read before
	}
	patch.Value, patch.Style = string(text), yaml.LiteralStyle
	return true
}

// maskOperations masks what a list of operations puts into the values of Secrets, and, for it may not say its kind, of ConfigMaps.
func maskOperations(list *yaml.Node) bool {
	changed := false
	for _, operation := range list.Content {
		_, path := entry(operation, "path")
		_, value := entry(operation, "value")
		if path == nil || value == nil {
			continue
		}
		switch {
		case strings.HasPrefix(path.Value, "/stringData"):
			changed = maskScalars(value, maskText) || changed
		case strings.HasPrefix(path.Value, "/data"):
			changed = maskScalars(value, maskBase64) || changed
		}
	}
	return changed
}

// maskScalars puts a mask in place of all scalars but keys.
func maskScalars(n *yaml.Node, mask string) bool {
	if n == nil {
		return false
	}
	if n.Kind == yaml.ScalarNode || n.Kind == yaml.AliasNode {
		*n = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: mask, Anchor: n.Anchor}
		return true
	}
	changed := false
	for i := 0; i < len(n.Content); i++ {
		switch inner := n.Content[i]; {
		case n.Kind != yaml.MappingNode || i%2 == 1:
			changed = maskScalars(inner, mask) || changed
		case inner.Value == "<<": // what is merged has values, too
			n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
			i--
			changed = true
		}
	}
	return changed
}
