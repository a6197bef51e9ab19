package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// wrote adds an entry of managedFields, as an update makes it.
func wrote(u *unstructured.Unstructured, manager, subresource, fields string) *unstructured.Unstructured {
	at := metav1.NewTime(start)
	u.SetManagedFields(append(u.GetManagedFields(), metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Subresource: subresource, APIVersion: "v1", FieldsType: "FieldsV1", Time: &at,
		FieldsV1: metav1.NewFieldsV1(fields),
	}))
	return u
}

func TestTraces(t *testing.T) {
	const key, more = `{"f:data":{"f:key":{}}}`, `{"f:data":{"f:more":{}}}`
	want := configMap("app", "ENC[AES256_GCM]")
	fresh := func() *unstructured.Unstructured { return managed(configMap("app", "1")) }
	merging := fresh()
	merging.SetAnnotations(map[string]string{ownership.SSA: ownership.Merge})
	held := fresh()
	held.SetAnnotations(map[string]string{ownership.Reconcile: ownership.Disabled})
	for _, test := range []struct {
		name      string
		encrypted bool
		live      *unstructured.Unstructured
		shows     string
	}{
		{"as Flux applied it", true, fresh(), ""},
		{"nothing is left of Flux's entry", false, configMap("app", "1"), "undeclared"},
		{"kubectl wrote", false, wrote(fresh(), "kubectl-edit", "", more), "kubectl-edit"},
		{"kubectl wrote where Flux merges", false, wrote(merging, "kubectl-edit", "", more), ""},
		{"kubectl wrote where Flux is held off", false, wrote(held, "kubectl-edit", "", more), ""},
		{"kubectl scaled", false, wrote(fresh(), "kubectl", "scale", `{"f:spec":{"f:replicas":{}}}`), ""},
		{"kubectl restarted", false, wrote(fresh(), "kubectl-rollout", "",
			`{"f:spec":{"f:template":{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/restartedAt":{}}}}}}`), ""},
		{"a controller wrote a field that git may declare", false, wrote(fresh(), "operator", "", key), ""},
		{"a controller wrote a field that git declares", true, wrote(fresh(), "operator", "", key), "operator"},
		{"a controller wrote another field", true, wrote(fresh(), "operator", "", more), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			managers, err := ownership.Managers(test.live)
			if err != nil {
				t.Fatal(err)
			}
			declares := want
			if !test.encrypted {
				declares = nil
			}
			got := trace(declares, test.live, managers, ownership.Takeover(nil))
			if name, _, _ := strings.Cut(got, " "); name != test.shows {
				t.Errorf("shows %q, want %q", got, test.shows)
			}
		})
	}
}

func TestAnOwnerIsAskedForOnceInAWhile(t *testing.T) {
	turns := turns{}
	if wait := turns.take(owner, start); wait != 0 {
		t.Errorf("the first request waits %s", wait)
	}
	if wait := turns.take(ownership.Owner{Name: "another"}, start); wait != 0 {
		t.Errorf("another owner's request waits %s", wait)
	}
	if wait := turns.take(owner, start.Add(10*time.Second)); wait != askInterval-10*time.Second {
		t.Errorf("the second request waits %s", wait)
	}
	if wait := turns.take(owner, start.Add(2*askInterval)); wait != 0 || len(turns.next) != 1 {
		t.Errorf("the third request waits %s, and %d owners are remembered", wait, len(turns.next))
	}
}

func TestAKindThatMayNotBeReadIsToldOnceAndTriedAgain(t *testing.T) {
	var lines []string
	ctx := klog.NewContext(t.Context(), funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{}))
	calls := 0
	got, err := permitted(ctx, schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, time.Millisecond, func() (int, error) {
		if calls++; calls < 4 {
			return 0, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("no role"))
		}
		return 7, nil
	})
	if got != 7 || err != nil || calls != 4 || len(lines) != 1 || !strings.Contains(lines[0], `"kind"="Secret"`) {
		t.Errorf("%d, %v after %d calls; says %v", got, err, calls, lines)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = permitted(ended, schema.GroupVersionKind{}, time.Hour, func() (int, error) {
		return 0, apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("no role"))
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// broken is a loop whose policy panics with a secret.
func broken(t *testing.T, log logr.Logger) *Loop {
	t.Helper()
	metrics, err := newMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	store := &desired.Store{}
	state := &desired.State{Owner: owner, Objects: []desired.Object{{Unstructured: configMap("app", "1")}}}
	if err := store.Set(state); err != nil {
		t.Fatal(err)
	}
	l := &Loop{
		states:  states{kustomizations: store},
		options: Options{Desired: store, Log: log, Allowed: func(ownership.Owner, desired.Key) bool { panic("hunter2") }},
		metrics: metrics, tracks: newTracks(), queue: priorityqueue.New[desired.Key]("panic"),
	}
	t.Cleanup(l.queue.ShutDown)
	return l
}

func TestAPanicIsOneObjectsOnly(t *testing.T) {
	var lines []string
	l := broken(t, funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{}))
	l.guarded(t.Context(), app)
	if len(lines) != 1 || strings.Contains(lines[0], "hunter2") || !strings.Contains(lines[0], `"name"="app"`) || !strings.Contains(lines[0], "a string") {
		t.Errorf("says %v", lines)
	}
	if wait := l.tracks.wait(app, time.Now()); wait <= 0 {
		t.Error("it is not tried again later")
	}
}

// TestAnObjectIsLookedAtWhenItsBreakGlassIsOver has nobody tell the loop of the end.
func TestAnObjectIsLookedAtWhenItsBreakGlassIsOver(t *testing.T) {
	l := broken(t, logr.Discard())
	l.options.Glass = func(context.Context, ownership.Owner, desired.Key) (time.Duration, error) {
		return 50 * time.Millisecond, nil
	}
	o := &outcome{key: app, state: &desired.State{Owner: owner}}
	if active, err := l.glass(t.Context(), o); !active || err != nil {
		t.Fatal(active, err)
	}
	l.standDown(o, Glass)
	found := make(chan desired.Key, 1)
	go func() {
		key, _ := l.queue.Get()
		found <- key
	}()
	select {
	case key := <-found:
		if key != app {
			t.Errorf("it looks at %v", key)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody looks at it again")
	}
}

func TestTheMetricOfFightsNamesAtMostSoManyRivals(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxRivals {
		m.fought(app, rival{"operator", fmt.Sprintf("data.key-%d", i)})
	}
	m.fought(app, rival{"operator", "data.key-0"})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "gitops_drift_restore_fights_total" && len(family.GetMetric()) != maxRivals+1 {
			t.Errorf("%d series, want %d", len(family.GetMetric()), maxRivals+1)
		}
	}
}

func TestNamespacesAndKindsComeBackFirst(t *testing.T) {
	queue := priorityqueue.New[desired.Key]("order")
	defer queue.ShutDown()
	l := &Loop{tracks: newTracks(), queue: queue}
	namespace := desired.Key{Kind: "Namespace", Name: "shop"}
	kind := desired.Key{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Name: "gadgets.contoso.example"}
	for i := range 50 {
		l.suspect(suspected, desired.Key{Kind: "ConfigMap", Namespace: "shop", Name: fmt.Sprint(i)})
	}
	l.suspect(unchecked, namespace, kind)
	// The queue takes items in on the side.
	deadline := time.Now().Add(10 * time.Second)
	for queue.Len() < 52 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	for range 2 {
		key, _ := queue.Get()
		if key != namespace && key != kind {
			t.Errorf("%v comes before what it needs", key)
		}
	}
}
