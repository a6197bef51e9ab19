package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

const (
	// objects are in each of the two Kustomizations; half of them are Deployments, half ConfigMaps.
	objects = 200
	// edits are left to the loop, one of each object, so that none looks like a fight; forced ones to Flux.
	edits  = 200
	forced = 20
	// patience is how long an edit may last.
	patience = time.Minute
	// limit is what the 99th percentile of the loop may be.
	limit = time.Second
)

// policies admit every edit; the objects of Kustomization "bench-flux" are left to Flux.
const policies = `apiVersion: gitops-drift.dev/v1alpha1
kind: EditPolicy
metadata: {name: bench-loop}
spec: {priority: 100, action: Record, restore: true}
---
apiVersion: gitops-drift.dev/v1alpha1
kind: EditPolicy
metadata: {name: bench-flux}
spec: {priority: 200, action: Record, restore: false, match: {owners: [Kustomization/flux-system/bench-flux]}}
`

// BenchmarkRestore measures the time from the API server's answer to the editor until the watch shows the field back:
// by our controller, installed and run as people do, and by a reconcile of Flux that is forced the moment the edit is made.
func BenchmarkRestore(b *testing.B) {
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Minute)
	defer cancel()
	cluster, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := cluster.Stop(); err != nil {
			b.Error(err)
		}
	}()
	if _, err := cluster.StartProduct(ctx, "enforce"); err != nil {
		b.Fatal(err)
	}
	if result, err := cluster.Kubectl(ctx, harness.Admin, policies, "apply", "-f", "-"); err != nil || result.Code != 0 {
		b.Fatalf("%v: %s", err, result.Stderr)
	}
	deploy(ctx, b, cluster, "bench-loop", objects)
	deploy(ctx, b, cluster, "bench-flux", objects)
	for b.Loop() {
		loop := measure(ctx, b, cluster, "bench-loop", objects, edits, nil)
		flux := measure(ctx, b, cluster, "bench-flux", objects, forced, func() { force(ctx, b, cluster, "bench-flux") })
		show(b, fmt.Sprintf("How long an edit lasts, of one object among %d in its Kustomization", objects), loop, flux)
		b.ReportMetric(float64(percentile(loop, 50).Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(percentile(loop, 99).Microseconds())/1000, "p99-ms")
		if p99 := percentile(loop, 99); p99 >= limit {
			b.Errorf("the 99th percentile is %s, it has to be under %s", p99, limit)
		}
	}
}

// force asks Flux to reconcile a Kustomization.
func force(ctx context.Context, b *testing.B, cluster *harness.Cluster, name string) {
	b.Helper()
	ks := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: name}}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, meta.ReconcileRequestAnnotation, time.Now().Format(time.RFC3339Nano))
	if err := cluster.Admin().Patch(ctx, ks, client.RawPatch(types.MergePatchType, patch)); err != nil {
		b.Fatal(err)
	}
}

// measure makes n random edits of a Kustomization's objects, one after the other, and returns how long each lasted. Right after each edit it calls
// then, if not nil.
func measure(ctx context.Context, b *testing.B, cluster *harness.Cluster, name string, objects, n int, then func()) []time.Duration {
	b.Helper()
	watched, err := watch(ctx, cluster, name)
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
	var lasted []time.Duration
	for _, i := range random.Perm(objects)[:n] {
		edit := randomEdit(random, name, i)
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		restored, err := edit.make(ctx, editor)
		if err != nil {
			b.Fatal(err)
		}
		answered := time.Now()
		if then != nil {
			then()
		}
		at, err := watched.await(ctx, edit.object, restored, patience)
		if err != nil {
			b.Fatalf("%s of %s: %v", edit.what, edit.object, err)
		}
		lasted = append(lasted, max(0, at.Sub(answered)))
	}
	return lasted
}

func show(b *testing.B, title string, loop, flux []time.Duration) {
	b.Helper()
	rows := [][]string{{"", "edits", "p50", "p95", "p99", "worst"}}
	for _, line := range []struct {
		name   string
		lasted []time.Duration
	}{{"gitops-drift", loop}, {"forced Flux reconcile", flux}} {
		cells := []string{line.name, fmt.Sprint(len(line.lasted))}
		for _, p := range []int{50, 95, 99, 100} {
			cells = append(cells, milliseconds(percentile(line.lasted, p)))
		}
		rows = append(rows, cells)
	}
	printTable(b, title, rows)
}

// percentile returns the p-th percentile by the nearest rank.
func percentile(of []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// deploy has Flux apply n objects of a Kustomization of this name in a namespace of the same name.
func deploy(ctx context.Context, b *testing.B, cluster *harness.Cluster, name string, n int) {
	b.Helper()
	publish(ctx, b, cluster, name, n)
	reconciled(ctx, b, cluster, name)
}

// publish is deploy that does not wait.
func publish(ctx context.Context, b *testing.B, cluster *harness.Cluster, name string, n int) {
	b.Helper()
	dir := b.TempDir()
	if err := (&harness.Repo{Dir: dir}).WriteFile("objects.yaml", manifests(name, n)); err != nil {
		b.Fatal(err)
	}
	repo, err := cluster.NewRepo(ctx, dir)
	if err != nil {
		b.Fatal(err)
	}
	key := client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&kustomizev1.Kustomization{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
			Spec: kustomizev1.KustomizationSpec{
				Interval: metav1.Duration{Duration: time.Hour}, Path: "./", Prune: true,
				SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: name},
			},
		},
	} {
		if err := cluster.Admin().Create(ctx, object); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := cluster.Publish(ctx, harness.Publication{Source: key, Dir: repo.Dir}); err != nil {
		b.Fatal(err)
	}
}
