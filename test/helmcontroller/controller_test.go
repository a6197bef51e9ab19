package helmcontroller_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/helmcontroller"
)

// charts has a chart whose version 2.0.0 the API server refuses.
func charts(name, version string) (*chart.Chart, error) {
	return &chart.Chart{
		Metadata: &chart.Metadata{APIVersion: "v2", Name: name, Version: version},
		Templates: []*common.File{{Name: "templates/all.yaml", Data: []byte(`apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ if eq .Chart.Version "2.0.0" }}NOT A NAME{{ else }}{{ .Release.Name }}{{ end }}"}
data: {version: "{{ .Chart.Version }}", color: "{{ .Values.color }}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-test", annotations: {helm.sh/hook: test}}
`)}},
	}, nil
}

func TestItLeavesWhatHelmControllerLeaves(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cluster, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	config, err := cluster.PodConfig(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: "helm-controller"})
	if err != nil {
		t.Fatal(err)
	}
	controller, err := helmcontroller.New(config, cluster.Admin().Scheme(), charts)
	if err != nil {
		t.Fatal(err)
	}
	admin := cluster.Admin()
	hr := &helmv2.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: helmv2.HelmReleaseSpec{
			Chart: &helmv2.HelmChartTemplate{Spec: helmv2.HelmChartTemplateSpec{
				Chart: "web", Version: "1.0.0", SourceRef: helmv2.CrossNamespaceObjectReference{Kind: "HelmRepository", Name: "charts"},
			}},
			Upgrade:        &helmv2.Upgrade{Remediation: &helmv2.UpgradeRemediation{Retries: 1}},
			Test:           &helmv2.Test{Enable: true},
			DriftDetection: &helmv2.DriftDetection{Mode: helmv2.DriftDetectionEnabled},
		},
	}
	if err := admin.Create(ctx, hr); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKeyFromObject(hr)
	released := &corev1.ConfigMap{}
	for _, step := range []struct {
		name    string
		change  func() error
		failure string
		version string // of the chart, in what is released
		records int    // of Helm
	}{
		{"install", func() error { return nil }, "", "1.0.0", 1},
		{"upgrade", func() error { hr.Spec.Chart.Spec.Version = "1.1.0"; return admin.Update(ctx, hr) }, "", "1.1.0", 2},
		{"drift", func() error { released.Data["version"] = "drifted"; return admin.Update(ctx, released) }, "", "1.1.0", 2},
		{"missing", func() error { return admin.Delete(ctx, released) }, "", "1.1.0", 2},
		{"roll back", func() error { hr.Spec.Chart.Spec.Version = "2.0.0"; return admin.Update(ctx, hr) }, "NOT A NAME", "1.1.0", 4},
		{"in the name of an account", func() error {
			hr.Spec.Chart.Spec.Version, hr.Spec.ServiceAccountName = "1.2.0", "default"
			return admin.Update(ctx, hr)
		}, `"system:serviceaccount:default:default" cannot`, "1.1.0", 4},
	} {
		if err := step.change(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		err := controller.Reconcile(ctx, key)
		if (err == nil) != (step.failure == "") || err != nil && !strings.Contains(err.Error(), step.failure) {
			t.Errorf("%s: error is %v, want %q", step.name, err, step.failure)
		}
		if err := admin.Get(ctx, key, hr); err != nil {
			t.Fatal(err)
		}
		if ready := apimeta.IsStatusConditionTrue(hr.Status.Conditions, meta.ReadyCondition); ready != (step.failure == "") {
			t.Errorf("%s: conditions are %v", step.name, hr.Status.Conditions)
		}
		*released = corev1.ConfigMap{}
		if err := admin.Get(ctx, key, released); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if released.Data["version"] != step.version {
			t.Errorf("%s: version %s is released, want %s", step.name, released.Data["version"], step.version)
		}
		if labels := released.Labels; labels["helm.toolkit.fluxcd.io/name"] != "web" || labels["helm.toolkit.fluxcd.io/namespace"] != "default" {
			t.Errorf("%s: labels are %v", step.name, labels)
		}
		if !slices.ContainsFunc(released.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == "helm-controller" }) {
			t.Errorf("%s: managed by %v", step.name, released.ManagedFields)
		}
		if got := records(ctx, t, admin); got != step.records {
			t.Errorf("%s: Helm keeps %d records, want %d", step.name, got, step.records)
		}
	}
	if len(hr.Status.Inventory.Entries) != 1 || hr.Status.Inventory.Entries[0].ID != "default_web__ConfigMap" {
		t.Errorf("inventory is %+v", hr.Status.Inventory)
	}
	hr.Spec.ServiceAccountName = ""
	if err := admin.Update(ctx, hr); err != nil {
		t.Fatal(err)
	}
	if err := admin.Delete(ctx, hr); err != nil {
		t.Fatal(err)
	}
	if err := controller.ReconcileAll(ctx); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []client.Object{hr, released} {
		if err := admin.Get(ctx, key, gone); !apierrors.IsNotFound(err) {
			t.Errorf("%T is left: %v", gone, err)
		}
	}
	if got := records(ctx, t, admin); got != 0 {
		t.Errorf("Helm keeps %d records", got)
	}
}

func records(ctx context.Context, t *testing.T, c client.Client) int {
	t.Helper()
	secrets := &corev1.SecretList{}
	if err := c.List(ctx, secrets, client.InNamespace("default"), client.MatchingLabels{"owner": "helm"}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets.Items {
		if !strings.HasPrefix(secret.Name, "sh.helm.release.v1.web.v") {
			t.Errorf("Helm keeps a record in Secret %s", secret.Name)
		}
	}
	return len(secrets.Items)
}
