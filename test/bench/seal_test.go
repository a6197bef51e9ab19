package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// What a repository of this benchmark holds: SealedSecrets of two items, in the folders of teams, which overlays of five
// clusters apply.
const (
	sealedSecrets = 500
	teams         = 25
)

var sealClusters = []string{"prod-eu", "prod-us", "prod-ap", "stage", "dev"}

// BenchmarkSeal measures what it takes to check 500 SealedSecrets and to seal them anew under another key, beside kubeseal,
// which has to be run twice for each of them to do the latter, and has nothing for the former.
func BenchmarkSeal(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	for b.Loop() {
		r := newSealBench(ctx, b)
		rows := [][]string{{"", "took", "processor", "highest memory"}}
		check := fastest(func() run { return r.run(nil, "kubectl-gitops_seal", "check") })
		rows = append(rows, check.row("gitops-seal check"))
		// A patch that may be for anything, and kustomize has to tell what is applied.
		for _, cluster := range sealClusters {
			r.write("overlays/"+cluster+"/kustomization.yaml", r.overlay()+"patches:\n- target: {labelSelector: contoso.com/cluster="+cluster+"}\n  patch: |\n    - {op: add, path: /metadata/annotations, value: {}}\n")
		}
		built := fastest(func() run { return r.run(nil, "kubectl-gitops_seal", "check") })
		rows = append(rows, built.row("gitops-seal check, 5 builds of 500"))
		verify := r.run(nil, "kubectl-gitops_seal", "verify", "--key", r.key("old"))
		rows = append(rows, verify.row("gitops-seal verify --key"))

		started := time.Now()
		var processor time.Duration
		for i := range sealedSecrets {
			opened := r.run(r.read(r.file(i)), "kubeseal", "--recovery-unseal", "--recovery-private-key", r.key("old"))
			sealed := r.run([]byte(opened.stdout), "kubeseal", "--cert", r.certificate("new"))
			processor += opened.processor + sealed.processor
		}
		kubeseal := run{took: time.Since(started), processor: processor}

		r.run(nil, "kubectl-gitops_seal", "init", "--rotate", "--cert", r.certificate("new"))
		reseal := r.run(nil, "kubectl-gitops_seal", "reseal", "--key", r.key("old"), "--write")
		rows = append(rows, reseal.row("gitops-seal reseal"), kubeseal.row("kubeseal, twice for each"))
		b.ReportMetric(check.took.Seconds(), "check-s")
		b.ReportMetric(built.took.Seconds(), "check-built-s")
		b.ReportMetric(reseal.took.Seconds(), "reseal-s")
		b.ReportMetric(kubeseal.took.Seconds(), "kubeseal-s")
		printTable(b, fmt.Sprintf("%d SealedSecrets of two items, keys of 4096 bits", sealedSecrets), rows)
	}
}

// sealBench is a repository, and a folder of keys.
type sealBench struct {
	b         *testing.B
	ctx       context.Context
	dir, keys string
}

func newSealBench(ctx context.Context, b *testing.B) *sealBench {
	b.Helper()
	r := &sealBench{b: b, ctx: ctx, dir: b.TempDir(), keys: b.TempDir()}
	for _, name := range []string{"old", "new"} {
		r.run(nil, "kubectl-gitops_seal", "keygen", "--name", name, "--dir", r.keys)
	}
	r.write(".git/HEAD", "ref: refs/heads/main\n") // the root of a repository
	r.run(nil, "kubectl-gitops_seal", "init", "--cert", r.certificate("old"))
	lists := map[string]string{}
	for i := range sealedSecrets {
		team := fmt.Sprintf("team-%d", i%teams)
		r.write(r.file(i), fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata:\n  name: secret-%d\n  namespace: %s\nstringData:\n  password: value %d\n  user: team\n", i, team, i))
		lists[team] += fmt.Sprintf("- secret-%d.yaml\n", i)
	}
	for team, list := range lists {
		r.write("apps/"+team+"/kustomization.yaml", "namespace: "+team+"\nresources:\n"+list)
	}
	for _, cluster := range sealClusters {
		r.write("overlays/"+cluster+"/kustomization.yaml", r.overlay())
		r.write("clusters/"+cluster+"/apps.yaml", `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  interval: 10m
  path: ./overlays/`+cluster+`
  prune: true
  wait: true
  sourceRef: {kind: GitRepository, name: flux-system}
  healthCheckExprs:
  - apiVersion: bitnami.com/v1alpha1
    kind: SealedSecret
    current: status.conditions.filter(e, e.type == 'Synced').all(e, e.status == 'True')
`)
	}
	r.run(nil, "kubectl-gitops_seal", "seal", "-f", "apps", "--in-place")
	return r
}

func (r *sealBench) file(i int) string {
	return fmt.Sprintf("apps/team-%d/secret-%d.yaml", i%teams, i)
}
func (r *sealBench) key(name string) string         { return filepath.Join(r.keys, name+".key") }
func (r *sealBench) certificate(name string) string { return filepath.Join(r.keys, name+".crt") }

// overlay is the kustomization.yaml of a cluster.
func (r *sealBench) overlay() string {
	var out strings.Builder
	out.WriteString("resources:\n")
	for team := range teams {
		fmt.Fprintf(&out, "- ../../apps/team-%d\n", team)
	}
	return out.String()
}

func (r *sealBench) write(file, text string) {
	r.b.Helper()
	path := filepath.Join(r.dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.b.Fatal(err)
	}
}

func (r *sealBench) read(file string) []byte {
	r.b.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(file)))
	if err != nil {
		r.b.Fatal(err)
	}
	return text
}

// run runs a program in the repository, which has to succeed.
func (r *sealBench) run(stdin []byte, program string, args ...string) run {
	r.b.Helper()
	path, err := harness.Program(program)
	if err != nil {
		r.b.Fatal(err)
	}
	cmd := exec.CommandContext(r.ctx, path, args...)
	cmd.Dir, cmd.Stdin = r.dir, bytes.NewReader(stdin)
	out := measured(r.b, cmd)
	if out.code != 0 {
		r.b.Fatalf("%s %s: exit %d, %s%s", program, strings.Join(args, " "), out.code, lastLine(out.stdout), out.stderr)
	}
	return out
}
