package desired

import (
	"errors"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// secretText finds texts that may have to do with a Secret, quickly.
var secretText = regexp.MustCompile(`(?i)\bsecretGenerator\b|\bkind["']?\s*:\s*\\?["']?Secret\b`)

// holdsSecrets reports whether a state, or a text that it was built from, holds the values of a Secret that is not
// encrypted. In doubt it does.
func holdsSecrets(state *State) bool {
	for _, object := range state.Objects {
		if !object.Encrypted && plainSecret(object.Object) {
			return true
		}
	}
	for _, text := range state.Sources.Texts() {
		if secretText.MatchString(text) && textHoldsSecrets(text) {
			return true
		}
	}
	return false
}

func plainSecret(object map[string]any) bool {
	u := &unstructured.Unstructured{Object: object}
	return u.GetKind() == "Secret" && u.GroupVersionKind().Group == ""
}

// textHoldsSecrets tells a reference to a Secret from a manifest, a patch or a generator of one.
func textHoldsSecrets(text string) bool {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var document any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil || declaresSecret(document) {
			return true
		}
	}
}

// declaresSecret looks for a manifest of a Secret, alone or in a list, and for what in a kustomization makes or changes one.
func declaresSecret(document any) bool {
	content, ok := document.(map[string]any)
	if !ok {
		return document != nil
	}
	if _, sealed := content["sops"]; !sealed && content["kind"] == "Secret" {
		return true
	}
	if items, ok := content["items"].([]any); ok && strings.HasSuffix(text(content["kind"]), "List") {
		for _, item := range items {
			if declaresSecret(item) {
				return true
			}
		}
	}
	return changesSecret(content)
}

// changesSecret looks for generators, for patches whose target is a Secret, and for texts within the text that speak of one.
func changesSecret(value any) bool {
	switch x := value.(type) {
	case string:
		return secretText.MatchString(x)
	case []any:
		for _, item := range x {
			if changesSecret(item) {
				return true
			}
		}
	case map[string]any:
		if _, ok := x["secretGenerator"]; ok {
			return true
		}
		if target, ok := x["target"].(map[string]any); ok && target["kind"] == "Secret" {
			return true
		}
		for _, inner := range x {
			if changesSecret(inner) {
				return true
			}
		}
	}
	return false
}

func text(value any) string {
	s, _ := value.(string)
	return s
}
