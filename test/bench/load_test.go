package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

const (
	// loadEdits are made of as many objects, loadRate of them a second, whether those before have been undone or not.
	loadEdits = 1000
	loadRate  = 20
	// What the loop may take, and the controller need at rest: of memory in bytes, of one processor in percent.
	loadMedian = 100 * time.Millisecond
	loadLimit  = 500 * time.Millisecond
	loadMemory = 150 << 20
	loadCPU    = 1.0
)

// number reads a number above 0 from the environment.
func number(b *testing.B, name string, otherwise int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s is %q, it has to be a number above 0", name, text)
	}
	return n
}

// BenchmarkRestoreLoad measures how long edits of a large cluster last that come faster than one after the other, and
// what the controller needs for it, beside a forced reconcile of Flux in the same cluster. GITOPS_DRIFT_BENCH_OBJECTS and
// GITOPS_DRIFT_BENCH_EDITS make it shorter.
func BenchmarkRestoreLoad(b *testing.B) {
	total, edits := number(b, "GITOPS_DRIFT_BENCH_OBJECTS", managed), number(b, "GITOPS_DRIFT_BENCH_EDITS", loadEdits)
	each := max(1, total/owners)
	if edits > each*owners {
		b.Fatalf("%d edits of %d objects: each may be edited once, or it looks like a fight", edits, each*owners)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 40*time.Minute)
	defer cancel()
	cluster := startCluster(ctx, b)
	product, err := cluster.StartProduct(ctx, "enforce")
	if err != nil {
		b.Fatal(err)
	}
	if result, err := cluster.Kubectl(ctx, harness.Admin, policies, "apply", "-f", "-"); err != nil || result.Code != 0 {
		b.Fatalf("%v: %s", err, result.Stderr)
	}
	for i := range owners {
		deploy(ctx, b, cluster, loadOwner(i), each)
	}
	deploy(ctx, b, cluster, "bench-flux", each)
	for b.Loop() {
		// The controller builds every state, and its loop looks at every object.
		time.Sleep(30 * time.Second)
		// Without the meter, which has the controller gather its metrics four times a second.
		rest := spend(ctx, b, product, &meter{}, func() { time.Sleep(30 * time.Second) })
		meter := startMeter(ctx, product)
		var loop []time.Duration
		load := spend(ctx, b, product, meter, func() { loop = editLoad(ctx, b, cluster, each, edits) })
		meter.stop()
		flux := measure(ctx, b, cluster, "bench-flux", each, min(forced, each), func() { force(ctx, b, cluster, "bench-flux") })
		show(b, fmt.Sprintf("How long an edit lasts, of %d objects in %d Kustomizations, %d edits a second (Flux: one after the other)",
			each*owners, owners, loadRate), loop, flux)
		printTable(b, "What the controller needs", [][]string{
			{"", "resident", "highest", "of one processor"},
			{"at rest", mebibytes(rest.resident), "", fmt.Sprintf("%.1f%%", rest.percent)},
			{"under this load", mebibytes(load.resident), mebibytes(load.highest), fmt.Sprintf("%.1f%%", load.percent)},
		})
		for _, p := range []int{50, 95, 99, 100} {
			b.ReportMetric(float64(percentile(loop, p).Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
		}
		b.ReportMetric(float64(rest.resident)/(1<<20), "at-rest-MiB")
		b.ReportMetric(rest.percent, "at-rest-CPU-%")
		b.ReportMetric(load.percent, "load-CPU-%")
		if p50, p99 := percentile(loop, 50), percentile(loop, 99); p50 >= loadMedian || p99 >= loadLimit {
			b.Errorf("the median is %s and the 99th percentile %s, they have to be under %s and %s", p50, p99, loadMedian, loadLimit)
		}
		if rest.resident >= loadMemory || rest.percent >= loadCPU {
			b.Errorf("at rest the controller needs %s and %.1f%% of a processor, it has to be under %s and %.1f%%",
				mebibytes(rest.resident), rest.percent, mebibytes(loadMemory), loadCPU)
		}
	}
}

func loadOwner(i int) string { return fmt.Sprintf("bench-load-%d", i) }

// spent is what the controller needed in a while: memory in bytes, of one processor in percent.
type spent struct {
	resident, highest int64
	percent           float64
}

func spend(ctx context.Context, b *testing.B, product *harness.Instance, meter *meter, do func()) spent {
	b.Helper()
	meter.reset()
	before, err := readMemory(ctx, product)
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	do()
	after, err := readMemory(ctx, product)
	if err != nil {
		b.Fatal(err)
	}
	return spent{
		resident: after.resident, highest: max(meter.highest.Load(), after.resident),
		percent: 100 * (after.cpu - before.cpu) / time.Since(began).Seconds(),
	}
}

// editLoad makes n edits at a steady rate and returns how long each lasted.
func editLoad(ctx context.Context, b *testing.B, cluster *harness.Cluster, each, n int) []time.Duration {
	b.Helper()
	watched, err := watch(ctx, cluster, "")
	if err != nil {
		b.Fatal(err)
	}
	defer watched.stop()
	editor, err := client.New(cluster.RESTConfig(harness.OnCall), client.Options{Scheme: harness.Scheme()})
	if err != nil {
		b.Fatal(err)
	}
	// The same edits in every run.
	random := rand.New(rand.NewPCG(2026, 11)) //nolint:gosec // Not for secrets.
	var group sync.WaitGroup
	var mu sync.Mutex
	var lasted []time.Duration
	var failed error
	ticks := time.NewTicker(time.Second / loadRate)
	defer ticks.Stop()
	for _, i := range random.Perm(each * owners)[:n] {
		edit := randomEdit(random, loadOwner(i/each), i%each)
		<-ticks.C
		group.Go(func() {
			took, err := lasts(ctx, editor, watched, edit)
			mu.Lock()
			defer mu.Unlock()
			lasted, failed = append(lasted, took), errors.Join(failed, err)
		})
	}
	group.Wait()
	if failed != nil {
		b.Fatal(failed)
	}
	return lasted
}

// lasts makes an edit and returns the time from the API server's answer until the watch shows it undone.
func lasts(ctx context.Context, editor client.Client, watched *watched, edit edit) (time.Duration, error) {
	restored, err := edit.make(ctx, editor)
	if err != nil {
		return 0, err
	}
	answered := time.Now()
	at, err := watched.await(ctx, edit.object, restored, patience)
	if err != nil {
		return 0, fmt.Errorf("%s of %s: %w", edit.what, edit.object, err)
	}
	return max(0, at.Sub(answered)), nil
}
