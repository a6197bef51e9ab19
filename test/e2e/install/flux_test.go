package install

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// fleet are the two repositories that Flux reads: ours, and that of the team, which has the example.
type fleet struct {
	t             *testing.T
	product, team *harness.Repo
}

// system is the GitRepository and the Kustomization that `flux bootstrap` makes.
var system = client.ObjectKey{Namespace: harness.FluxNamespace, Name: harness.FluxNamespace}

// newFleet makes the repositories, ours with the manifests of a checkout; nothing is applied yet.
func newFleet(t *testing.T, checkout string) *fleet {
	t.Helper()
	f := &fleet{t: t}
	ours, theirs := t.TempDir(), t.TempDir()
	example := filepath.Join(root, "manifests", "examples", "flux")
	for _, copied := range []struct{ from, to string }{
		{filepath.Join(checkout, "manifests"), filepath.Join(ours, "manifests")},
		{filepath.Join(example, "policies"), filepath.Join(theirs, "policies")},
	} {
		if err := os.CopyFS(copied.to, os.DirFS(copied.from)); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if f.product, err = cluster.NewRepo(patient.Context(t), ours); err != nil {
		t.Fatal(err)
	}
	if f.team, err = cluster.NewRepo(patient.Context(t), theirs); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(example, "gitops-drift.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	f.write(f.team, "clusters/prod-eu/gitops-drift.yaml", string(text))
	return f
}

func (f *fleet) write(repo *harness.Repo, path, content string) {
	f.t.Helper()
	if err := repo.WriteFile(path, content); err != nil {
		f.t.Fatal(err)
	}
}

// change replaces text in the Deployment of our repository.
func (f *fleet) change(from, to string) {
	f.t.Helper()
	text, err := f.product.ReadFile(deployment)
	if err != nil {
		f.t.Fatal(err)
	}
	if !strings.Contains(text, from) {
		f.t.Fatalf("the Deployment has no %q", from)
	}
	f.write(f.product, deployment, strings.Replace(text, from, to, 1))
}

// push commits, and has the source offer it.
func (f *fleet) push(repo *harness.Repo, source client.ObjectKey) {
	f.t.Helper()
	if _, err := repo.Commit(patient.Context(f.t), "Change something"); err != nil {
		f.t.Fatal(err)
	}
	f.publish(repo, source)
}

func (f *fleet) publish(repo *harness.Repo, source client.ObjectKey) {
	f.t.Helper()
	if _, err := cluster.Publish(patient.Context(f.t), harness.Publication{Source: source, Dir: repo.Dir}); err != nil {
		f.t.Fatal(err)
	}
}

// bootstrapped has Flux apply the team's repository, and waits until all of it is ready.
func (f *fleet) bootstrapped() {
	f.t.Helper()
	f.push(f.team, system)
	must(f.t, `kubectl apply -f - <<END
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1h, retryInterval: 1s, path: ./clusters/prod-eu, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
END`)
	if _, err := cluster.Reconcile(patient.Context(f.t), system); err != nil {
		f.t.Fatal(err)
	}
	f.publish(f.product, ours)
	must(f.t, "kubectl gitops-reconcile ks/gitops-drift-crds ks/gitops-drift ks/gitops-drift-policies --timeout 90s")
}

// ours is the GitRepository of our manifests.
var ours = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "gitops-drift"}

func TestFluxInstallsUpgradesAndRemovesEverything(t *testing.T) {
	before := clean(t)
	f := newFleet(t, cmp.Or(os.Getenv(older), root))
	f.older()
	f.bootstrapped()
	guarded(t)
	if accepted := must(t, "kubectl get editpolicy production enforce -o jsonpath='{.items[*].status.conditions[0].status}'"); accepted != "True True" {
		t.Errorf("policies are accepted: %s", accepted)
	}
	t.Run("the guard guards itself", f.guardsItself)
	t.Run("an upgrade loses nothing", f.upgrade)

	held(t)
	lines := documented(t, "### Removed with Flux")
	must(t, lines[0])
	if err := f.team.RemoveFile("clusters/prod-eu/gitops-drift.yaml"); err != nil {
		t.Fatal(err)
	}
	f.write(f.team, "clusters/prod-eu/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n")
	f.push(f.team, system)
	if _, err := cluster.Reconcile(patient.Context(t), system); err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		must(t, line)
	}
	f.unbootstrapped()
	nothingIsLeft(t, before)
}

// unbootstrapped takes away what bootstrapped made.
func (f *fleet) unbootstrapped() {
	f.t.Helper()
	must(f.t, "kubectl -n flux-system delete kustomization,gitrepository flux-system --ignore-not-found")
}

// guardsItself edits what Flux applies of the controller itself, by hand.
func (f *fleet) guardsItself(t *testing.T) {
	for _, line := range []string{
		"kubectl -n flux-system set image deployment/gitops-drift gitops-drift=ghcr.io/contoso/other:v1",
		"kubectl -n flux-system delete service gitops-drift-webhook",
		"kubectl delete editpolicy production",
		"kubectl -n flux-system patch kustomization gitops-drift --type=merge -p '{\"spec\":{\"suspend\":true}}'",
	} {
		if out, err := sh(t, line+" --dry-run=server"); err == nil || !strings.Contains(out, "denied the request") {
			t.Errorf("%s: %v %s", line, err, out)
		}
	}
	// The certificates are not Flux's, and what restores leaves them alone under the strictest scope, too.
	must(t, `kubectl apply -f - <<END
apiVersion: gitops-drift.dev/v1alpha1
kind: EditPolicy
metadata: {name: strictest}
spec: {priority: 90, action: Deny, scope: All, restore: true, match: {owners: ["Kustomization/flux-system/gitops-drift"]}}
END`)
	bundle := func() string {
		return must(t, "kubectl get validatingwebhookconfiguration gitops-drift -o jsonpath='{.webhooks[*].clientConfig.caBundle}{.metadata.resourceVersion}'")
	}
	was := bundle()
	must(t, "kubectl gitops-reconcile ks/gitops-drift --timeout 60s")
	for range 10 {
		if now := bundle(); now != was {
			t.Fatalf("the webhook configuration changes: %s, and was %s", now, was)
		}
	}
	if out, err := sh(t, "kubectl gitops-drift --owner Kustomization/flux-system/gitops-drift"); err != nil {
		t.Errorf("as installed, it differs from git: %v %s", err, out)
	}
	must(t, "kubectl delete editpolicy strictest")
}
