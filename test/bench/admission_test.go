package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

const (
	// In each round every set-up has its turn, so that what else the machine does hits all alike.
	rounds = 6
	turn   = time.Second
	// overhead is how many times the floor's median the product's may be, with one client.
	overhead = 1.2
)

// The set-ups, by the namespace whose objects each looks after, and the kinds of edit, by its suffix.
const (
	none, static, floor, guard = "none", "policy", "floor", "guard"
	admitted, refused          = "admitted", "refused"
)

// comparison is a policy of the API server itself that compares one field.
const comparison = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: bench}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [UPDATE]}
  validations:
  - expression: object.data.level == oldObject.data.level
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: bench}
spec:
  policyName: bench
  validationActions: [Deny]
  matchResources:
    namespaceSelector:
      matchExpressions:
      - {key: kubernetes.io/metadata.name, operator: In, values: [bench-policy-admitted, bench-policy-refused]}
`

// load is how many clients of a set-up edit, and which edits.
type load struct {
	edits, setup string
	clients      int
}

func (l load) namespace() string { return "bench-" + l.setup + "-" + l.edits }

// BenchmarkAdmission measures what the guard costs an edit, beside no admission at all, a policy inside the API server and
// the least that a webhook can do. Each client patches a ConfigMap of its own, as kubectl does, as fast as it is answered.
func BenchmarkAdmission(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Minute)
	defer cancel()
	cluster := startCluster(ctx, b)
	if _, err := cluster.StartProduct(ctx, "enforce"); err != nil {
		b.Fatal(err)
	}
	defer startFloor(ctx, b, cluster)()
	result, err := cluster.Kubectl(ctx, harness.Admin, comparison, "apply", "-f", "-")
	if err != nil || result.Code != 0 {
		b.Fatalf("%v: %s", err, result.Stderr)
	}
	counts := []int{1, 10, 50}
	clients := newClients(b, cluster, counts[len(counts)-1])
	var turns []load
	for _, edits := range []string{admitted, refused} {
		for _, setup := range []string{none, static, floor, guard} {
			// Without admission nothing is refused.
			if edits == refused && setup == none {
				continue
			}
			l := load{edits: edits, setup: setup}
			prepare(ctx, b, cluster, l, len(clients))
			await(ctx, b, l.namespace()+" to work", func() error { return l.patch(ctx, clients[0], 0) })
			turns = append(turns, l)
		}
	}
	for b.Loop() {
		took := map[load][]time.Duration{}
		for _, n := range counts {
			for range rounds {
				for _, i := range rand.Perm(len(turns)) { //nolint:gosec // Not for secrets.
					l := turns[i]
					l.clients = n
					took[l] = append(took[l], l.run(ctx, b, clients[:n])...)
				}
			}
		}
		showAdmission(b, counts, turns, took)
	}
}

func startCluster(ctx context.Context, b *testing.B) *harness.Cluster {
	b.Helper()
	cluster, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			b.Error(err)
		}
	})
	return cluster
}

// newClients returns n clients with a connection each.
func newClients(b *testing.B, cluster *harness.Cluster, n int) []kubernetes.Interface {
	b.Helper()
	var out []kubernetes.Interface
	for range n {
		config := cluster.RESTConfig(harness.OnCall)
		// client-go shares connections between configurations that have the same one.
		config.Dial = (&net.Dialer{}).DialContext
		c, err := kubernetes.NewForConfig(config)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// prepare makes the ConfigMaps that are edited. Flux applies those of the guard, o1, o3 and so on; the others are as large.
func prepare(ctx context.Context, b *testing.B, cluster *harness.Cluster, l load, n int) {
	b.Helper()
	if l.setup == guard {
		deploy(ctx, b, cluster, l.namespace(), 2*n)
		return
	}
	if err := cluster.Admin().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.namespace()}}); err != nil {
		b.Fatal(err)
	}
	labels := map[string]string{"team": "payments", "bench.gitops-drift.dev/name": l.namespace(), "bench.gitops-drift.dev/namespace": harness.FluxNamespace}
	if l.setup == floor {
		delete(labels, "bench.gitops-drift.dev/name")
		labels[floorLabel] = l.namespace()
	}
	for i := range n {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace(), Name: name(i), Labels: labels}, Data: map[string]string{"level": "info"}}
		if err := cluster.Admin().Create(ctx, object, client.FieldOwner("kustomize-controller")); err != nil {
			b.Fatal(err)
		}
	}
}

// name is the ConfigMap of a client.
func name(client int) string { return fmt.Sprintf("o%d", 2*client+1) }

// run has clients edit for a turn and returns how long each edit took.
func (l load) run(ctx context.Context, b *testing.B, clients []kubernetes.Interface) []time.Duration {
	b.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var group sync.WaitGroup
	end := time.Now().Add(turn)
	for i, c := range clients {
		group.Go(func() {
			var took []time.Duration
			var err error
			for err == nil && time.Now().Before(end) {
				start := time.Now()
				err = l.patch(ctx, c, i)
				took = append(took, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			all, failed = append(all, took...), errors.Join(failed, err)
		})
	}
	group.Wait()
	if failed != nil {
		b.Fatalf("%s: %v", l.namespace(), failed)
	}
	return all
}

// patch makes one edit. Its error is that the edit had another outcome than it should.
func (l load) patch(ctx context.Context, c kubernetes.Interface, i int) error {
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"contoso.com/seen":"%d"}}}`, time.Now().UnixNano())
	if l.edits == refused {
		patch = fmt.Sprintf(`{"data":{"level":"%d"}}`, time.Now().UnixNano())
	}
	_, err := c.CoreV1().ConfigMaps(l.namespace()).Patch(ctx, name(i), types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "bench"})
	if l.edits == refused {
		if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
			return nil
		}
		return fmt.Errorf("the edit was not refused: %w", err)
	}
	return err
}

func showAdmission(b *testing.B, counts []int, turns []load, took map[load][]time.Duration) {
	b.Helper()
	rows := [][]string{{"edits", "clients", "set-up", "requests/s", "p50", "p99", "p50 ÷ floor"}}
	for _, n := range counts {
		for _, l := range turns {
			l.clients = n
			base := percentile(took[load{l.edits, floor, n}], 50)
			p50 := percentile(took[l], 50)
			ratio := float64(p50) / float64(base)
			rows = append(rows, []string{
				l.edits, fmt.Sprint(n), l.setup, fmt.Sprintf("%.0f", float64(len(took[l]))/(rounds*turn.Seconds())),
				milliseconds(p50), milliseconds(percentile(took[l], 99)), fmt.Sprintf("%.2f", ratio),
			})
			if l.setup == guard && n == 1 {
				b.ReportMetric(ratio, strings.ReplaceAll("p50-÷-floor-"+l.edits, " ", "-"))
				if ratio > overhead {
					b.Errorf("edits that are %s take %.2f times as long as with the least webhook; it has to be under %.1f", l.edits, ratio, overhead)
				}
			}
		}
	}
	printTable(b, fmt.Sprintf("PATCHes of a ConfigMap through the API server, %d rounds of %s for each set-up, taking turns", rounds, turn), rows)
}
