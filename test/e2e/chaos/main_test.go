package chaos

import (
	"context"
	"fmt"
	"os"
	"strings"
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

const (
	// denied and recorded are the namespaces of what Flux manages, by the policy that applies; free holds what nobody
	// manages.
	denied   = "denied"
	recorded = "recorded"
	free     = "default"

	// objects is how many ConfigMaps there are of each kind: as many edits can be under way at a time.
	objects = 120
)

var (
	cluster *harness.Cluster
	repo    *harness.Repo
	apps    = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "apps"}
	service = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "gitops-drift-webhook"}
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

// setUp has Flux apply the ConfigMaps of denied and recorded, and creates those of free.
func setUp(ctx context.Context) error {
	var err error
	repo, err = cluster.NewRepo(ctx, "testdata/apps")
	if err != nil {
		return err
	}
	var files strings.Builder
	for _, namespace := range []string{denied, recorded} {
		for i := range objects {
			fmt.Fprintf(&files, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {value: git}\n", name(i), namespace)
		}
	}
	if err := repo.WriteFile("configs.yaml", files.String()); err != nil {
		return err
	}
	if _, err := repo.Commit(ctx, "Add the apps"); err != nil {
		return err
	}
	if _, err := cluster.Publish(ctx, harness.Publication{Source: apps, Dir: repo.Dir}); err != nil {
		return err
	}
	if err := cluster.Admin().Create(ctx, kustomization(apps.Name, kustomizev1.KustomizationSpec{})); err != nil {
		return err
	}
	if _, err := cluster.Reconcile(ctx, apps); err != nil {
		return err
	}
	for i := range objects {
		if err := cluster.Admin().Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: free, Name: name(i)}, Data: map[string]string{"value": "mine"}}); err != nil {
			return err
		}
	}
	return nil
}

func name(i int) string { return fmt.Sprintf("config-%03d", i) }

// kustomization is one of the GitRepository apps, with the spec's other fields.
func kustomization(name string, spec kustomizev1.KustomizationSpec) *kustomizev1.Kustomization {
	spec.Interval = metav1.Duration{Duration: time.Hour}
	spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: name}
	spec.Path, spec.Prune = "./", true
	return &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: name}, Spec: spec}
}

// must runs kubectl as the engineer on call and fails the test if it fails.
func must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	result, err := cluster.Kubectl(patient.Context(t), harness.OnCall, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	if result.Code != 0 {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), result.Stderr)
	}
	return result.Stdout
}
