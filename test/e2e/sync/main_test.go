package sync

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// shared is the cluster of all tests that need no other; our controller records edits there.
var shared *harness.Cluster

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(run(m))
}

func run(m *testing.M) int {
	return harness.Main(m, func(ctx context.Context, started *harness.Cluster) error {
		shared = started
		_, err := shared.StartProduct(ctx, "record")
		return err
	})
}

func key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}
}

// repository is a repository and the GitRepository of that name in one or more clusters.
type repository struct {
	*harness.Repo
	t    *testing.T
	name string
}

// newRepository makes a repository of files, by path.
func newRepository(t *testing.T, name string, files map[string]string) repository {
	t.Helper()
	from := t.TempDir()
	for path, content := range files {
		file := filepath.Join(from, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	repo, err := shared.NewRepo(patient.Context(t), from)
	if err != nil {
		t.Fatal(err)
	}
	return repository{Repo: repo, t: t, name: name}
}

// publish makes the last commit the artifact of the GitRepository in a cluster.
func (r repository) publish(cluster *harness.Cluster) {
	r.t.Helper()
	if _, err := cluster.Publish(patient.Context(r.t), harness.Publication{Source: key(r.name), Dir: r.Dir}); err != nil {
		r.t.Fatal(err)
	}
}

// commit changes files, by path, and returns the commit.
func (r repository) commit(files map[string]string) string {
	r.t.Helper()
	for path, content := range files {
		if err := r.WriteFile(path, content); err != nil {
			r.t.Fatal(err)
		}
	}
	id, err := r.Commit(patient.Context(r.t), "Change it")
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// answer stands in for source-controller until the test ends: whenever the GitRepository is requested it publishes the
// last commit.
func (r repository) answer(cluster *harness.Cluster) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	ended := make(chan struct{})
	r.t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			source := &sourcev1.GitRepository{}
			if err := cluster.Admin().Get(ctx, key(r.name), source); err == nil &&
				source.Annotations[meta.ReconcileRequestAnnotation] != source.Status.LastHandledReconcileAt {
				if _, err := cluster.Publish(ctx, harness.Publication{Source: key(r.name), Dir: r.Dir}); err != nil && ctx.Err() == nil {
					r.t.Error(err)
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
}

// kustomization creates a Kustomization of a path of the repository. It goes after the test, and what it applied.
func (r repository) kustomization(cluster *harness.Cluster, name, path string, change func(*kustomizev1.Kustomization)) {
	r.t.Helper()
	ks := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: name},
		Spec: kustomizev1.KustomizationSpec{
			Interval: metav1.Duration{Duration: time.Hour}, Path: path, Prune: true,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: r.name},
		},
	}
	if change != nil {
		change(ks)
	}
	if err := cluster.Admin().Create(patient.Context(r.t), ks); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := client.IgnoreNotFound(cluster.Admin().Delete(ctx, ks)); err != nil {
			r.t.Error(err)
		}
		// One whose health Flux checks goes when that is over.
		for i := 0; i < 100 && cluster.Admin().Get(ctx, key(name), ks) == nil; i++ {
			time.Sleep(20 * time.Millisecond)
		}
	})
}

func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: default}\ndata: {key: %s}\n", name, value)
}

func kustomization(t *testing.T, cluster *harness.Cluster, name string) *kustomizev1.Kustomization {
	t.Helper()
	ks := &kustomizev1.Kustomization{}
	if err := cluster.Admin().Get(patient.Context(t), key(name), ks); err != nil {
		t.Fatal(err)
	}
	return ks
}

// running is kubectl gitops-reconcile while the test does something else.
type running struct {
	t              *testing.T
	cmd            *exec.Cmd
	args           []string
	stdout, stderr bytes.Buffer
	ended          chan struct{}
}

// start starts kubectl gitops-reconcile in the shared cluster, or those of a kubeconfig.
func start(t *testing.T, kubeconfig string, args ...string) *running {
	t.Helper()
	cmd, err := shared.Command(patient.Context(t), harness.OnCall, "kubectl-gitops_reconcile", args...)
	if err != nil {
		t.Fatal(err)
	}
	if kubeconfig != "" {
		cmd.Env = append(cmd.Env, "KUBECONFIG="+kubeconfig)
	}
	r := &running{t: t, cmd: cmd, args: args, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the exit code says the same
		close(r.ended)
	}()
	return r
}

// raw is output that is for nobody: stack traces, Go values, errors of errors, control characters.
var raw = regexp.MustCompile(`goroutine \d|panic:|&\{|0x[0-9a-f]{6}|map\[|%!|error: error|<nil>|[^\n[:print:]…–→≤]`)

// wait waits for the end and checks what holds for all output.
func (r *running) wait() harness.Result {
	r.t.Helper()
	<-r.ended
	result := harness.Result{Stdout: r.stdout.String(), Stderr: r.stderr.String(), Code: r.cmd.ProcessState.ExitCode()}
	r.t.Logf("$ kubectl gitops-reconcile %s\n%s%s(exit %d)", strings.Join(r.args, " "), result.Stdout, result.Stderr, result.Code)
	for _, line := range strings.Split(result.Stdout+result.Stderr, "\n") {
		if raw.MatchString(line) {
			r.t.Errorf("not for people: %s", line)
		}
	}
	for _, value := range []string{"swordfish", "battery-staple", "c3dvcmRmaXNo", "YmF0dGVyeS1zdGFwbGU="} {
		if strings.Contains(result.Stdout+result.Stderr, value) {
			r.t.Errorf("the value of a Secret, %s, is in the output", value)
		}
	}
	return result
}

func (r *running) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

func reconcile(t *testing.T, args ...string) harness.Result {
	t.Helper()
	return start(t, "", args...).wait()
}

// want compares the exit code, and demands that lines of the output match these patterns, in this order.
func want(t *testing.T, got harness.Result, code int, patterns ...string) {
	t.Helper()
	if got.Code != code {
		t.Errorf("exit %d, want %d", got.Code, code)
	}
	lines := strings.Split(strings.TrimSuffix(got.Stdout+got.Stderr, "\n"), "\n")
	for _, pattern := range patterns {
		at := -1
		for i, line := range lines {
			if regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(line) {
				at = i
				break
			}
		}
		if at < 0 {
			t.Errorf("no line matches %s, or not after the one before", pattern)
			continue
		}
		lines = lines[at+1:]
	}
}

// kubectl runs kubectl as the on-call engineer; it must succeed.
func kubectl(t *testing.T, stdin string, args ...string) {
	t.Helper()
	result, err := shared.Kubectl(patient.Context(t), harness.OnCall, stdin, args...)
	if err != nil || result.Code != 0 {
		t.Fatalf("kubectl %s: %v %s", strings.Join(args, " "), err, result.Stderr)
	}
}
