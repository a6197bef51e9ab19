package releases

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

func TestTheFileOfTheHelmReleaseIsNamed(t *testing.T) {
	ctx := patient.Context(t)
	dir := t.TempDir()
	hr := manifest("declared", mode(helmv2.DriftDetectionEnabled))
	text, err := yaml.Marshal(hr)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "apps"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "apps", "web.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	repo, err := shared.NewRepo(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Publish(ctx, harness.Publication{Dir: repo.Dir}); err != nil {
		t.Fatal(err)
	}
	ks := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: "apps"},
		Spec: kustomizev1.KustomizationSpec{
			Interval:  metav1.Duration{Duration: time.Hour},
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "flux-system"},
		},
	}
	if err := shared.Admin().Create(ctx, ks); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.Admin().Delete(context.WithoutCancel(ctx), ks); err != nil {
			t.Error(err)
		}
		remove(t, hr) // it is not pruned
	})
	if _, err := shared.Reconcile(ctx, client.ObjectKeyFromObject(ks)); err != nil {
		t.Fatal(err)
	}
	reconcile(t, hr)
	edit(t, "declared")
	for name, args := range map[string][]string{
		"with its Kustomization": nil, "alone": {"--owner", "HelmRelease/shop/declared"}, "one object": {"deployment/declared"},
	} {
		items := findings(t, args...)
		if len(items) == 0 {
			t.Errorf("%s: nothing is found", name)
		}
		for _, item := range items {
			if item.Origin == nil || *item.Origin != (report.Origin{File: "apps/web.yaml"}) {
				t.Errorf("%s: %s %s is declared in %v", name, item.Object.Name, item.Path, item.Origin)
			}
		}
	}
	drift(t, harness.OnCall, 1, []string{"-o", "wide"}, "apps/web.yaml")
}
