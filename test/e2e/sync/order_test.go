package sync

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// chain creates ten Kustomizations of which each depends on the one before, and one that depends on none.
func chain(t *testing.T) repository {
	t.Helper()
	files := map[string]string{"free/app.yaml": configMap("free", "first")}
	for i := range 10 {
		files[fmt.Sprintf("step-%d/app.yaml", i)] = configMap(fmt.Sprintf("step-%d", i), "first")
	}
	repo := newRepository(t, "chain", files)
	repo.publish(shared)
	labels := map[string]string{"test": "chain"}
	repo.kustomization(shared, "free", "./free", func(ks *kustomizev1.Kustomization) { ks.Labels = labels })
	for i := range 10 {
		name := fmt.Sprintf("step-%d", i)
		repo.kustomization(shared, name, "./"+name, func(ks *kustomizev1.Kustomization) {
			ks.Labels = labels
			if i > 0 {
				ks.Spec.DependsOn = []kustomizev1.DependencyReference{{Name: fmt.Sprintf("step-%d", i-1)}}
			}
		})
	}
	return repo
}

// token is the last request, and when it was made.
func token(t *testing.T, name string) (string, time.Time) {
	t.Helper()
	text := kustomization(t, shared, name).Annotations[meta.ReconcileRequestAnnotation]
	if text == "" {
		return "", time.Time{}
	}
	i := strings.LastIndex(text, "-")
	at, err := time.Parse(time.RFC3339Nano, text[:i])
	if err != nil {
		t.Fatal(err)
	}
	return text, at
}

func TestAChainOfTen(t *testing.T) {
	repo := chain(t)
	commit := repo.commit(map[string]string{"step-0/app.yaml": configMap("step-0", "second")})
	repo.answer(shared)

	want(t, reconcile(t, "ks", "-l", "test=chain", "--with-source", "--revision", commit), 0,
		`OBJECT +STATE +REVISION +TOOK`, `gitrepository/chain +ready +main@sha1:`+commit[:7]+` .*`,
		`kustomization/step-0 +ready +main@sha1:`+commit[:7]+` .*`, `kustomization/step-9 +ready +main@sha1:`+commit[:7]+` .*`)
	_, before := token(t, "step-0")
	for i := 1; i < 10; i++ {
		_, at := token(t, fmt.Sprintf("step-%d", i))
		if !at.After(before) {
			t.Errorf("step-%d is requested at %s, not after the one before it, %s", i, at, before)
		}
		before = at
	}

	// One in the middle fails: what depends on it is not asked for, everything else is.
	tokens := map[string]string{}
	for i := range 10 {
		name := fmt.Sprintf("step-%d", i)
		tokens[name], _ = token(t, name)
	}
	repo.commit(map[string]string{"step-5/kustomization.yaml": "resources: [app.yaml, gone.yaml]\n"})
	result := reconcile(t, "ks", "-l", "test=chain", "--with-source")
	want(t, result, 1, `kustomization/step-4 +ready .*`, `kustomization/step-5 +failed .* BuildFailed: .*gone\.yaml.*`,
		`kustomization/step-6 +skipped .* not requested: Kustomization flux-system/step-5 is failed`,
		`kustomization/step-7 +skipped .* not requested: Kustomization flux-system/step-6 is skipped`, `kustomization/step-9 +skipped .*`)
	want(t, result, 1, `kustomization/free +ready .*`)
	for i := range 10 {
		name := fmt.Sprintf("step-%d", i)
		if now, _ := token(t, name); (now == tokens[name]) != (i > 5) {
			t.Errorf("%s: the request was %s and is %s", name, tokens[name], now)
		}
	}
}

func TestAnInterruptedWaitSaysWhatIsRunningAndWhatWasNotAskedFor(t *testing.T) {
	repo := newRepository(t, "stop", map[string]string{"one/app.yaml": configMap("stop-one", "x"), "two/app.yaml": configMap("stop-two", "x")})
	repo.publish(shared)
	repo.kustomization(shared, "stop-one", "./one", nil)
	repo.kustomization(shared, "stop-two", "./two", func(ks *kustomizev1.Kustomization) {
		ks.Spec.DependsOn = []kustomizev1.DependencyReference{{Name: "stop-one"}}
	})
	want(t, reconcile(t, "ks/stop-one", "ks/stop-two"), 0)
	one, _ := token(t, "stop-one")
	two, _ := token(t, "stop-two")
	if err := shared.Flux().Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := shared.Flux().Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}()
	process := start(t, "", "ks/stop-two", "ks/stop-one")
	patient.Until(t, "the first is requested", func() bool { now, _ := token(t, "stop-one"); return now != one })
	if err := process.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	interrupted := time.Now()
	want(t, process.wait(), 1, `kustomization/stop-two +skipped .* not requested: .*`, `kustomization/stop-one +reconciling .*`,
		`error: interrupted; Flux goes on with kustomization/stop-one, and it was not asked for kustomization/stop-two`)
	if took := time.Since(interrupted); took > 3*time.Second {
		t.Errorf("it took %s to end", took)
	}
	if now, _ := token(t, "stop-two"); now != two {
		t.Error("the second was requested")
	}
}

