package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// controllerStandIn answers as notification-controller's event server does: 400 for what is no event, 429 for an event
// whose object, message and revision it was told of before, and else 202.
type controllerStandIn struct {
	t      *testing.T
	mu     sync.Mutex
	events []eventv1.Event
	known  map[string]bool
	// failures is how many requests are answered 500 first.
	failures int
}

func (c *controllerStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures > 0 {
		c.failures--
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/json" {
		c.t.Errorf("%s %s %s: %v", r.Method, r.URL.Path, r.Header, err)
	}
	event := eventv1.Event{}
	if err := json.Unmarshal(body, &event); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	o := event.InvolvedObject
	// It keeps the metadata with the group of the involved object, found in its apiVersion, and strips the group.
	revision := event.Metadata[o.GroupVersionKind().Group+"/revision"]
	key := strings.Join([]string{o.Name, o.Namespace, o.Kind, event.Message, revision}, "/")
	if c.known[key] {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	c.known[key] = true
	c.events = append(c.events, event)
	w.WriteHeader(http.StatusAccepted)
}

func (c *controllerStandIn) received() []eventv1.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]eventv1.Event{}, c.events...)
}

// start runs a Notifier against a stand-in that answers 500 a number of times first.
func start(t *testing.T, failures int) (*Notifier, *controllerStandIn, *strings.Builder) {
	t.Helper()
	standIn := &controllerStandIn{t: t, known: map[string]bool{}, failures: failures}
	server := httptest.NewServer(standIn)
	t.Cleanup(server.Close)
	logged := &strings.Builder{}
	n, err := New(server.URL+"/", prometheus.NewRegistry(), funcr.New(func(_, args string) { logged.WriteString(args + "\n") }, funcr.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	n.pause = time.Millisecond
	return n, standIn, logged
}

// run sends what is queued until all of these results were counted.
func run(t *testing.T, n *Notifier, results map[string]float64) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- n.Start(t.Context()) }()
	for deadline := time.Now().Add(10 * time.Second); ; {
		reached := true
		for result, want := range results {
			if got := testutil.ToFloat64(n.events.WithLabelValues(result)); got != want {
				reached = false
				if time.Now().After(deadline) {
					t.Fatalf("%s: %v events, want %v", result, got, want)
				}
			}
		}
		if reached {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func edit(change func(*v1alpha1.EditRecordSpec)) v1alpha1.EditRecordSpec {
	spec := v1alpha1.EditRecordSpec{
		Object: v1alpha1.ObjectReference{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "payments-api"},
		Owner:  "Kustomization/flux-system/apps", Revision: "main@sha1:3f2c9e1", User: v1alpha1.RecordedUser{Name: "oncall@contoso.com"},
		Operation: "UPDATE", Decision: v1alpha1.Denied, Count: 1, FirstTime: metav1.Now(), LastTime: metav1.Now(),
		Fields: []v1alpha1.RecordedField{{Kind: "Changed", Path: "spec.replicas", Old: "2", New: "5"}},
	}
	if change != nil {
		change(&spec)
	}
	return spec
}

func TestEvents(t *testing.T) {
	for name, test := range map[string]struct {
		change                            func(*v1alpha1.EditRecordSpec)
		severity, reason, message, object string
	}{
		"refused": {nil, "info", Denied,
			"oncall@contoso.com was refused to change Deployment payments/payments-api\nspec.replicas: 2 → 5", "kustomize.toolkit.fluxcd.io/v1 Kustomization"},
		"admitted": {func(e *v1alpha1.EditRecordSpec) { e.Decision = v1alpha1.Recorded }, "error", Admitted,
			"oncall@contoso.com changed Deployment payments/payments-api\nspec.replicas: 2 → 5", "kustomize.toolkit.fluxcd.io/v1 Kustomization"},
		"deleted": {func(e *v1alpha1.EditRecordSpec) {
			e.Decision, e.Operation, e.Fields = v1alpha1.Warned, "DELETE", nil
		}, "error", Admitted, "oncall@contoso.com deleted Deployment payments/payments-api", "kustomize.toolkit.fluxcd.io/v1 Kustomization"},
		"exempt": {func(e *v1alpha1.EditRecordSpec) {
			e.Decision, e.Subresource = v1alpha1.Exempted, "scale"
		}, "info", Exempted, "oncall@contoso.com (exempt) changed Deployment payments/payments-api (scale)\nspec.replicas: 2 → 5", "kustomize.toolkit.fluxcd.io/v1 Kustomization"},
		"under break-glass": {func(e *v1alpha1.EditRecordSpec) {
			e.Decision, e.BreakGlass = v1alpha1.UnderBreakGlass, "incident"
		}, "info", BreakGlass, "oncall@contoso.com (break-glass incident) changed Deployment payments/payments-api\nspec.replicas: 2 → 5", "kustomize.toolkit.fluxcd.io/v1 Kustomization"},
		"of a release": {func(e *v1alpha1.EditRecordSpec) {
			e.Owner, e.Object = "HelmRelease/flux-system/apps", v1alpha1.ObjectReference{Kind: "Namespace", Name: "payments"}
			e.Fields[0].Old = ""
		}, "info", Denied, "oncall@contoso.com was refused to change Namespace payments\nspec.replicas: – → 5", "helm.toolkit.fluxcd.io/v2 HelmRelease"},
	} {
		t.Run(name, func(t *testing.T) {
			n, standIn, _ := start(t, 0)
			n.Notify(edit(test.change))
			run(t, n, map[string]float64{sent: 1})
			e := standIn.received()[0]
			if e.Severity != test.severity || e.Reason != test.reason || e.Message != test.message {
				t.Errorf("got %s %s %q", e.Severity, e.Reason, e.Message)
			}
			o := e.InvolvedObject
			if o.APIVersion+" "+o.Kind != test.object || o.Namespace != "flux-system" || o.Name != "apps" {
				t.Errorf("the event is about %+v", o)
			}
			if !e.HasMetadata(o.GroupVersionKind().Group+"/"+eventv1.MetaRevisionKey, "main@sha1:3f2c9e1") || e.ReportingController != "gitops-drift" || e.Timestamp.IsZero() {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestAnEqualEditIsToldOnce(t *testing.T) {
	n, standIn, _ := start(t, 0)
	for range 10_000 {
		n.Notify(edit(nil))
	}
	run(t, n, map[string]float64{sent: 1, repeated: 9_999})
	if got := len(standIn.received()); got != 1 {
		t.Errorf("%d events", got)
	}
}

func TestWhatAnotherReplicaHasToldIsADuplicate(t *testing.T) {
	n, _, logged := start(t, 0)
	n.Notify(edit(nil))
	n.recent = map[string]time.Time{}
	n.Notify(edit(nil))
	run(t, n, map[string]float64{sent: 1, duplicate: 1})
	if logged.Len() > 0 {
		t.Errorf("logged: %s", logged)
	}
}

func TestManyDifferentEventsAreDroppedRatherThanHoldAnybodyUp(t *testing.T) {
	n, _, _ := start(t, 0)
	for i := range 10_000 {
		n.Notify(edit(func(e *v1alpha1.EditRecordSpec) { e.Fields[0].New = fmt.Sprint(i) }))
	}
	if got := testutil.ToFloat64(n.events.WithLabelValues(dropped)); got != 10_000-queueLimit || len(n.recent) > queueLimit {
		t.Errorf("%v dropped, %d remembered", got, len(n.recent))
	}
	run(t, n, map[string]float64{sent: burst})
}

func TestAServerErrorIsTriedAgain(t *testing.T) {
	n, _, logged := start(t, attempts-1)
	n.Notify(edit(nil))
	run(t, n, map[string]float64{sent: 1})
	if logged.Len() > 0 {
		t.Errorf("logged: %s", logged)
	}
}

func TestAnOutageIsLoggedOnce(t *testing.T) {
	n, _, logged := start(t, 3*attempts)
	for i := range 3 {
		n.Notify(edit(func(e *v1alpha1.EditRecordSpec) { e.Fields[0].New = fmt.Sprint(i) }))
	}
	run(t, n, map[string]float64{failed: 3})
	if got := strings.Count(logged.String(), "cannot be sent"); got != 1 {
		t.Errorf("logged %d times: %s", got, logged)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	e, ok := event(&v1alpha1.EditRecordSpec{Owner: "Kustomization/a/b", User: v1alpha1.RecordedUser{Name: strings.Repeat("→", 50_000)}})
	if n := len([]rune(e.Message)); !ok || n != maxMessage {
		t.Errorf("%d characters", n)
	}
}

func TestCheckAddress(t *testing.T) {
	for address, good := range map[string]bool{
		"http://notification-controller.flux-system.svc.cluster.local./": true, "https://127.0.0.1:9292": true,
		"notification-controller": false, "ftp://a/": false, "http://": false, "http://a b/": false, "": false,
	} {
		if err := CheckAddress(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}
