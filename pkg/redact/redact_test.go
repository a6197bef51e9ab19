package redact

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"
)

var secret = schema.GroupKind{Kind: "Secret"}

// hidden is in every value that must not come out.
const hidden = "swordfish"

func parse(t *testing.T, text string) any {
	t.Helper()
	var out any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestNoValueOfASecretComesOutOfAChange(t *testing.T) {
	last := corev1.LastAppliedConfigAnnotation
	tests := []struct {
		name          string
		path          fieldpath.Path
		before, after string
		want          [2]string
	}{
		{"one key", fieldpath.MakePathOrDie("data", "password"), "swordfish", "swordfish2", [2]string{`"***"`, `"*** (differs)"`}},
		{"one key added", fieldpath.MakePathOrDie("data", "password"), "null", "swordfish", [2]string{"null", `"***"`}},
		{"one key removed", fieldpath.MakePathOrDie("data", "password"), "swordfish", "null", [2]string{`"***"`, "null"}},
		{"a key that looks like anything else", fieldpath.MakePathOrDie("data", "annotations", "x"), "swordfish", "1", [2]string{`"***"`, `"*** (differs)"`}},
		{"stringData", fieldpath.MakePathOrDie("stringData", "password"), "swordfish", "x", [2]string{`"***"`, `"*** (differs)"`}},
		{"all data", fieldpath.MakePathOrDie("data"), "null", "{password: swordfish}", [2]string{"null", `{"password":"***"}`}},
		{"data that is no map", fieldpath.MakePathOrDie("data"), "[swordfish]", "swordfish", [2]string{`"***"`, `"*** (differs)"`}},
		{"nested", fieldpath.MakePathOrDie("data"), "{a: {b: [swordfish]}}", "{a: {b: 7}}", [2]string{`{"a":{"b":"***"}}`, `{"a":{"b":"***"}}`}},
		{"last-applied", fieldpath.MakePathOrDie("metadata", "annotations", last), `"{\"data\":{\"p\":\"swordfish\"}}"`, "x", [2]string{`"***"`, `"*** (differs)"`}},
		{"a copy that another tool keeps", fieldpath.MakePathOrDie("metadata", "annotations", "kapp.k14s.io/original"), "null", "swordfish", [2]string{"null", `"***"`}},
		{"all annotations", fieldpath.MakePathOrDie("metadata", "annotations"), "null", "{" + last + ": swordfish}", [2]string{"null", `{"` + last + `":"***"}`}},
		{"all metadata", fieldpath.MakePathOrDie("metadata"), "null", "{annotations: {" + last + ": swordfish}}",
			[2]string{"null", `{"annotations":{"` + last + `":"***"}}`}},
		{"the whole object", nil, "null", "{data: {p: swordfish}}", [2]string{"null", `{"data":{"p":"***"}}`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, after := Change(secret, test.path, parse(t, test.before), parse(t, test.after))
			got := [2]string{text(t, before), text(t, after)}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if strings.Contains(got[0]+got[1], hidden) {
				t.Error("the value came out")
			}
		})
	}
}

func TestMasksTellNothingOfTheLength(t *testing.T) {
	a, b := Change(secret, fieldpath.MakePathOrDie("data", "p"), "s", strings.Repeat("swordfish", 1000))
	c, d := Change(secret, fieldpath.MakePathOrDie("data", "p"), "swordfish", "x")
	if a != c || b != d {
		t.Errorf("%v %v and %v %v tell values apart", a, b, c, d)
	}
}

func TestOtherFieldsAndKindsAreLeftAsTheyAre(t *testing.T) {
	for name, test := range map[string]struct {
		kind schema.GroupKind
		path fieldpath.Path
	}{
		"a Secret's label":       {secret, fieldpath.MakePathOrDie("metadata", "labels", "team")},
		"a Secret's labels":      {secret, fieldpath.MakePathOrDie("metadata", "labels")},
		"a Secret's annotation":  {secret, fieldpath.MakePathOrDie("metadata", "annotations", "team")},
		"a Secret's type":        {secret, fieldpath.MakePathOrDie("type")},
		"a ConfigMap's data":     {schema.GroupKind{Kind: "ConfigMap"}, fieldpath.MakePathOrDie("data", "p")},
		"a Secret of some group": {schema.GroupKind{Group: "example.com", Kind: "Secret"}, fieldpath.MakePathOrDie("data", "p")},
	} {
		before, after := Change(test.kind, test.path, "a", "b")
		if before != "a" || after != "b" {
			t.Errorf("%s: %v, %v", name, before, after)
		}
	}
}

func TestNoValueOfASecretComesOutOfAnObject(t *testing.T) {
	const manifest = `
kind: Secret
type: Opaque
metadata:
  name: token
  labels: {team: red}
  annotations:
    team: blue
    objectset.rio.cattle.io/applied: swordfish
    kubectl.kubernetes.io/last-applied-configuration: '{"stringData":{"p":"swordfish"}}'
data: {p: swordfish, q: [swordfish]}
stringData: {r: swordfish}
`
	object, ok := parse(t, manifest).(map[string]any)
	if !ok {
		t.Fatal("no object")
	}
	got := Object(secret, object)
	want := parse(t, strings.NewReplacer("[swordfish]", "'***'", `'{"stringData":{"p":"swordfish"}}'`, "'***'", hidden, "'***'").Replace(manifest))
	if !reflect.DeepEqual(any(got), want) {
		t.Errorf("got %s, want %s", text(t, got), text(t, want))
	}
	if !reflect.DeepEqual(any(object), parse(t, manifest)) {
		t.Error("the object itself was changed")
	}
	if config := Object(schema.GroupKind{Kind: "ConfigMap"}, object); !reflect.DeepEqual(config, object) {
		t.Error("an object of another kind was changed")
	}
}

func TestAnObjectWithoutMetadataOrDataIsLeftAlone(t *testing.T) {
	for _, manifest := range []string{"{}", "metadata: null", "metadata: {annotations: null}", "data: null", "metadata: text"} {
		object, ok := parse(t, manifest).(map[string]any)
		if !ok {
			t.Fatal("no object")
		}
		if got := Object(secret, object); !reflect.DeepEqual(any(got), parse(t, manifest)) {
			t.Errorf("%s became %s", manifest, text(t, got))
		}
	}
}
