package desired

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

func TestAPackedObjectIsTheSameWhenItIsUnpacked(t *testing.T) {
	for name, text := range map[string]string{
		"numbers": `{"whole": 9007199254740993, "negative": -1, "float": 0.1, "large": 1e300}`,
		"strings": `{"empty": "", "markup": "<a href=\"x\">&</a>", "lines": "a\n\tb\r\n", "separators": "\u2028\u0000"}`,
		"empty":   `{"null": null, "map": {}, "list": [], "false": false}`,
		"nested":  `{"list": [{"a": [1, "1", null, {}]}, []]}`,
	} {
		t.Run(name, func(t *testing.T) {
			var object map[string]any
			if err := utiljson.Unmarshal([]byte(text), &object); err != nil {
				t.Fatal(err)
			}
			u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Thing", "spec": object}}
			u.SetNamespace("shop")
			u.SetName("thing")
			packed, err := pack(Object{Unstructured: u, File: "thing.yaml", Encrypted: true})
			if err != nil {
				t.Fatal(err)
			}
			got := packed.Object()
			if !equality.Semantic.DeepEqual(got.Object, u.Object) || got.File != "thing.yaml" || !got.Encrypted {
				t.Errorf("got %v, want %v", got, u)
			}
			if packed.Key != KeyOf(u) || packed.Kind() != u.GroupVersionKind() {
				t.Errorf("it is told to be %v %v", packed.Key, packed.Kind())
			}
		})
	}
}

func TestPackedObjectsAreTheSameIfTheirContentIs(t *testing.T) {
	packed := func(text string) Packed {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		out, err := pack(Object{Unstructured: u})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	one := packed("{kind: A, metadata: {name: x}, data: {a: 1, b: 2}}")
	if !one.Same(packed("{data: {b: 2, a: 1}, metadata: {name: x}, kind: A}")) {
		t.Error("the order of fields counts")
	}
	for _, other := range []string{"{kind: A, metadata: {name: x}, data: {a: 1, b: 3}}", "{kind: A, metadata: {name: y}, data: {a: 1, b: 2}}", "{kind: B, metadata: {name: x}, data: {a: 1, b: 2}}"} {
		if one.Same(packed(other)) {
			t.Errorf("it is the same as %s", other)
		}
	}
}