func TestARevisionIsAwaitedUntilItIsApplied(t *testing.T) {
	repo := newRepository(t, "late", map[string]string{"app.yaml": configMap("late", "first")})
	repo.publish(shared)
	repo.kustomization(shared, "late", "./", nil)
	want(t, reconcile(t, "ks/late"), 0)
	old, err := repo.Head(patient.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	commit := repo.commit(map[string]string{"app.yaml": configMap("late", "second")})
	before, _ := token(t, "late")

	process := start(t, "", "ks/late", "--revision", commit[:9])
	patient.Until(t, "the request is handled at the old revision", func() bool {
		now, _ := token(t, "late")
		return now != before && kustomization(t, shared, "late").Status.LastHandledReconcileAt == now
	})
	time.Sleep(300 * time.Millisecond)
	if process.hasEnded() {
		t.Error("it does not wait for the revision")
	}
	repo.publish(shared) // Flux sees it by itself
	want(t, process.wait(), 0, `kustomization/late +ready +main@sha1:`+commit[:7]+` .*`)

	// A revision that does not come is said so, with what is there instead.
	want(t, reconcile(t, "ks/late", "--revision", old[:7], "--timeout", "6s"), 1,
		`kustomization/late +reconciling +main@sha1:`+commit[:7]+` .* at main@sha1:`+commit[:7]+`, not yet at `+old[:7]+`.*`,
		`error: not all was ready within 6s; Flux goes on with kustomization/late`)
	for revision, says := range map[string]string{
		"main":     `error: GitRepository flux-system/late follows branch main, and any commit may be its last; give the commit instead: .*`,
		"sha1:123": `error: --revision: "sha1:123" is too short for a commit; give at least 7 digits`,
		"":         `error: --revision is empty; .*`,
	} {
		want(t, reconcile(t, "ks/late", "--revision", revision), 2, says)
	}
	want(t, reconcile(t, "ks/late", "--revision", commit, "--wait=false"), 2, `error: --revision says what to wait for; it cannot go with --wait=false`)
}

func TestEveryKindOfSourceIsAskedFor(t *testing.T) {
	kubectl(t, sources, "apply", "-f", "-")
	for arg, kind := range map[string]string{
		"ocirepo/kinds": "ocirepository", "bucket/kinds": "bucket", "helmrepo/kinds": "helmrepository", "hc/kinds": "helmchart", "gitrepo/kinds": "gitrepository",
	} {
		want(t, reconcile(t, arg, "--wait=false"), 0, kind+`/kinds +requested .*`)
		result, err := shared.Kubectl(patient.Context(t), harness.OnCall, "", "get", kind, "kinds", "-n", "flux-system",
			"-o", `jsonpath={.metadata.annotations.reconcile\.fluxcd\.io/requestedAt}`)
		if err != nil || result.Stdout == "" {
			t.Errorf("%s is not requested: %v %s", arg, err, result.Stderr)
		}
	}
	want(t, reconcile(t, "helmrepo/kinds-oci"), 2, `error: HelmRepository flux-system/kinds-oci is of type oci, from which Flux fetches nothing by itself; .*`)
	want(t, reconcile(t, "gitrepo,ocirepo,bucket", "-l", "test=kinds", "-A", "--wait=false", "-o", "name"), 0,
		`gitrepository\.source\.toolkit\.fluxcd\.io/kinds -n flux-system`, `ocirepository\..*`, `bucket\..*`)
	want(t, reconcile(t, "bucket", "-l", "test=absent"), 2, `error: there are no buckets with labels test=absent in namespace flux-system; -A looks in every one`)
	want(t, reconcile(t, "gitrepo/kinds", "--force"), 2, `error: --force and --reset are for HelmReleases, and none is named`)
}

const sources = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: kinds, namespace: flux-system, labels: {test: kinds}}
spec: {url: "https://git.contoso.example/x.git", interval: 1m}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: kinds, namespace: flux-system, labels: {test: kinds}}
spec: {url: "oci://registry.contoso.example/x", interval: 1m}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: Bucket
metadata: {name: kinds, namespace: flux-system, labels: {test: kinds}}
spec: {bucketName: x, endpoint: s3.contoso.example, interval: 1m}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: kinds, namespace: flux-system}
spec: {url: "https://charts.contoso.example", interval: 1m}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: kinds-oci, namespace: flux-system}
spec: {url: "oci://charts.contoso.example", type: oci}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmChart
metadata: {name: kinds, namespace: flux-system}
spec: {chart: x, interval: 1m, sourceRef: {kind: HelmRepository, name: kinds}}
`
