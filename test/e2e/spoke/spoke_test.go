package spoke

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// apps is the Kustomization in the hub, and its source.
var apps = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "apps"}

func start(t *testing.T, o harness.Options) *harness.Cluster {
	t.Helper()
	cluster, err := harness.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

// deploy has Flux in the hub apply testdata/apps to the spoke, where it is the user flux-hub.
func deploy(ctx context.Context, t *testing.T, hub, spoke *harness.Cluster) *harness.Repo {
	t.Helper()
	kubeconfig, err := spoke.LoginKubeconfig("flux-hub", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	repo, err := hub.NewRepo(ctx, "testdata/apps")
	if err != nil {
		t.Fatal(err)
	}
	publish(ctx, t, hub, repo)
	for _, object := range []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: apps.Namespace, Name: "spoke"},
			Data:       map[string][]byte{"value": kubeconfig},
		},
		&kustomizev1.Kustomization{
			ObjectMeta: metav1.ObjectMeta{Namespace: apps.Namespace, Name: apps.Name},
			Spec: kustomizev1.KustomizationSpec{
				Interval: metav1.Duration{Duration: time.Hour}, Path: "./", Prune: true,
				SourceRef:  kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: apps.Name},
				KubeConfig: &meta.KubeConfigReference{SecretRef: &meta.SecretKeyReference{Name: "spoke"}},
			},
		},
	} {
		if err := hub.Admin().Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	return repo
}

func publish(ctx context.Context, t *testing.T, hub *harness.Cluster, repo *harness.Repo) {
	t.Helper()
	if _, err := hub.Publish(ctx, harness.Publication{Source: apps, Dir: repo.Dir}); err != nil {
		t.Fatal(err)
	}
}

func kubectl(ctx context.Context, t *testing.T, cluster *harness.Cluster, args ...string) harness.Result {
	t.Helper()
	result, err := cluster.Kubectl(ctx, harness.OnCall, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestASpokeIsGuardedAgainstAllButTheHubsFlux(t *testing.T) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	hub, spoke := start(t, harness.Options{}), start(t, harness.Options{WithoutFlux: true})

	// Not even Flux's kinds are installed in the spoke.
	if err := spoke.Admin().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: harness.FluxNamespace}}); err != nil {
		t.Fatal(err)
	}
	if _, err := spoke.StartProduct(ctx, "record", "--without-flux"); err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../../manifests/examples/policies/hub-and-spoke.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if result, err := spoke.Kubectl(ctx, harness.OnCall, string(example), "apply", "--server-side", "-f-"); err != nil || result.Code != 0 {
		t.Fatalf("apply the policy: %v %s", err, result.Stderr)
	}
	repo := deploy(ctx, t, hub, spoke)
	if _, err := hub.Reconcile(ctx, apps); err != nil {
		t.Fatal(err)
	}

	edits := map[string][]string{
		"a value":     {"patch", "configmap", "prices", "--type=merge", `-p={"data":{"currency":"USD"}}`},
		"an addition": {"patch", "configmap", "prices", "--type=merge", `-p={"data":{"rate":"1"}}`},
		"a label":     {"label", "configmap", "prices", "kustomize.toolkit.fluxcd.io/name-"},
		"a delete":    {"delete", "configmap", "prices"},
		"in the name of a service account of Flux": {"delete", "configmap", "prices", "--as=system:serviceaccount:flux-system:kustomize-controller", "--as-group=system:masters"},
	}
	for name, args := range edits {
		args := append([]string{"-n", "shop", "--dry-run=server"}, args...)
		result := kubectl(ctx, t, spoke, args...)
		for result.Code == 0 && ctx.Err() == nil { // until the policy is known
			result = kubectl(ctx, t, spoke, args...)
		}
		if want := "ConfigMap shop/prices is managed by Flux Kustomization flux-system/apps"; !strings.Contains(result.Stderr, want) {
			t.Errorf("%s: exit code %d: %s", name, result.Code, result.Stderr)
		}
	}

	// Flux changes, and then prunes, what people may not.
	for _, change := range []func(text string) string{
		func(text string) string { return strings.Replace(text, "EUR", "GBP", 1) },
		func(text string) string { return text[:strings.Index(text, "---")] },
	} {
		text, err := repo.ReadFile("apps.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if err := repo.WriteFile("apps.yaml", change(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Commit(ctx, "Change prices"); err != nil {
			t.Fatal(err)
		}
		publish(ctx, t, hub, repo)
		if _, err := hub.Reconcile(ctx, apps); err != nil {
			t.Errorf("Flux is refused: %v", err)
		}
	}
	if result := kubectl(ctx, t, spoke, "-n", "shop", "get", "configmap", "prices"); result.Code == 0 {
		t.Error("Flux has not pruned the ConfigMap")
	}

	// Without its name in a policy Flux is anybody.
	if result := kubectl(ctx, t, spoke, "patch", "editpolicy", "hub-and-spoke", "--type=merge", `-p={"spec":{"flux":null}}`); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	flux, err := spoke.Login("flux-hub", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(flux, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		err := c.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, client.DryRunAll)
		if err != nil && strings.Contains(err.Error(), "denied the request") {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("Flux passes though no policy names it: %v", err)
		}
	}
}
