package admission

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// sharedDepth bounds how deep two states of an object are told apart; each level goes once more through the text that
// differs. It reaches the fields of a Pod template's containers.
const sharedDepth = 8

// small is how many characters are decoded faster than taken apart.
const small = 256

// decode decodes two states of an object, nil for one that is absent. Most of what an edit leaves alone is the same text
// in both; it is decoded once, and they share it. Errors never carry a value of the object.
func decode(before, after []byte) (older, newer *unstructured.Unstructured, err error) {
	// What takes the texts apart relies on them to be JSON.
	for _, text := range [][]byte{before, after} {
		if len(text) > 0 && !gjson.ValidBytes(text) {
			return nil, nil, errUndecodable
		}
	}
	// Without the space around them.
	b, a, err := decodeBoth(gjson.ParseBytes(before).Raw, gjson.ParseBytes(after).Raw, sharedDepth)
	if err != nil {
		// A decoder's error may quote what it could not read.
		return nil, nil, errUndecodable
	}
	if older, err = asObject(b); err == nil {
		newer, err = asObject(a)
	}
	return older, newer, err
}

var errUndecodable = errors.New("it is no JSON object with a kind")

func asObject(value any) (*unstructured.Unstructured, error) {
	if value == nil {
		return nil, nil
	}
	object, _ := value.(map[string]any)
	if kind, _ := object["kind"].(string); kind == "" {
		return nil, errUndecodable
	}
	return &unstructured.Unstructured{Object: object}, nil
}

// decodeBoth decodes two JSON values, nil for an empty text. Of two objects or lists it decodes the parts.
func decodeBoth(before, after string, depth int) (b, a any, err error) {
	if before == after {
		b, err = decodeValue(before)
		return b, b, err
	}
	if depth > 0 && len(before)+len(after) > small {
		x, y := gjson.Parse(before), gjson.Parse(after)
		switch {
		case x.IsObject() && y.IsObject():
			return decodeObjects(x, y, depth-1)
		case x.IsArray() && y.IsArray():
			return decodeLists(x, y, depth-1)
		}
	}
	if b, err = decodeValue(before); err == nil {
		a, err = decodeValue(after)
	}
	return b, a, err
}

func decodeObjects(before, after gjson.Result, depth int) (b, a any, err error) {
	older, newer := map[string]any{}, map[string]any{}
	texts := map[string]string{}
	if err := members(before, func(name, text string) error {
		texts[name] = text
		return nil
	}); err != nil {
		return nil, nil, err
	}
	if err := members(after, func(name, text string) (err error) {
		if other, ok := texts[name]; ok {
			older[name], newer[name], err = decodeBoth(other, text, depth)
		} else {
			newer[name], err = decodeValue(text)
		}
		return err
	}); err != nil {
		return nil, nil, err
	}
	for name, text := range texts {
		if _, ok := newer[name]; !ok {
			if older[name], err = decodeValue(text); err != nil {
				return nil, nil, err
			}
		}
	}
	return older, newer, nil
}

// decodeLists pairs items by their position; edits that move items are rare.
func decodeLists(before, after gjson.Result, depth int) (b, a any, err error) {
	texts, others := items(before), items(after)
	older, newer := make([]any, len(texts)), make([]any, len(others))
	for i := range max(len(texts), len(others)) {
		switch {
		case i >= len(others):
			older[i], err = decodeValue(texts[i])
		case i >= len(texts):
			newer[i], err = decodeValue(others[i])
		default:
			older[i], newer[i], err = decodeBoth(texts[i], others[i], depth)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return older, newer, nil
}

// members calls each with the names of an object's values and their texts.
func members(object gjson.Result, each func(name, text string) error) error {
	var err error
	object.ForEach(func(name, value gjson.Result) bool {
		decoded, ok := unescaped(name.Raw)
		if !ok {
			err = json.Unmarshal([]byte(name.Raw), &decoded, jsontext.AllowInvalidUTF8(true))
		}
		if err == nil {
			err = each(decoded, value.Raw)
		}
		return err == nil
	})
	return err
}

// unescaped returns what is between the quotes of a JSON string, and whether it stands for that.
func unescaped(text string) (string, bool) {
	return text[1 : len(text)-1], !strings.Contains(text, `\`) && utf8.ValidString(text)
}

// items are the texts of a list's items.
func items(list gjson.Result) []string {
	var out []string
	list.ForEach(func(_, item gjson.Result) bool {
		out = append(out, item.Raw)
		return true
	})
	return out
}

// decodeValue decodes one JSON value, nil for an empty text. Strings, the most of what an edit changes, seldom need a
// decoder.
func decodeValue(text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	if text[0] == '"' {
		if s, ok := unescaped(text); ok {
			return strings.Clone(s), nil
		}
	}
	return fields.Decode([]byte(text))
}
