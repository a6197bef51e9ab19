package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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

// older is the environment variable that names another version's checkout.
const older = "GITOPS_DRIFT_OLDER"

var (
	cluster *harness.Cluster
	root    string
	apps    = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "apps"}
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	ctx, stop := context.WithCancel(context.Background())
	code := harness.Main(m, func(starting context.Context, started *harness.Cluster) error {
		cluster = started
		return setUp(starting, ctx)
	})
	stop()
	os.Exit(code)
}

// setUp has Flux apply testdata/apps; the node lasts until lasting ends.
func setUp(ctx, lasting context.Context) error {
	var err error
	if root, err = harness.ModuleRoot(); err != nil {
		return err
	}
	product := harness.Product("--shutdown-delay=500ms", "--drain-timeout=2s")
	if checkout := os.Getenv(older); checkout != "" {
		product.Versions = map[string]string{":older-": filepath.Join(checkout, "bin", "gitops-drift")}
	}
	if err := cluster.StartNode(lasting, product); err != nil {
		return err
	}
	repo, err := cluster.NewRepo(ctx, "testdata/apps")
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

// sh runs a command line in the checkout, as the engineer on call would.
func sh(t *testing.T, line string) (string, error) {
	t.Helper()
	return shell(t, "", line)
}

// shell does so with input.
func shell(t *testing.T, stdin, line string) (string, error) {
	t.Helper()
	cmd, err := cluster.Command(patient.Context(t), harness.OnCall, "/bin/sh", "-c", line)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := harness.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir, cmd.Env = root, append(cmd.Env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("$ %s: %w\n%s", line, err, out)
	}
	return string(out), err
}

// must runs a command line that has to succeed.
func must(t *testing.T, line string) string {
	t.Helper()
	out, err := sh(t, line)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// documented are the commands below a heading of docs/operation.md.
func documented(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "operation.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("docs/operation.md has no heading %s", heading)
	}
	if next := regexp.MustCompile(`(?m)^#`).FindStringIndex(section); next != nil {
		section = section[:next[0]]
	}
	var out []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				out = append(out, line)
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("docs/operation.md has no commands below %s", heading)
	}
	return out
}

// follow runs the commands below a heading of docs/operation.md.
func follow(t *testing.T, heading string) {
	t.Helper()
	for _, line := range documented(t, heading) {
		out, err := sh(t, line)
		// The API server may ask the guard a moment longer than its configuration is there; the documentation says so.
		if err != nil && strings.Contains(out, "delete its ValidatingWebhookConfiguration first") {
			command, _, _ := strings.Cut(line, " #")
			out, err = sh(t, command+" --ignore-not-found")
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("$ %s\n%s", line, out)
	}
}

// edit changes a ConfigMap that Flux manages, and returns what was said against it, empty for nothing.
func edit(t *testing.T, name, value string) string {
	t.Helper()
	out, err := sh(t, `kubectl -n payments patch configmap `+name+` --type=merge -p '{"data":{"value":"`+value+`"}}'`)
	if err == nil {
		return ""
	}
	return out
}

// guarded waits until edits are refused.
func guarded(t *testing.T) {
	t.Helper()
	patient.Until(t, "edits are refused", func() bool {
		out, err := sh(t, `kubectl -n payments annotate configmap settings kustomize.toolkit.fluxcd.io/reconcile=disabled --dry-run=server`)
		return err != nil && strings.Contains(out, "denied the request")
	})
}

// held opens a BreakGlass, edits its object, and checks that Flux is held off it.
func held(t *testing.T) {
	t.Helper()
	must(t, "kubectl gitops-drift break-glass configmap/payments-api -n payments --for 1h --reason 'the night before'")
	if refused := edit(t, "payments-api", "night"); refused != "" {
		t.Fatal(refused)
	}
	if annotations := must(t, "kubectl -n payments get configmap payments-api -o jsonpath='{.metadata.annotations}'"); !strings.Contains(annotations, "gitops-drift.dev/hold") {
		t.Fatalf("Flux is not held off: %s", annotations)
	}
}

// policy lets those on call break glass.
func policy(t *testing.T) {
	t.Helper()
	must(t, "kubectl apply --server-side -f manifests/examples/policies/break-glass.yaml")
	patient.Until(t, "the policy is in force", func() bool {
		out, _ := sh(t, "kubectl get editpolicy break-glass -o jsonpath='{.status.conditions[0].status}'")
		return strings.TrimSpace(out) == "True"
	})
}
