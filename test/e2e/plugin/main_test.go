package plugin

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
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

// shared is the cluster of all tests, repo the repository of its source flux-system/flux-system.
var (
	shared *harness.Cluster
	repo   *harness.Repo
)

var shop, paused = key("shop"), key("paused")

func key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(run(m))
}

func run(m *testing.M) int {
	return harness.Main(m, func(ctx context.Context, started *harness.Cluster) error {
		shared = started
		return setUp(ctx)
	})
}

func setUp(ctx context.Context) (err error) {
	if repo, err = shared.NewRepo(ctx, "testdata"); err != nil {
		return err
	}
	if _, err := shared.Publish(ctx, harness.Publication{Dir: repo.Dir}); err != nil {
		return err
	}
	for _, name := range []string{"root", "paused"} {
		if err := shared.Admin().Create(ctx, kustomization(name, "./"+name, "flux-system")); err != nil {
			return err
		}
		if _, err := shared.Reconcile(ctx, key(name)); err != nil {
			return err
		}
	}
	// Its parent is root, so it has a finalizer and a request annotation that git does not know.
	_, err = shared.Reconcile(ctx, shop)
	return err
}

func kustomization(name, path, source string) *kustomizev1.Kustomization {
	return &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: name},
		Spec: kustomizev1.KustomizationSpec{
			Interval:  metav1.Duration{Duration: time.Hour},
			Path:      path,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: source},
		},
	}
}

// kubectl runs kubectl as the on-call engineer, also when the test is over; it must succeed.
func kubectl(t *testing.T, stdin string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	result, err := shared.Kubectl(ctx, harness.OnCall, stdin, args...)
	if err != nil || result.Code != 0 {
		t.Fatalf("kubectl %s: %v %s", strings.Join(args, " "), err, result.Stderr)
	}
}

// drift runs kubectl gitops-drift, and checks what holds for all its output.
func drift(t *testing.T, user harness.User, args ...string) harness.Result {
	t.Helper()
	result, err := shared.Kubectl(patient.Context(t), user, "", append([]string{"gitops-drift"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("$ kubectl gitops-drift %s\n%s%s(exit %d)", strings.Join(args, " "), result.Stdout, result.Stderr, result.Code)
	checkOutput(t, result)
	return result
}

// raw is output that is for nobody: stack traces, Go values, errors of errors, control characters.
var raw = regexp.MustCompile(`goroutine \d|panic:|&\{|0x[0-9a-f]{6}|map\[|%!|error: error|<nil>|[^\n[:print:]…–→≤]`)

func checkOutput(t *testing.T, result harness.Result) {
	t.Helper()
	for _, line := range strings.Split(result.Stdout+result.Stderr, "\n") {
		if raw.MatchString(line) {
			t.Errorf("not for people: %s", line)
		}
	}
	if result.Code == 2 && result.Stderr == "" || result.Code != 2 && result.Stderr != "" {
		t.Errorf("exit %d with stderr %q", result.Code, result.Stderr)
	}
	for _, value := range []string{"swordfish", "battery-staple", "c3dvcmRmaXNo", "YmF0dGVyeS1zdGFwbGU="} {
		if strings.Contains(result.Stdout+result.Stderr, value) {
			t.Errorf("the value of a Secret, %s, is in the output", value)
		}
	}
}

// restore makes Flux undo what a test did, when the test ends.
func restore(t *testing.T, keys ...client.ObjectKey) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, key := range keys {
			if _, err := shared.Reconcile(ctx, key); err != nil {
				t.Error(err)
			}
		}
	})
}

// bare runs the plugin itself with an environment of its own, without a cluster.
func bare(t *testing.T, env []string, args ...string) harness.Result {
	t.Helper()
	path, err := harness.Program("kubectl-gitops_drift")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(patient.Context(t), path, args...)
	cmd.Env = append([]string{"HOME=" + t.TempDir()}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	result := harness.Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	t.Logf("$ kubectl-gitops_drift %s\n%s%s(exit %d)", strings.Join(args, " "), result.Stdout, result.Stderr, result.Code)
	checkOutput(t, result)
	return result
}

// want fails the test unless the command ended with code and printed all of these. A long sentence may be broken into lines.
func want(t *testing.T, result harness.Result, code int, parts ...string) {
	t.Helper()
	if result.Code != code {
		t.Errorf("exit %d, want %d", result.Code, code)
	}
	text := result.Stdout + result.Stderr
	unbroken := strings.ReplaceAll(text, "\n", " ")
	for _, part := range parts {
		if !strings.Contains(text, part) && !strings.Contains(unbroken, part) {
			t.Errorf("the output does not say %q", part)
		}
	}
}
