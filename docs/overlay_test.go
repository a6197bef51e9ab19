package docs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/notify"
)

// TestTheOverlayForEventsDoesWhatItSays builds that of notifications.md beside the manifests, as a reader would.
func TestTheOverlayForEventsDoesWhatItSays(t *testing.T) {
	text, err := os.ReadFile("notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	code, _ := page{text: string(text)}.blocks()
	at := slices.IndexFunc(code, func(b block) bool { return strings.Contains(b.text, "kind: Kustomization\nresources:") })
	if at < 0 {
		t.Fatal("there is no overlay")
	}
	folder := t.TempDir()
	own := filepath.Join(folder, "clusters", "prod-eu")
	if err := os.MkdirAll(own, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(folder, "gitops-drift", "manifests"), os.DirFS(filepath.Join("..", "manifests"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own, "kustomization.yaml"), []byte(code[at].text), 0o600); err != nil {
		t.Fatal(err)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), own)
	if err != nil {
		t.Fatal(err)
	}
	all := built.Resources()
	if first, last := all[0].GetKind(), all[len(all)-1].GetKind(); first != "ValidatingWebhookConfiguration" || last != "Deployment" {
		t.Errorf("the first is a %s, the last a %s", first, last)
	}
	object, err := all[len(all)-1].AsYAML()
	if err != nil {
		t.Fatal(err)
	}
	deployment := &appsv1.Deployment{}
	if err := yaml.UnmarshalStrict(object, deployment); err != nil {
		t.Fatal(err)
	}
	args := deployment.Spec.Template.Spec.Containers[0].Args
	address, ok := strings.CutPrefix(args[len(args)-1], "--events-addr=")
	if !ok || notify.CheckAddress(address) != nil {
		t.Errorf("the last argument is %s", args[len(args)-1])
	}
}
