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

func TestSpellingsAndDefaultsLeadToTheLine(t *testing.T) {
	const manifest = `apiVersion: v1
kind: Service
metadata: {name: dns}
spec:
  ports:
    - {port: 53, name: udp, protocol: UDP}
    - {port: 53, name: tcp}
  mode: 0644
  other: 0644
`
	root := t.TempDir()
	for name, text := range map[string]string{"service.yaml": manifest, "kustomization.yaml": "resources: [service.yaml]\n"} {
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
	spec := object.Object["spec"].(map[string]any)
	spec["mode"], spec["other"] = int64(420), int64(421)
	found := sources.Object("service.yaml", object)
	for name, test := range map[string]struct {
		path fieldpath.Path
		want string
	}{
		"the item that writes all keys":        {port("UDP"), "service.yaml:6"},
		"the item that leaves out the default": {port("TCP"), "service.yaml:7"},
		"an octal number":                      {fieldpath.MakePathOrDie("spec", "mode"), "service.yaml:8"},
		"another number":                       {fieldpath.MakePathOrDie("spec", "other"), "service.yaml"},
	} {
		if got := found.Origin(test.path).String(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func port(protocol string) fieldpath.Path {
	return fieldpath.MakePathOrDie("spec", "ports", fieldpath.KeyByFields("port", 53, "protocol", protocol), "name")
}
