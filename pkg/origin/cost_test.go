package origin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/origin"
)

// deployments writes a number of Deployments into a folder, in one file or in a file each, and returns the last, and where
// its image is set.
func deployments(tb testing.TB, root string, n int, together bool) (*unstructured.Unstructured, origin.Origin) {
	tb.Helper()
	template, err := os.ReadFile(filepath.Join("testdata", "corpus", "base", "deployment.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	var all, names strings.Builder
	for i := range n {
		text := strings.ReplaceAll(string(template), "name: api\n", fmt.Sprintf("name: api-%d\n", i))
		name := "all.yaml"
		if !together {
			name = fmt.Sprintf("api-%d.yaml", i)
			all.Reset()
		}
		fmt.Fprintf(&all, "---\n%s", text)
		if !together || i == n-1 {
			fmt.Fprintf(&names, "- %s\n", name)
			if err := os.WriteFile(filepath.Join(root, name), []byte(all.String()), 0o600); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(root, "kustomization.yaml"), []byte("resources:\n"+names.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	out := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(string(template), "name: api\n", fmt.Sprintf("name: api-%d\n", n-1))), &out.Object); err != nil {
		tb.Fatal(err)
	}
	before, _, _ := strings.Cut(all.String()[strings.LastIndex(all.String(), "\n---\n")+1:], "migrate:1.0")
	line := strings.Count(before, "\n") + 1
	if !together {
		return out, origin.Origin{File: fmt.Sprintf("api-%d.yaml", n-1), Line: line}
	}
	return out, origin.Origin{File: "all.yaml", Line: strings.Count(all.String(), "\n") - strings.Count(string(template), "\n") - 1 + line}
}

var image = fieldpath.MakePathOrDie("spec", "template", "spec", "initContainers", fieldpath.KeyByFields("name", "migrate"), "image")

func TestTheTextOfManyObjectsIsSmall(t *testing.T) {
	for _, together := range []bool{true, false} {
		root := t.TempDir()
		object, want := deployments(t, root, 1000, together)
		sources, err := origin.Collect(root, ".", origin.Owner{})
		if err != nil {
			t.Fatal(err)
		}
		if got := sources.Object(want.File, object).Origin(image); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		t.Logf("1000 Deployments, in one file %t: %d bytes", together, sources.Size())
		if sources.Size() > 1000*200 {
			t.Errorf("the text of 1000 objects takes %d bytes", sources.Size())
		}
	}
}

func BenchmarkOrigin(b *testing.B) {
	b.Run("of the example repository", func(b *testing.B) {
		repository := filepath.Join("..", "..", "manifests", "examples", "fleet")
		sources, err := origin.Collect(repository, "apps/overlays/prod-eu", origin.Owner{})
		if err != nil {
			b.Fatal(err)
		}
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": "payments", "name": "payments-api"},
			"spec": map[string]any{"replicas": int64(6)},
		}}
		for b.Loop() {
			got := sources.Object("apps/payments-api/base/deployment.yaml", object).Origin(fieldpath.MakePathOrDie("spec", "replicas"))
			if got.File != "apps/payments-api/overlays/prod-eu/kustomization.yaml" || got.Line == 0 {
				b.Fatal(got)
			}
		}
	})
	for _, together := range []bool{true, false} {
		b.Run(fmt.Sprintf("of 1000 objects, in one file %t", together), func(b *testing.B) {
			root := b.TempDir()
			object, want := deployments(b, root, 1000, together)
			sources, err := origin.Collect(root, ".", origin.Owner{})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if got := sources.Object(want.File, object).Origin(image); got != want {
					b.Fatal(got)
				}
			}
		})
	}
}
