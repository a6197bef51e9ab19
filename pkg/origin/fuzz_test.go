package origin_test

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/origin"
)

// FuzzOrigins holds that no text, however odd, ends the process, and that a line is always one of its file.
func FuzzOrigins(f *testing.F) {
	const base = "resources: [app.yaml]\npatches: [{path: patch.yaml, target: {kind: ConfigMap}}]\nlabels: [{pairs: {a: b}, includeSelectors: true}]\n"
	const app = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {a: b}\n"
	for _, seed := range [][3]string{
		{base, app, "- {op: add, path: /data/c, value: d}\n- {op: copy, from: /data, path: /data/e}\n"},
		{base, app, "data: {a: null, $patch: replace}\n"},
		{base, "a: &a {b: *a}\n", "- *a\n"},
		{base, "a: &a\n  <<: *a\n<<: [*a, {b: c}]\n", "{}\n"},
		{base, "apiVersion: v1\nkind: List\nitems: [1, null, {kind: ConfigMap}]\n", "[1, null, {op: add}]"},
		{"resources: [., app.yaml]\ncomponents: [.]\n", "---\r\n--- x\r\n...\r\n---\n", "\x00"},
		{"resources: {a: b}\nimages: [{name: '['}]\nreplicas: 1\nconfigMapGenerator: [1, {name: app, literals: [=, a], behavior: merge, envs: [patch.yaml]}]\n", app, "a=\xff\n=\n"},
		{"namePrefix: [a]\nnamespace: {}\nreplacements: [{path: patch.yaml}, {source: {kind: ConfigMap, fieldPath: '*.[a=b].0'}, targets: [{select: {kind: '['}}, {fieldPaths: ['a.*.b']}]}]\nresources: [app.yaml]", app, "- 1\n- {sourceValue: x, targets: [{select: {}, fieldPaths: [data.a.b, data.*, metadata.name.c], options: {create: true, delimiter: b, index: -7}}]}"},
		{"patches: [{target: {labelSelector: '!!'}, patch: '[]'}, {patch: |\n  kind: ConfigMap\n  metadata: {name: app}\n}]\nresources: [app.yaml]\n", app, ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, kustomization, app, patch string) {
		root := t.TempDir()
		texts := map[string]string{"kustomization.yaml": kustomization, "app.yaml": app, "patch.yaml": patch}
		for name, text := range texts {
			if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		owner := origin.Owner{Namespace: "flux-system", Name: "apps", Spec: map[string]any{"namePrefix": "", "patches": []any{map[string]any{"patch": patch}}}}
		sources, err := origin.Collect(root, ".", owner)
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "app", "labels": map[string]any{"a": "b"}},
			"data": map[string]any{"a": "b", "c": "d"}, "list": []any{"a", map[string]any{"name": "a"}},
		}}
		for _, file := range []string{"", "app.yaml", "kustomization.yaml", "none.yaml"} {
			fields := sources.Object(file, object)
			places := []origin.Origin{fields.Declared()}
			for _, path := range []fieldpath.Path{
				fieldpath.MakePathOrDie("data", "a"), fieldpath.MakePathOrDie("data", "c"), fieldpath.MakePathOrDie("metadata", "labels", "a"), fieldpath.MakePathOrDie("data"),
				fieldpath.MakePathOrDie("list", 0), fieldpath.MakePathOrDie("list", fieldpath.KeyByFields("name", "a")), fieldpath.MakePathOrDie("list", fieldpath.KeyByFields("name", "a"), "name"), nil,
			} {
				places = append(places, fields.Origin(path))
			}
			for _, place := range places {
				text, ok := texts[place.File]
				if place.File != "" && !ok && place.File != file || place.Line < 0 || place.Line > lines(text) {
					t.Errorf("%s is no place", place)
				}
			}
		}
	})
}

// lines counts the lines of a text as YAML does, for which a carriage return ends one too.
func lines(text string) int {
	n := 1
	for _, r := range text {
		switch r {
		case '\n', '\r', '\u0085', '\u2028', '\u2029':
			n++
		}
	}
	return n
}
