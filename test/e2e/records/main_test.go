// Package records tests the evidence of edits as people meet it: EditRecords that two replicas of the controller write to
// a real API server, what kubectl gitops-drift makes of them, and events for Flux's notification-controller.
//
// Edits in namespace payments are refused, those in catalog recorded.
package records

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

var (
	cluster  *harness.Cluster
	replicas []*harness.Instance
	events   = &inbox{}
	apps     = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "apps"}
	service  = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "gitops-drift-webhook"}
)

// inbox stands for notification-controller: it takes everything.
type inbox struct {
	mu   sync.Mutex
	text strings.Builder
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, err := io.Copy(&i.text, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (i *inbox) String() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.text.String()
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(run(m))
}

func run(m *testing.M) int {
	server := httptest.NewServer(events)
	defer server.Close()
	return harness.Main(m, func(ctx context.Context, started *harness.Cluster) error {
		cluster = started
		return setUp(ctx, "--events-addr="+server.URL+"/")
	})
}

// setUp has Flux apply testdata/apps, and two replicas guard it.
func setUp(ctx context.Context, args ...string) error {
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
			Interval:  metav1.Duration{Duration: time.Hour},
			Path:      "./",
			Prune:     true,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: apps.Name},
		},
	}); err != nil {
		return err
	}
	if _, err := cluster.Reconcile(ctx, apps); err != nil {
		return err
	}
	first, err := cluster.StartProduct(ctx, "enforce", args...)
	if err != nil {
		return err
	}
	second, err := cluster.StartReplica(ctx, args...)
	if err != nil {
		return err
	}
	replicas = []*harness.Instance{first, second}
	cluster.Route(service, 443, first.Address("WEBHOOK"), second.Address("WEBHOOK"))
	return setPolicies(ctx)
}

// setPolicies keeps what is admitted as it is, admits edits in namespace catalog, and waits until both replicas know.
func setPolicies(ctx context.Context) error {
	for _, step := range []struct {
		stdin string
		args  []string
	}{
		{"", []string{"patch", "editpolicy", "enforce", "--type=merge", `-p={"spec":{"restore":false}}`}},
		{`{"apiVersion": "gitops-drift.dev/v1alpha1", "kind": "EditPolicy", "metadata": {"name": "catalog"},
		"spec": {"priority": 100, "action": "Record", "match": {"namespaces": ["catalog"]}}}`, []string{"apply", "--server-side", "-f", "-"}},
	} {
		result, err := cluster.Kubectl(ctx, harness.Admin, step.stdin, step.args...)
		if err != nil {
			return err
		}
		if result.Code != 0 {
			return fmt.Errorf("kubectl %v: %s", step.args, result.Stderr)
		}
	}
	for _, replica := range replicas {
		cluster.Route(service, 443, replica.Address("WEBHOOK"))
		for _, namespace := range []string{"payments", "catalog"} {
			for {
				result, err := cluster.Kubectl(ctx, harness.OnCall, "", "-n", namespace, "label", "deployment", namespace+"-api", "probe=1", "--dry-run=server")
				if err != nil {
					return err
				}
				if (result.Code != 0) == (namespace == "payments") {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
	cluster.Route(service, 443, replicas[0].Address("WEBHOOK"), replicas[1].Address("WEBHOOK"))
	return nil
}

// admin returns a client that knows EditRecords.
func admin(t *testing.T) client.Client {
	t.Helper()
	scheme := harness.Scheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cluster.RESTConfig(harness.Admin), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// records are the specs of all records that match accepts.
func records(t *testing.T, match func(v1alpha1.EditRecordSpec) bool) []v1alpha1.EditRecordSpec {
	t.Helper()
	list := &v1alpha1.EditRecordList{}
	if err := admin(t).List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	var out []v1alpha1.EditRecordSpec
	for _, r := range list.Items {
		if match(r.Spec) {
			out = append(out, r.Spec)
		}
	}
	return out
}

// of accepts records about objects of this kind and name.
func of(kind, namespace, name string) func(v1alpha1.EditRecordSpec) bool {
	return func(s v1alpha1.EditRecordSpec) bool {
		return s.Object.Kind == kind && s.Object.Namespace == namespace && s.Object.Name == name
	}
}

func count(specs []v1alpha1.EditRecordSpec) int64 {
	var n int64
	for _, s := range specs {
		n += s.Count
	}
	return n
}

// await waits until the matching records count n edits, and returns them.
func await(t *testing.T, n int64, match func(v1alpha1.EditRecordSpec) bool) []v1alpha1.EditRecordSpec {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		found := records(t, match)
		if got := count(found); got == n {
			return found
		} else if got > n || time.Now().After(deadline) {
			t.Fatalf("the records count %d edits, want %d: %+v", got, n, found)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func kubectl(t *testing.T, user harness.User, args ...string) harness.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := cluster.Kubectl(ctx, user, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// edit runs kubectl, which is refused in namespace payments and must succeed elsewhere.
func edit(t *testing.T, user harness.User, args ...string) {
	t.Helper()
	result := kubectl(t, user, args...)
	refused := strings.Contains(result.Stderr, "denied the request")
	if refused != (args[1] == "payments") || !refused && result.Code != 0 {
		t.Fatalf("kubectl %s: exit %d %s", strings.Join(args, " "), result.Code, result.Stderr)
	}
}
