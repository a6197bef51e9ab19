package plugin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

func TestWrongCommandLines(t *testing.T) {
	for args, says := range map[string]string{
		"nonsense/api":                   `error: the cluster has no resource type "nonsense"; kubectl api-resources lists those that it has`,
		"deployment":                     `error: "deployment" does not name an object; write TYPE/NAME, for example deployment/api`,
		"deployment api":                 `error: "deployment" does not name an object`,
		"deployment/":                    `error: "deployment/" does not name an object`,
		"shop/deployment/api":            `error: "shop/deployment/api" has too many parts; write TYPE/NAME, and give the namespace with -n`,
		"-o xml":                         `error: -o "xml" is not known; it is one of table, wide, diff, json, yaml`,
		"--nope":                         "error: unknown flag: --nope; see kubectl gitops-drift --help",
		"--timeout 0s":                   "error: --timeout is 0s; it has to be more than 0",
		"--owner apps":                   `error: --owner: "apps" is not an owner: write Kustomization/NAMESPACE/NAME`,
		"--owner Deployment/a/b":         `error: --owner: "Deployment/a/b" is not an owner: its kind must be Kustomization or HelmRelease`,
		"--owner HelmRelease/shop/x":     "error: HelmRelease/shop/x is not in this cluster",
		"--owner ks/flux-system/absent":  "error: Kustomization/flux-system/absent is not in this cluster",
		"--context absent":               `"absent"`,
		"--kubeconfig /nowhere/absent":   "/nowhere/absent",
		"--server https://127.0.0.1:1":   "127.0.0.1:1",
		"--server http://[bad":           "error: ",
		"--as system:anonymous":          "error: Kustomizations: they cannot be listed",
		"--token nonsense --user absent": "error: ",
	} {
		t.Run(args, func(t *testing.T) {
			result := drift(t, harness.OnCall, strings.Fields(args)...)
			want(t, result, 2, says)
			if result.Stdout != "" || strings.Count(result.Stderr, "\n") != 1 {
				t.Errorf("stdout %q, stderr %q", result.Stdout, result.Stderr)
			}
		})
	}
}

func TestWithoutACluster(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ env, says string }{
		"no kubeconfig":       {"X=", "error: no cluster is configured; set KUBECONFIG, or give --kubeconfig or --server\n"},
		"an empty kubeconfig": {"KUBECONFIG=" + empty, "error: no cluster is configured; set KUBECONFIG, or give --kubeconfig or --server\n"},
		"a broken kubeconfig": {"KUBECONFIG=" + broken, "error: cannot read the kubeconfig: "},
	} {
		t.Run(name, func(t *testing.T) { want(t, bare(t, []string{test.env}), 2, test.says) })
	}
}

