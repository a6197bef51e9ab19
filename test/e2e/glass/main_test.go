// Package glass tests BreakGlasses as people use them: the real kubectl against a real API server, with the real
// kustomize-controller, and the controller of this repository, which is killed meanwhile.
package glass

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

var (
	cluster *harness.Cluster
	product *harness.Instance
	apps    = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "apps"}
	api     = client.ObjectKey{Namespace: "payments", Name: "payments-api"}
	// kinds reads and writes BreakGlasses as the cluster's administrator.
	kinds client.Client
)

const policy = `{apiVersion: gitops-drift.dev/v1alpha1, kind: EditPolicy, metadata: {name: production}, spec: {priority: 30,
action: Deny, restore: true, match: {namespaces: [payments]}, breakGlass: {allowed: [{kind: Group, name: oncall}], maxDuration: 2h}}}`

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(harness.Main(m, func(ctx context.Context, started *harness.Cluster) error {
		cluster = started
		return setUp(ctx)
	}))
}

// setUp installs the guard, a policy that lets people break glass, and has Flux apply what the tests of admission use.
func setUp(ctx context.Context) error {
	var err error
	if product, err = cluster.StartProduct(ctx, "enforce"); err != nil {
		return err
	}
	scheme := cluster.Admin().Scheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	if kinds, err = client.New(cluster.RESTConfig(harness.Admin), client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if result, err := cluster.Kubectl(ctx, harness.Admin, policy, "apply", "--server-side", "-f-"); err != nil || result.Code != 0 {
		return fmt.Errorf("apply the policy: %w %s", err, result.Stderr)
	}
	repo, err := cluster.NewRepo(ctx, "../admission/testdata/apps")
	if err != nil {
		return err
	}
	if _, err := cluster.Publish(ctx, harness.Publication{Source: apps, Dir: repo.Dir}); err != nil {
		return err
	}
	if err := cluster.Admin().Create(ctx, &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps.Namespace, Name: apps.Name},
		Spec: kustomizev1.KustomizationSpec{
			Interval: metav1.Duration{Duration: time.Hour}, Path: "./", Prune: true,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: apps.Name},
		},
	}); err != nil {
		return err
	}
	_, err = cluster.Reconcile(ctx, apps)
	return err
}

func kubectl(t *testing.T, stdin string, args ...string) harness.Result {
	t.Helper()
	result, err := cluster.Kubectl(patient.Context(t), harness.OnCall, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	result := kubectl(t, stdin, args...)
	if result.Code != 0 {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), result.Stderr)
	}
	return result.Stdout
}

// eventually shows the end of the controller's log where it waits in vain.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	patient.Until(t, what, condition, func() string {
		text, err := product.Log()
		return fmt.Sprintf("%v %s", err, text[max(0, len(text)-4000):])
	})
}

// open opens a BreakGlass for payments-api.
func open(t *testing.T, name, duration string) {
	t.Helper()
	must(t, "{apiVersion: gitops-drift.dev/v1alpha1, kind: BreakGlass, metadata: {name: "+name+
		"}, spec: {object: {group: apps, kind: Deployment, namespace: payments, name: payments-api}, requestedBy: oncall@contoso.com, duration: "+
		duration+", reason: pods are killed}}", "create", "-f-")
}

func deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	object := &appsv1.Deployment{}
	if err := cluster.Admin().Get(patient.Context(t), api, object); err != nil {
		t.Fatal(err)
	}
	return object
}

func memory(t *testing.T) string {
	t.Helper()
	return deployment(t).Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String()
}

func glass(t *testing.T, name string) *v1alpha1.BreakGlass {
	t.Helper()
	g := &v1alpha1.BreakGlass{}
	if err := kinds.Get(patient.Context(t), client.ObjectKey{Name: name}, g); err != nil {
		t.Fatal(err)
	}
	return g
}
