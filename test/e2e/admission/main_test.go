// Package admission tests the guard as people meet it: the real kubectl against a real API server, with the real
// kustomize-controller, and the controller of this repository behind its ValidatingWebhookConfiguration.
package admission

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

var (
	cluster *harness.Cluster
	product *harness.Instance
	repo    *harness.Repo
	apps    = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "apps"}
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(run(m))
}

func run(m *testing.M) int {
	return harness.Main(m, func(ctx context.Context, started *harness.Cluster) error {
		cluster = started
		return setUp(ctx)
	})
}

// setUp installs the guard, and has Flux apply testdata/apps.
func setUp(ctx context.Context) error {
	var err error
	if product, err = cluster.StartProduct(ctx, "enforce"); err != nil {
		return err
	}
	// What is admitted here must stay for a while.
	result, err := cluster.Kubectl(ctx, harness.Admin, "", "patch", "editpolicy", "enforce", "--type=merge", `-p={"spec":{"restore":false}}`)
	if err != nil {
		return err
	}
	if result.Code != 0 {
		return fmt.Errorf("switch the restore loop off: %s", result.Stderr)
	}
	if repo, err = cluster.NewRepo(ctx, "testdata/apps"); err != nil {
		return err
	}
	if _, err := cluster.Publish(ctx, harness.Publication{Source: apps, Dir: repo.Dir}); err != nil {
		return err
	}
	ks := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps.Namespace, Name: apps.Name},
		Spec: kustomizev1.KustomizationSpec{
			Interval:  metav1.Duration{Duration: time.Hour},
			Path:      "./",
			Prune:     true,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: apps.Name},
		},
	}
	if err := cluster.Admin().Create(ctx, ks); err != nil {
		return err
	}
	_, err = reconcile(ctx)
	return err
}

// reconcile has Flux apply what is published and waits until the controller has followed.
func reconcile(ctx context.Context) (string, error) {
	ks, err := cluster.Reconcile(ctx, apps)
	if err != nil {
		return "", err
	}
	revision := ks.Status.LastAppliedRevision
	for {
		text, err := product.Log()
		if err != nil {
			return "", err
		}
		if strings.Contains(text, "built desired state") && strings.Contains(text, revision) {
			return revision, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("the controller has not built %s: %w\n%s", revision, ctx.Err(), text)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// kubectl runs the real kubectl as the engineer on call.
func kubectl(t *testing.T, stdin string, args ...string) harness.Result {
	t.Helper()
	result, err := cluster.Kubectl(patient.Context(t), harness.OnCall, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// must runs kubectl and fails the test if it fails.
func must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	result := kubectl(t, stdin, args...)
	if result.Code != 0 {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), result.Stderr)
	}
	return result.Stdout
}