func TestWithoutFlux(t *testing.T) {
	cluster, err := harness.Start(patient.Context(t), harness.Options{WithoutFlux: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, args := range [][]string{nil, {"--owner", "ks/flux-system/apps"}} {
		result := bare(t, []string{"KUBECONFIG=" + cluster.Kubeconfig(harness.OnCall)}, args...)
		says := "error: Flux is not installed in this cluster: it serves neither Kustomizations (kustomize.toolkit.fluxcd.io) nor HelmReleases (helm.toolkit.fluxcd.io)\n"
		if len(args) > 0 {
			says = "error: Kustomization/flux-system/apps is not in this cluster: Flux's kustomize-controller is not installed here"
		}
		want(t, result, 2, says)
	}
}

func TestWithoutTheRightToListKustomizations(t *testing.T) {
	for _, args := range [][]string{nil, {"-n", "shop"}, {"--owner", "ks/flux-system/shop"}} {
		result := drift(t, harness.Dev, args...)
		want(t, result, 2, "error: ", "Kustomization", `User "dev@contoso.com" cannot `)
		if result.Stdout != "" {
			t.Errorf("stdout %q", result.Stdout)
		}
	}
}

const reader = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: reader@contoso.com}]
`

func TestWhoMayOnlyReadLearnsWhatIsMissing(t *testing.T) {
	restore(t, shop)
	kubectl(t, reader, "apply", "-f", "-")
	kubectl(t, "", "delete", "configmap/settings", "-n", "shop")
	kubectl(t, "", "set", "image", "deployment/api", "-n", "shop", "api=registry.example.com/api:9.9")
	kubectl(t, "", "patch", "secret/token", "-n", "shop", "--type=merge", "-p", `{"stringData":{"password":"battery-staple"}}`)
	result := drift(t, harness.OnCall, "--as", "reader@contoso.com")
	// What needs no dry-run is proven all the same.
	want(t, result, 2,
		"1 object is missing; 2 objects could not be checked.",
		"error: shop/deployment/api of Kustomization/flux-system/shop: it differs from git as written, and proving more needs the right to patch and update it by dry-run: ",
		"error: shop/secret/token of Kustomization/flux-system/shop: it differs from git as written, and proving more needs the right to patch and update it by dry-run: ",
		`User "reader@contoso.com" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`,
		`User "reader@contoso.com" cannot patch resource "secrets" in API group "" in the namespace "shop"`)
}

// isolated is a Kustomization with a source of its own, and a ConfigMap of its own. It is gone after the test.
type isolated struct {
	t    *testing.T
	name string
	repo *harness.Repo
}

func newIsolated(t *testing.T, name string) isolated {
	t.Helper()
	ctx := patient.Context(t)
	from := t.TempDir()
	content := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: default}\ndata: {key: first}\n"
	if err := os.WriteFile(filepath.Join(from, "app.yaml"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := shared.NewRepo(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	i := isolated{t: t, name: name, repo: source}
	i.publish(harness.NoFault)
	if err := shared.Admin().Create(ctx, kustomization(name, "./", name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		err := errors.Join(
			shared.Admin().Delete(ctx, &kustomizev1.Kustomization{ObjectMeta: i.meta()}),
			shared.Admin().Delete(ctx, &sourcev1.GitRepository{ObjectMeta: i.meta()}),
			// Flux does not prune it, so it would be an orphan.
			client.IgnoreNotFound(shared.Admin().Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}})))
		if err != nil {
			t.Error(err)
		}
		gone(t, name)
	})
	if _, err := shared.Reconcile(ctx, key(name)); err != nil {
		t.Fatal(err)
	}
	return i
}

// gone waits until Flux has let go of a deleted Kustomization.
func gone(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); shared.Admin().Get(context.Background(), key(name), &kustomizev1.Kustomization{}) == nil; {
		if time.Now().After(deadline) {
			t.Fatalf("Kustomization %s is still there", name)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (i isolated) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: i.name}
}

func (i isolated) publish(fault harness.Fault) {
	i.t.Helper()
	if _, err := shared.Publish(patient.Context(i.t), harness.Publication{Source: key(i.name), Dir: i.repo.Dir, Fault: fault}); err != nil {
		i.t.Fatal(err)
	}
}

func (i isolated) commit(path, content string) {
	i.t.Helper()
	if err := i.repo.WriteFile(path, content); err != nil {
		i.t.Fatal(err)
	}
	if _, err := i.repo.Commit(patient.Context(i.t), "Change "+path); err != nil {
		i.t.Fatal(err)
	}
}

func (i isolated) patch(spec string) {
	i.t.Helper()
	kubectl(i.t, "", "patch", "kustomization/"+i.name, "-n", "flux-system", "--type=merge", "-p", spec)
}

const brokenSecret = "resources: [app.yaml]\nsecretGenerator: [{name: x, literals: [swordfish]}]\n"

// Each leaves one Kustomization that cannot be compared. The error names it; the others are reported.
func TestAnOwnerThatCannotBeComparedIsNamedAndTheOthersAreReported(t *testing.T) {
	restore(t, shop)
	kubectl(t, "", "scale", "deployment/api", "-n", "shop", "--replicas=3")
	for _, test := range []struct {
		name string
		do   func(t *testing.T, i isolated)
		says []string
	}{
		{"not-found", func(_ *testing.T, i isolated) { i.publish(harness.NotFound) },
			[]string{"the artifact of GitRepository flux-system/not-found cannot be fetched: GET http://", "404 Not Found"}},
		{"wrong-digest", func(_ *testing.T, i isolated) { i.publish(harness.WrongDigest) },
			[]string{"the artifact of GitRepository flux-system/wrong-digest cannot be fetched: ", "does not have the digest sha256:"}},
		{"build-fails", func(t *testing.T, i isolated) {
			i.commit("kustomization.yaml", brokenSecret)
			i.publish(harness.NoFault)
			if _, err := shared.Reconcile(patient.Context(t), key(i.name)); !errors.Is(err, harness.ErrNotReady) {
				t.Fatal(err)
			}
		}, []string{"Flux last applied main@sha1:", ", but the source now offers main@sha1:", "its last reconciliation failed: kustomize build failed: ", "literal sources [***]"}},
		{"no-path", func(_ *testing.T, i isolated) { i.patch(`{"spec":{"suspend":true,"path":"./absent"}}`) },
			[]string{`spec.path "./absent" is not in the artifact`}},
		{"bad-patch", func(_ *testing.T, i isolated) {
			i.patch(`{"spec":{"suspend":true,"patches":[{"target":{"kind":"Secret"},"patch":"stringData: {password: swordfish}"}]}}`)
		}, []string{`kustomize build of "./" failed: `}},
		{"no-variable", func(_ *testing.T, i isolated) {
			i.patch(`{"spec":{"suspend":true,"postBuild":{"substituteFrom":[{"kind":"Secret","name":"absent"}]}}}`)
		}, []string{"post-build substitution in ConfigMap", "secrets \"absent\" not found"}},
		{"no-source", func(_ *testing.T, i isolated) {
			i.patch(`{"spec":{"suspend":true,"sourceRef":{"name":"absent"}}}`)
		}, []string{"its source GitRepository flux-system/absent cannot be read: "}},
		{"elsewhere", func(_ *testing.T, i isolated) {
			i.patch(`{"spec":{"suspend":true,"kubeConfig":{"secretRef":{"name":"spoke"}}}}`)
		}, []string{"it is applied to another cluster (spec.kubeConfig); ask for drift there"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.do(t, newIsolated(t, test.name))
			result := drift(t, harness.OnCall)
			want(t, result, 2, append(test.says, "error: Kustomization/flux-system/"+test.name+": ",
				"shop/deployment/api", "1 field of 1 object differs from git; 1 owner could not be checked.")...)
			list := decode(t, drift(t, harness.OnCall, "-o", "json").Stdout)
			if len(list.Items) != 1 || len(list.Errors) != 1 || list.Errors[0].Owner.Name != test.name {
				t.Errorf("got %+v", list)
			}
			// Others can be asked about alone.
			want(t, drift(t, harness.OnCall, "--owner", "ks/flux-system/paused"), 0, "In sync")
		})
	}
}

func TestAnOwnerThatWasNeverAppliedIsNamed(t *testing.T) {
	ctx := patient.Context(t)
	ks := kustomization("never", "./absent", "flux-system")
	if err := shared.Admin().Create(ctx, ks); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(shared.Admin().Delete(context.Background(), ks)); err != nil {
			t.Error(err)
		}
		gone(t, "never")
	})
	if _, err := shared.Reconcile(ctx, key("never")); !errors.Is(err, harness.ErrNotReady) {
		t.Fatal(err)
	}
	want(t, drift(t, harness.OnCall), 2, "error: Kustomization/flux-system/never: Flux has not applied any revision yet; the source offers main@sha1:",
		"; its last reconciliation failed: kustomization path not found: ",
		"No drift in 7 objects of 3 owners, but 1 owner could not be checked.")
}
