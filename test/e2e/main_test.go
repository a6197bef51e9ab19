// Package e2e tests the programs of this repository as people run them, against a real control plane.
package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// shared is the cluster of all tests that need none of their own.
var shared *harness.Cluster

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(run(m))
}

func run(m *testing.M) int {
	return harness.Main(m, func(_ context.Context, started *harness.Cluster) error {
		shared = started
		return nil
	})
}

// application is a Kustomization of one ConfigMap "app" in a namespace of its own, and its source; all
// but the ConfigMap have the same name.
type application struct {
	repo *harness.Repo
	key  client.ObjectKey // of the Kustomization, and of its GitRepository
}

// newApplication publishes the first commit, whose value is "first", and leaves the rest to Flux.
func newApplication(t *testing.T, name string) application {
	t.Helper()
	ctx := patient.Context(t)
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "app.yaml"), []byte(configMap(name, "first")), 0o600); err != nil {
		t.Fatal(err)
	}
	repo, err := shared.NewRepo(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	app := application{repo: repo, key: client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}}
	app.publish(t)
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&kustomizev1.Kustomization{
			ObjectMeta: metav1.ObjectMeta{Namespace: app.key.Namespace, Name: app.key.Name},
			Spec: kustomizev1.KustomizationSpec{
				Interval:  metav1.Duration{Duration: time.Hour},
				Path:      "./",
				Prune:     true,
				SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: name},
			},
		},
	} {
		if err := shared.Admin().Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	return app
}

func configMap(namespace, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: %s}\ndata: {key: %s}\n", namespace, value)
}

// publish makes the last commit the source's artifact and returns its revision.
func (a application) publish(t *testing.T) string {
	t.Helper()
	artifact, err := shared.Publish(patient.Context(t), harness.Publication{Source: a.key, Dir: a.repo.Dir})
	if err != nil {
		t.Fatal(err)
	}
	return artifact.Revision
}

// commit commits a file.
func (a application) commit(t *testing.T, path, content string) {
	t.Helper()
	if err := a.repo.WriteFile(path, content); err != nil {
		t.Fatal(err)
	}
	if _, err := a.repo.Commit(patient.Context(t), "Change "+path); err != nil {
		t.Fatal(err)
	}
}

// value is the ConfigMap's, as it is in the cluster.
func (a application) value(t *testing.T) string {
	t.Helper()
	object := &corev1.ConfigMap{}
	if err := shared.Admin().Get(patient.Context(t), client.ObjectKey{Namespace: a.key.Name, Name: "app"}, object); err != nil {
		t.Fatal(err)
	}
	return object.Data["key"]
}

// kustomization is the Kustomization, as it is in the cluster.
func (a application) kustomization(t *testing.T) *kustomizev1.Kustomization {
	t.Helper()
	object := &kustomizev1.Kustomization{}
	if err := shared.Admin().Get(patient.Context(t), a.key, object); err != nil {
		t.Fatal(err)
	}
	return object
}
