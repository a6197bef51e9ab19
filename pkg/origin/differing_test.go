package origin_test

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/origin"
)

func TestOfAMapOrAListTheLineThatDiffersIsNamed(t *testing.T) {
	const manifest = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: api}
spec:
  rules:
    - host: a.example.com
    - host: b.example.com
      http:
        paths:
          - path: /
  tls:
    - hosts:
        - a.example.com
        - b.example.com
`
	root := t.TempDir()
	for name, text := range map[string]string{"ingress.yaml": manifest, "kustomization.yaml": "resources: [ingress.yaml]\n"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := origin.Collect(root, ".", origin.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
		t.Fatal(err)
	}
	found := sources.Object("ingress.yaml", object)
	rules, hosts := fieldpath.MakePathOrDie("spec", "rules"), fieldpath.MakePathOrDie("spec", "tls", 0, "hosts")
	a := map[string]any{"host": "a.example.com"}
	for name, test := range map[string]struct {
		path  fieldpath.Path
		other any
		line  int
	}{
		"gone":                      {rules, nil, 5},
		"another kind of value":     {rules, "***", 5},
		"a masked value":            {hosts, []any{"***", "x"}, 12},
		"only more":                 {hosts, []any{"a.example.com", "b.example.com", "c.example.com"}, 12},
		"the first item differs":    {hosts, []any{"x", "b.example.com"}, 13},
		"the last item is gone":     {hosts, []any{"a.example.com"}, 14},
		"a field of an item":        {rules, []any{a, map[string]any{"host": "x"}}, 7},
		"a field of an item gone":   {rules, []any{a, map[string]any{"host": "b.example.com"}}, 8},
		"a field far below":         {rules, []any{a, map[string]any{"host": "b.example.com", "http": map[string]any{"paths": []any{map[string]any{"path": "/x"}}}}}, 10},
		"a scalar":                  {fieldpath.MakePathOrDie("spec", "rules", 0, "host"), "x", 6},
		"nothing that git declares": {fieldpath.MakePathOrDie("spec", "ingressClassName"), "x", 0},
	} {
		if got := found.Differing(test.path, test.other); got.Line != test.line {
			t.Errorf("%s: %s, want line %d", name, got, test.line)
		}
	}
	if got := found.Declared(); got.String() != "ingress.yaml:1" {
		t.Errorf("declared in %s", got)
	}
}
