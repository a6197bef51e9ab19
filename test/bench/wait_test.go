package bench

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/go-logr/logr"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

const (
	// waits are made each way.
	waits = 20
	// polling is how often `flux reconcile` looks.
	polling = 2 * time.Second
	// prompt is what the 95th percentile of our wait may be.
	prompt = 100 * time.Millisecond
)

// BenchmarkWait measures how long after Flux's status update a wait for a reconciliation ends: kubectl gitops-reconcile,
// from the process's start to its end, and looking every 2 s, as `flux reconcile` does, without a process around it.
func BenchmarkWait(b *testing.B) {
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
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
	deploy(ctx, b, cluster, "wait", 20)
	for b.Loop() {
		var ours, polled []time.Duration
		for range waits {
			ours = append(ours, late(ctx, b, cluster, func() { plugin(ctx, b, cluster) }))
			polled = append(polled, late(ctx, b, cluster, func() { poll(ctx, b, cluster) }))
		}
		rows := [][]string{{"", "waits", "p50", "p95", "worst"}}
		for _, line := range []struct {
			name   string
			lasted []time.Duration
		}{{"kubectl gitops-reconcile", ours}, {"looking every 2 s", polled}} {
			rows = append(rows, []string{line.name, fmt.Sprint(len(line.lasted)), milliseconds(percentile(line.lasted, 50)),
				milliseconds(percentile(line.lasted, 95)), milliseconds(percentile(line.lasted, 100))})
		}
		printTable(b, "How long after Flux's status update the wait for a reconciliation ends", rows)
		b.ReportMetric(float64(percentile(ours, 50).Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(percentile(ours, 95).Microseconds())/1000, "p95-ms")
		if p95 := percentile(ours, 95); p95 >= prompt {
			b.Errorf("the 95th percentile is %s, it has to be under %s", p95, prompt)
		}
	}
}

// late returns how long after the status update that answers a request the wait for it ended.
func late(ctx context.Context, b *testing.B, cluster *harness.Cluster, reconcile func()) time.Duration {
	b.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	before := &kustomizev1.Kustomization{}
	if err := cluster.Admin().Get(ctx, waited, before); err != nil {
		b.Fatal(err)
	}
	watcher, err := cluster.Admin().Watch(ctx, &kustomizev1.KustomizationList{}, client.InNamespace(waited.Namespace),
		client.MatchingFields{"metadata.name": waited.Name})
	if err != nil {
		b.Fatal(err)
	}
	defer watcher.Stop()
	answered := make(chan time.Time, 1)
	go func() {
		for event := range watcher.ResultChan() {
			ks, ok := event.Object.(*kustomizev1.Kustomization)
			if ok && finished(ks, before.Status.LastHandledReconcileAt) {
				answered <- time.Now()
				return
			}
		}
	}()
	reconcile()
	ended := time.Now()
	select {
	case at := <-answered:
		return max(0, ended.Sub(at))
	case <-time.After(patience):
		b.Fatal("the wait ended, and the watch shows no reconciliation")
		return 0
	}
}

var waited = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "wait"}

// finished reports whether a request later than the one called before is answered, and all is well.
func finished(ks *kustomizev1.Kustomization, before string) bool {
	return ks.Status.LastHandledReconcileAt != before && ks.Status.LastHandledReconcileAt == ks.Annotations[meta.ReconcileRequestAnnotation] &&
		apimeta.IsStatusConditionTrue(ks.Status.Conditions, meta.ReadyCondition) && ks.Status.LastAppliedRevision == ks.Status.LastAttemptedRevision
}

func plugin(ctx context.Context, b *testing.B, cluster *harness.Cluster) {
	b.Helper()
	cmd, err := cluster.Command(ctx, harness.OnCall, "kubectl-gitops_reconcile", "ks/"+waited.Name)
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		b.Fatalf("%v: %s", err, &out)
	}
}

// poll asks and looks at once, and then every 2 s.
func poll(ctx context.Context, b *testing.B, cluster *harness.Cluster) {
	b.Helper()
	ks := &kustomizev1.Kustomization{}
	if err := cluster.Admin().Get(ctx, waited, ks); err != nil {
		b.Fatal(err)
	}
	before := ks.Status.LastHandledReconcileAt
	force(ctx, b, cluster, waited.Name)
	if err := wait.PollUntilContextCancel(ctx, polling, true, func(ctx context.Context) (bool, error) {
		err := cluster.Admin().Get(ctx, waited, ks)
		return err == nil && finished(ks, before), err
	}); err != nil {
		b.Fatal(err)
	}
}
