package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

const reconcileProgram = "kubectl-gitops_reconcile"

// reconcile runs the plugin.
func reconcile(t *testing.T, user harness.User, args ...string) harness.Result {
	t.Helper()
	result, err := shared.Run(patient.Context(t), user, "", reconcileProgram, args...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// expect compares the exit code, and standard output or error with a pattern.
func expect(t *testing.T, got harness.Result, code int, stdout, stderr string) {
	t.Helper()
	for _, stream := range []struct{ name, text, pattern string }{
		{"stdout", got.Stdout, stdout}, {"stderr", got.Stderr, stderr},
	} {
		if !regexp.MustCompile(`^(?s:` + stream.pattern + `)$`).MatchString(stream.text) {
			t.Errorf("%s is\n%s\nwhich does not match\n%s", stream.name, stream.text, stream.pattern)
		}
	}
	if got.Code != code {
		t.Errorf("exit code %d, want %d", got.Code, code)
	}
}

// freezeFlux stops kustomize-controller in the middle of whatever it does, until the returned func is called.
func freezeFlux(t *testing.T) (thaw func()) {
	t.Helper()
	if err := shared.Flux().Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	thaw = sync.OnceFunc(func() {
		if err := shared.Flux().Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(thaw)
	return thaw
}

// running is a plugin that runs while the test does something else.
type running struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func startReconcile(t *testing.T, args ...string) *running {
	t.Helper()
	cmd, err := shared.Command(patient.Context(t), harness.OnCall, reconcileProgram, args...)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{cmd: cmd}
	cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) wait() harness.Result {
	_ = r.cmd.Wait() // the exit code says the same
	return harness.Result{Stdout: r.stdout.String(), Stderr: r.stderr.String(), Code: r.cmd.ProcessState.ExitCode()}
}

func (a application) requested(t *testing.T) string {
	t.Helper()
	return a.kustomization(t).Annotations[meta.ReconcileRequestAnnotation]
}

func TestReconcileUndoesAnEditAtOnce(t *testing.T) {
	app := newApplication(t, "reconcile-ready")
	expect(t, reconcile(t, harness.OnCall, "kustomization/"+app.key.Name), 0,
		`OBJECT +STATE +REVISION +TOOK\nkustomization/reconcile-ready +ready +main@sha1:[0-9a-f]{7} +[0-9.]+s\n`, ``)

	edit, err := shared.Kubectl(patient.Context(t), harness.OnCall, "", "patch", "configmap", "app", "-n", app.key.Name,
		"--type=merge", "-p", `{"data":{"key":"edited"}}`)
	if err != nil || edit.Code != 0 {
		t.Fatal(edit, err)
	}
	viaKubectl, err := shared.Kubectl(patient.Context(t), harness.OnCall, "", "gitops-reconcile", "ks/"+app.key.Name)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, viaKubectl, 0, `.*\nkustomization/reconcile-ready +ready .*`, ``)
	if got := app.value(t); got != "first" {
		t.Errorf("after the reconciliation the value is %q", got)
	}
	owner := app.kustomization(t)
	if got := owner.Status.LastHandledReconcileAt; got == "" || got != owner.Annotations[meta.ReconcileRequestAnnotation] {
		t.Errorf("handled %q", got)
	}
}

func TestReconcileWithSourceFetchesFirst(t *testing.T) {
	app := newApplication(t, "reconcile-source")
	expect(t, reconcile(t, harness.OnCall, "ks/"+app.key.Name), 0, `.*`, ``)
	app.commit(t, "app.yaml", configMap(app.key.Name, "second"))

	process := startReconcile(t, "ks/"+app.key.Name, "--with-source")
	before := app.requested(t)
	// The test is source-controller: it answers a request with what git has now.
	patient.Until(t, "the source is requested", func() bool {
		source := &sourcev1.GitRepository{}
		if err := shared.Admin().Get(patient.Context(t), app.key, source); err != nil {
			t.Fatal(err)
		}
		return source.Annotations[meta.ReconcileRequestAnnotation] != ""
	})
	if got := app.requested(t); got != before {
		t.Error("the Kustomization is requested before its source is ready")
	}
	revision := app.publish(t)
	expect(t, process.wait(), 0, `OBJECT .*
gitrepository/reconcile-source +ready +`+revision[:len("main@sha1:")+7]+` .*
kustomization/reconcile-source +ready +`+revision[:len("main@sha1:")+7]+` .*`, ``)
	if got := app.value(t); got != "second" {
		t.Errorf("after the reconciliation the value is %q", got)
	}
}

func TestReconcileSaysWhySourceFailed(t *testing.T) {
	app := newApplication(t, "reconcile-source-fails")
	process := startReconcile(t, "ks/"+app.key.Name, "--with-source")
	source := &sourcev1.GitRepository{}
	patient.Until(t, "the source is requested", func() bool {
		if err := shared.Admin().Get(patient.Context(t), app.key, source); err != nil {
			t.Fatal(err)
		}
		return source.Annotations[meta.ReconcileRequestAnnotation] != ""
	})
	before := source.DeepCopy()
	source.Status.LastHandledReconcileAt = source.Annotations[meta.ReconcileRequestAnnotation]
	source.Status.Conditions = []metav1.Condition{{
		Type: meta.ReadyCondition, Status: metav1.ConditionFalse, Reason: "GitOperationFailed",
		Message: "authentication required", LastTransitionTime: metav1.Now(),
	}}
	if err := shared.Admin().Status().Patch(patient.Context(t), source, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	expect(t, process.wait(), 1, `OBJECT .*
gitrepository/reconcile-source-fails +failed .* GitOperationFailed: authentication required
kustomization/reconcile-source-fails +skipped .* not requested: GitRepository flux-system/reconcile-source-fails is failed
`, ``)
	if got := app.requested(t); got != "" {
		t.Errorf("the Kustomization was requested: %s", got)
	}
}

func TestReconcileSaysWhyABuildFailed(t *testing.T) {
	app := newApplication(t, "reconcile-broken")
	app.commit(t, "kustomization.yaml", "resources: [app.yaml, gone.yaml]\n")
	revision := app.publish(t)
	got := reconcile(t, harness.OnCall, "ks/"+app.key.Name, "--with-source=false")
	expect(t, got, 1, `OBJECT .*
kustomization/reconcile-broken +failed +`+revision[:len("main@sha1:")+7]+` .* BuildFailed: .*gone\.yaml.*\n`, ``)
	if lines := strings.Count(got.Stdout, "\n"); lines != 2 {
		t.Errorf("the table has %d lines, want 2:\n%s", lines, got.Stdout)
	}
}

func TestReconcileDoesNotRepeatASecretThatFluxQuotes(t *testing.T) {
	app := newApplication(t, "reconcile-quoted")
	app.commit(t, "kustomization.yaml", "secretGenerator: [{name: token, literals: [swordfish]}]\n")
	app.publish(t)
	got := reconcile(t, harness.OnCall, "ks/"+app.key.Name)
	expect(t, got, 1, `OBJECT .*
kustomization/reconcile-quoted +failed .* BuildFailed: .*literal.*\n`, ``)
	if strings.Contains(got.Stdout+got.Stderr, "swordfish") {
		t.Errorf("the Secret's value is in the output:\n%s%s", got.Stdout, got.Stderr)
	}
}

func TestReconcileAsksForNothingIfSomethingIsInTheWay(t *testing.T) {
	app := newApplication(t, "reconcile-suspended")
	suspended := app.kustomization(t)
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":true}}`))
	if err := shared.Admin().Patch(patient.Context(t), suspended, patch); err != nil {
		t.Fatal(err)
	}
	other := newApplication(t, "reconcile-other")
	tests := []struct {
		name, arg, want string
		user            harness.User
	}{
		{"suspended", "ks/reconcile-suspended",
			`error: Kustomization flux-system/reconcile-suspended is suspended with \S+ since [0-9: -]+UTC at the latest, so .*--resume, or flux resume kustomization reconcile-suspended -n flux-system\n`,
			harness.OnCall},
		{"missing", "ks/nowhere",
			`error: Kustomization flux-system/nowhere not found; .*: kubectl get kustomizations\.kustomize\.toolkit\.fluxcd\.io -A\n`,
			harness.OnCall},
		{"no permission", "ks/reconcile-other",
			`error: no permission to read Kustomization flux-system/reconcile-other: .*dev@contoso\.com.*`, harness.Dev},
		{"another kind", "deployment/x", `error: "deployment" is no type that Flux reconciles; these are .*`, harness.OnCall},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expect(t, reconcile(t, test.user, "ks/reconcile-other", test.arg), 2, ``, test.want)
			if got := app.requested(t) + other.requested(t); got != "" {
				t.Errorf("requested: %s", got)
			}
		})
	}
}

func TestReconcileWithoutFlux(t *testing.T) {
	bare, err := harness.Start(patient.Context(t), harness.Options{WithoutFlux: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bare.Stop(); err != nil {
			t.Error(err)
		}
	}()
	got, err := bare.Run(patient.Context(t), harness.OnCall, "", reconcileProgram, "ks/apps")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, got, 2, ``, `error: the cluster has no kind Kustomization\.kustomize\.toolkit\.fluxcd\.io: Flux is not installed there.*\n`)
}

func TestReconcileWithoutACluster(t *testing.T) {
	expect(t, reconcile(t, harness.OnCall, "ks/apps", "--server=https://127.0.0.1:1"), 2, ``,
		`error: cannot reach the cluster: .*connection refused\n`)
}

func TestTwoPeopleEachGetTheOutcomeOfTheirOwnRequest(t *testing.T) {
	app := newApplication(t, "reconcile-two")
	expect(t, reconcile(t, harness.OnCall, "ks/"+app.key.Name), 0, `.*`, ``)

	var handled sync.Map
	watcher, err := shared.Admin().Watch(patient.Context(t), &kustomizev1.KustomizationList{},
		client.InNamespace(app.key.Namespace), client.MatchingFields{"metadata.name": app.key.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	go func() {
		for event := range watcher.ResultChan() {
			if owner, ok := event.Object.(*kustomizev1.Kustomization); ok {
				handled.Store(owner.Status.LastHandledReconcileAt, true)
			}
		}
	}()

	// Flux answers neither request before the second has replaced the first.
	thaw := freezeFlux(t)
	before := app.requested(t)
	first := startReconcile(t, "ks/"+app.key.Name)
	patient.Until(t, "the first request is made", func() bool { return app.requested(t) != before })
	firstToken := app.requested(t)
	second := startReconcile(t, "ks/"+app.key.Name)
	patient.Until(t, "the second request is made", func() bool { return app.requested(t) != firstToken })
	secondToken := app.requested(t)
	thaw()

	for _, process := range []*running{first, second} {
		expect(t, process.wait(), 0, `.*\nkustomization/reconcile-two +ready .*`, ``)
	}
	// Of the first, that is its first token, or, where Flux saw only the second, the one that it asked again with.
	patient.Until(t, "the watch shows that Flux handled a request of each", func() bool {
		_, ofSecond := handled.Load(secondToken)
		others := 0
		handled.Range(func(token, _ any) bool {
			if token != "" && token != before && token != secondToken {
				others++
			}
			return true
		})
		return ofSecond && others > 0
	})
}

func TestReconcileStopsWaitingButFluxGoesOn(t *testing.T) {
	app := newApplication(t, "reconcile-stops")
	expect(t, reconcile(t, harness.OnCall, "ks/"+app.key.Name), 0, `.*`, ``)
	thaw := freezeFlux(t)
	before := app.requested(t)

	expect(t, reconcile(t, harness.OnCall, "ks/"+app.key.Name, "--timeout=5s"), 1,
		`.*\nkustomization/reconcile-stops +reconciling .* Flux has not picked up the request; is kustomize-controller running\?\n`,
		`([^\n]*kustomization/reconcile-stops: reconciling[^\n]*\n)*error: not all was ready within 5s; Flux goes on with kustomization/reconcile-stops\n`)

	timedOut := app.requested(t)
	process := startReconcile(t, "ks/"+app.key.Name)
	patient.Until(t, "the request is made", func() bool { now := app.requested(t); return now != before && now != timedOut })
	if err := process.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	expect(t, process.wait(), 1, `.*\nkustomization/reconcile-stops +reconciling .*`,
		`error: interrupted; Flux goes on with kustomization/reconcile-stops\n`)

	requested := app.requested(t)
	expect(t, reconcile(t, harness.OnCall, "ks/"+app.key.Name, "--wait=false"), 0,
		`.*\nkustomization/reconcile-stops +requested .*`, ``)
	if app.requested(t) == requested {
		t.Error("--wait=false asked for nothing")
	}
	thaw()
	requested = app.requested(t)
	patient.Until(t, "Flux handles the request", func() bool {
		return app.kustomization(t).Status.LastHandledReconcileAt == requested
	})
}
