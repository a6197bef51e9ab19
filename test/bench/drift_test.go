package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// warmRuns are how often our command runs with a warm cache; the fastest counts, as for what it is compared with.
const warmRuns = 3

// BenchmarkDrift measures what it costs to see the drift of 1% of the objects: by our command without and with a cache,
// by kubectl diff over the same manifests, and beside what it takes only to list and decode the objects.
func BenchmarkDrift(b *testing.B) {
	for _, test := range []struct {
		name      string
		owners, n int
	}{
		{"one owner of 1000 objects", 1, 1000},
		{"100 owners of 100 objects", 100, 100},
	} {
		b.Run(test.name, func(b *testing.B) {
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			defer cancel()
			cluster := startCluster(ctx, b)
			var all strings.Builder
			names := make([]string, test.owners)
			for i := range names {
				names[i] = fmt.Sprintf("bench-%d", i)
				publish(ctx, b, cluster, names[i], test.n)
				all.WriteString(manifests(names[i], test.n))
			}
			for _, name := range names {
				reconciled(ctx, b, cluster, name)
			}
			drifted := driftOnePercent(ctx, b, cluster, names, test.n)
			file := filepath.Join(b.TempDir(), "all.yaml")
			if err := os.WriteFile(file, []byte(all.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				rows := [][]string{{"", "took", "processor", "highest memory"}}
				ours := func(what, cache string) run {
					r := command(ctx, b, cluster, "kubectl-gitops_drift", "--cache-dir", cache)
					if r.code != 1 || !strings.Contains(r.stdout, fmt.Sprintf("of %d objects differ", drifted)) && !strings.Contains(r.stdout, "missing") {
						b.Fatalf("%s: exit %d, %s%s", what, r.code, lastLine(r.stdout), r.stderr)
					}
					return r
				}
				// The first that asks a new API server for a kind waits for it to get ready to serve that kind.
				cache := b.TempDir()
				first := ours("first", cache)
				cold := fastest(func() run { return ours("cold", b.TempDir()) })
				warm := fastest(func() run { return ours("warm", cache) })
				list := fastest(func() run { return listing(ctx, b, cluster, names) })
				rows = append(rows, first.row("gitops-drift, the first request of all"), cold.row("gitops-drift, cold"), warm.row("gitops-drift, warm"), list.row("list and decode"))
				b.ReportMetric(cold.took.Seconds(), "cold-s")
				b.ReportMetric(warm.took.Seconds(), "warm-s")
				b.ReportMetric(warm.took.Seconds()/list.took.Seconds(), "warm/list")
				diff := command(ctx, b, cluster, "kubectl", "diff", "--server-side", "--force-conflicts", "--field-manager", ownership.KustomizeManager, "-f", file)
				if diff.code != 1 {
					b.Fatalf("kubectl diff: exit %d %s", diff.code, diff.stderr)
				}
				rows = append(rows, diff.row("kubectl diff --server-side"))
				b.ReportMetric(diff.took.Seconds(), "kubectl-diff-s")
				printTable(b, "Drift of "+test.name, rows)
			}
		})
	}
}

// reconciled waits until Flux has applied a Kustomization.
func reconciled(ctx context.Context, b *testing.B, cluster *harness.Cluster, name string) {
	b.Helper()
	if _, err := cluster.Reconcile(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}); err != nil {
		b.Fatal(err)
	}
}

// driftOnePercent edits one object in a hundred and returns how many.
func driftOnePercent(ctx context.Context, b *testing.B, cluster *harness.Cluster, names []string, n int) int {
	b.Helper()
	editor, err := client.New(cluster.RESTConfig(harness.OnCall), client.Options{Scheme: harness.Scheme()})
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(2026, 11)) //nolint:gosec // Not for secrets.
	edited := 0
	for _, name := range names {
		for _, i := range random.Perm(n)[:n/100] {
			edit := randomEdit(random, name, i)
			for edit.patch == "" {
				edit = randomEdit(random, name, i)
			}
			if _, err := edit.make(ctx, editor); err != nil {
				b.Fatal(err)
			}
			edited++
		}
	}
	return edited
}

// run is what a command took.
type run struct {
	took, processor time.Duration
	// highest is the most memory that was resident, in bytes; 0 where it was not measured.
	highest        int64
	code           int
	stdout, stderr string
}

func (r run) row(what string) []string {
	highest := "–"
	if r.highest > 0 {
		highest = mebibytes(r.highest)
	}
	return []string{what, milliseconds(r.took), milliseconds(r.processor), highest}
}

func fastest(do func() run) run {
	best := do()
	for range warmRuns - 1 {
		if r := do(); r.took < best.took {
			best = r
		}
	}
	return best
}

func command(ctx context.Context, b *testing.B, cluster *harness.Cluster, program string, args ...string) run {
	b.Helper()
	cmd, err := cluster.Command(ctx, harness.Admin, program, args...)
	if err != nil {
		b.Fatal(err)
	}
	return measured(b, cmd)
}

// measured runs a command, whatever its exit code.
func measured(b *testing.B, cmd *exec.Cmd) run {
	b.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	r := run{
		took: took, processor: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), code: cmd.ProcessState.ExitCode(),
		stdout: stdout.String(), stderr: stderr.String(),
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.highest = usage.Maxrss << 10
	}
	return r
}

// listing lists the objects of both kinds with their fields' managers and decodes them, and does nothing else; both
// kinds at once, and in pages, as our command does.
func listing(ctx context.Context, b *testing.B, cluster *harness.Cluster, names []string) run {
	b.Helper()
	config := cluster.RESTConfig(harness.Admin)
	config.QPS, config.Burst = -1, -1
	c, err := client.New(config, client.Options{Scheme: harness.Scheme()})
	if err != nil {
		b.Fatal(err)
	}
	start, before := time.Now(), processor(b)
	var group errgroup.Group
	for _, kind := range []schema.GroupVersionKind{configMaps, deployments} {
		group.Go(func() error {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(kind)
			if err := c.List(ctx, list, client.HasLabels{ownership.KustomizeGroup + "/name"}); err != nil {
				return err
			}
			if len(list.Items) < len(names) {
				return fmt.Errorf("only %d of kind %s are listed", len(list.Items), kind.Kind)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return run{took: time.Since(start), processor: processor(b) - before}
}

// processor is the time of processors that this process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
