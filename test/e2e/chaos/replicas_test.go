package chaos

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// guard is the product as it is installed: two replicas behind their Service.
type guard struct {
	t        *testing.T
	args     []string
	replicas []*harness.Instance
}

// shutdownDelay is shorter than in the manifests: there is one API server, and it hears of a route at once.
const shutdownDelay = time.Second

// install applies an overlay, without its restore loop, which would undo what is admitted here, and starts two replicas.
// They end with the test.
func install(t *testing.T, overlay string, args ...string) *guard {
	t.Helper()
	ctx := patient.Context(t)
	g := &guard{t: t, args: append([]string{"--shutdown-delay=" + shutdownDelay.String(), "--drain-timeout=" + drainTimeout().String()}, args...)}
	first, err := cluster.StartProduct(ctx, overlay, g.args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cluster.Route(service, 443)
		for _, replica := range g.replicas {
			replica.Kill()
			g.forget(replica)
		}
	})
	g.join(first)
	g.add()
	must(t, "", "patch", "editpolicy", "enforce", "--type=merge", `-p={"spec":{"restore":false}}`)
	must(t, "{apiVersion: gitops-drift.dev/v1alpha1, kind: EditPolicy, metadata: {name: recorded}, spec: {priority: 20, action: Record, match: {namespaces: [recorded]}}}", "apply", "-f-")
	g.judges()
	return g
}

// add starts one more replica.
func (g *guard) add() *harness.Instance {
	g.t.Helper()
	// More Pods than the manifests ask for: one for the surge, and one that takes the place of the Pod that went.
	must(g.t, "", "-n", harness.FluxNamespace, "scale", "deployment", "gitops-drift", "--replicas=4")
	replica, err := cluster.StartReplica(patient.Context(g.t), g.args...)
	if err != nil {
		g.t.Fatal(err)
	}
	g.join(replica)
	return replica
}

// join makes a replica one of those that are called. When the Deployment is scaled down, other Pods go first.
func (g *guard) join(replica *harness.Instance) {
	g.t.Helper()
	g.replicas = append(g.replicas, replica)
	must(g.t, "", "-n", harness.FluxNamespace, "annotate", "pod", replica.Pod().Name, "controller.kubernetes.io/pod-deletion-cost=100")
	g.route()
}

// forget deletes the Pod of a replica that has ended, so that another one takes its place.
func (g *guard) forget(replica *harness.Instance) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: replica.Pod().Namespace, Name: replica.Pod().Name}}
	if err := cluster.Admin().Delete(context.Background(), pod); client.IgnoreNotFound(err) != nil {
		g.t.Error(err)
	}
}

// overlay is the folder of an overlay of the manifests.
func overlay(t *testing.T, name string) string {
	t.Helper()
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "manifests", "overlays", name)
}

// route sends calls to all replicas in turn.
func (g *guard) route() {
	addresses := make([]string, 0, len(g.replicas))
	for _, replica := range g.replicas {
		addresses = append(addresses, replica.Address("WEBHOOK"))
	}
	cluster.Route(service, 443, addresses...)
}

// roll replaces the first n replicas, one after the other, as a Deployment with maxUnavailable 0 does.
func (g *guard) roll(n int) {
	g.t.Helper()
	for _, old := range slices.Clone(g.replicas[:n]) {
		g.add()
		g.replicas = slices.DeleteFunc(g.replicas, func(r *harness.Instance) bool { return r == old })
		// The Pod is told to end before everybody knows that it is no endpoint any more.
		if err := old.Signal(syscall.SIGTERM); err != nil {
			g.t.Error(err)
		}
		time.Sleep(shutdownDelay / 4)
		g.route()
		select {
		case <-old.Exited():
		case <-time.After(2 * time.Minute):
			g.t.Errorf("Pod %s has not ended", old.Pod().Name)
			old.Kill()
		}
		g.forget(old)
	}
}

// drainTimeout is the manifests' in the long version. In the short one all connections are used soon, and so given up.
func drainTimeout() time.Duration {
	if os.Getenv(longer) != "" {
		return 95 * time.Second
	}
	return 5 * time.Second
}

func (g *guard) signal(sig syscall.Signal) {
	g.t.Helper()
	for _, replica := range g.replicas {
		if err := replica.Signal(sig); err != nil {
			g.t.Error(err)
		}
	}
}

func (g *guard) kill() {
	for _, replica := range g.replicas {
		replica.Kill()
	}
}

func (g *guard) restart() {
	g.t.Helper()
	for _, replica := range g.replicas {
		if err := replica.Restart(patient.Context(g.t)); err != nil {
			g.t.Fatal(err)
		}
	}
}

// judges waits until both policies are in force.
func (g *guard) judges() {
	g.t.Helper()
	patient.Until(g.t, "verdicts", func() bool {
		l := start(g.t)
		for range 12 {
			l.edit()
		}
		results := l.stop()
		return !slices.ContainsFunc(results, func(r result) bool { return !r.judged() })
	})
}

// errors is how many requests the replicas could not judge.
func (g *guard) errors() float64 {
	g.t.Helper()
	sum := 0.0
	for _, replica := range g.replicas {
		sum += metric(g.t, http.DefaultClient, "http://127.0.0.1:"+strconv.Itoa(replica.Port("METRICS"))+"/metrics", `gitops_drift_admission_errors_total`)
	}
	return sum
}

// failedOpen is how many calls the API server has admitted because they failed.
func failedOpen(t *testing.T) float64 {
	t.Helper()
	config := cluster.RESTConfig(harness.Admin)
	from, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return metric(t, from, config.Host+"/metrics", `apiserver_admission_webhook_fail_open_count\{[^}]*gitops-drift[^}]*\}`)
}

// metric sums the series whose name and labels match.
func metric(t *testing.T, from *http.Client, url, series string) float64 {
	t.Helper()
	request, err := http.NewRequestWithContext(patient.Context(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := from.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %s", filepath.Base(url), resp.Status)
	}
	sum := 0.0
	for _, match := range regexp.MustCompile(`(?m)^`+series+` (\S+)$`).FindAllSubmatch(text, -1) {
		value, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += value
	}
	return sum
}
