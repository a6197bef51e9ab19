package reconcile

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/fake"
	kubetesting "k8s.io/client-go/testing"
)

var (
	kustomizations  = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
	gitRepositories = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}
)

// cluster is a fake API server whose Flux answers each request as the test says.
type cluster struct {
	*fake.FakeDynamicClient
	mapper apimeta.RESTMapper

	mu      sync.Mutex
	patched []string // "resource/name" in the order of the requests
	watches map[string]*watch.RaceFreeFakeWatcher
}

// newCluster calls answer with every object on which a request was made, in its own goroutine; what it
// returns is what the watch delivers next, in that order.
func newCluster(t *testing.T, answer func(kind, token string) []map[string]any, objects ...runtime.Object) *cluster {
	t.Helper()
	c := &cluster{
		watches: map[string]*watch.RaceFreeFakeWatcher{},
	}
	lists, mapper := map[schema.GroupVersionResource]string{eventsResource: "EventList"}, apimeta.NewDefaultRESTMapper([]schema.GroupVersion{
		kustomizations.GroupVersion(), gitRepositories.GroupVersion(), {Group: "helm.toolkit.fluxcd.io", Version: "v2"},
	})
	for _, kind := range Kinds() {
		version := "v1"
		if kind.Kind == "HelmRelease" {
			version = "v2"
		}
		lists[kind.WithVersion(version).GroupVersion().WithResource(kind.Plural)] = kind.Kind + "List"
		mapper.Add(kind.WithVersion(version), apimeta.RESTScopeNamespace)
	}
	c.FakeDynamicClient = fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, objects...)
	c.mapper = mapper
	watcher := func(resource string) *watch.RaceFreeFakeWatcher {
		if c.watches[resource] == nil {
			c.watches[resource] = watch.NewRaceFreeFake()
		}
		return c.watches[resource]
	}
	c.PrependWatchReactor("*", func(action kubetesting.Action) (bool, watch.Interface, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return true, watcher(action.GetResource().Resource), nil
	})
	c.PrependReactor("patch", "*", func(action kubetesting.Action) (bool, runtime.Object, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		patch := action.(kubetesting.PatchAction)
		c.patched = append(c.patched, patch.GetResource().Resource+"/"+patch.GetName())
		u, err := c.Tracker().Get(patch.GetResource(), patch.GetNamespace(), patch.GetName())
		if err != nil {
			return true, nil, err
		}
		object := u.(*unstructured.Unstructured)
		for _, status := range answer(object.GetKind(), tokenOf(t, patch.GetPatch())) {
			next := object.DeepCopy()
			next.SetAnnotations(map[string]string{meta.ReconcileRequestAnnotation: tokenOf(t, patch.GetPatch())})
			next.Object["status"] = status
			watcher(patch.GetResource().Resource).Modify(next)
		}
		return false, nil, nil
	})
	return c
}

func tokenOf(t *testing.T, patch []byte) string {
	t.Helper()
	var o observed
	if err := json.Unmarshal(patch, &o.document); err != nil {
		t.Error(err)
	}
	return o.requested()
}

func (c *cluster) run(t *testing.T, r Request) ([]Result, error) {
	t.Helper()
	r.Client, r.Mapper = c, c.mapper
	if r.Timeout == 0 {
		r.Timeout = time.Minute
	}
	return r.Run(t.Context())
}

func kustomization(name string, spec map[string]any) *unstructured.Unstructured {
	spec["sourceRef"] = map[string]any{"kind": "GitRepository", "name": "flux-system"}
	return fluxObject("Kustomization", kustomizations, name, spec)
}

func fluxObject(kind string, gvr schema.GroupVersionResource, name string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": gvr.GroupVersion().String(), "kind": kind,
		"metadata": map[string]any{"namespace": "flux-system", "name": name},
		"spec":     spec,
	}}
}

func status(handled, ready, reason, message string) map[string]any {
	attempted := "main@sha1:2222222"
	if ready == "True" {
		attempted = "main@sha1:1111111"
	}
	return map[string]any{
		"lastHandledReconcileAt": handled,
		"lastAppliedRevision":    "main@sha1:1111111",
		"lastAttemptedRevision":  attempted,
		"conditions": []any{map[string]any{
			"type": "Ready", "status": ready, "reason": reason, "message": message,
			"lastTransitionTime": "2026-11-01T00:00:00Z",
		}},
	}
}

func succeed(_, token string) []map[string]any {
	return []map[string]any{
		status("old", "Unknown", "Progressing", "Reconciliation in progress"),
		status(token, "True", "ReconciliationSucceeded", "Applied revision"),
	}
}

func TestReadyIsReportedWithTheAppliedRevision(t *testing.T) {
	c := newCluster(t, succeed, kustomization("apps", map[string]any{}))
	var events []string
	results, err := c.run(t, Request{
		Objects: []Object{Kustomization("flux-system", "apps"), Kustomization("flux-system", "apps")},
		OnEvent: func(e Event) { events = append(events, string(e.State)+" "+e.Message) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 1 || results[0].State != StateReady || results[0].Revision != "main@sha1:1111111" || results[0].Took <= 0 {
		t.Errorf("got %+v", results)
	}
	if got := strings.Join(events, "; "); got != "waiting ; reconciling requested; reconciling Reconciliation in progress; ready " {
		t.Errorf("events: %s", got)
	}
}

func TestFailureTellsFluxsReason(t *testing.T) {
	c := newCluster(t, func(_, token string) []map[string]any {
		return []map[string]any{status(token, "False", "BuildFailed", "kustomize build failed: no such file")}
	}, kustomization("apps", map[string]any{}))
	results, err := c.run(t, Request{Objects: []Object{Kustomization("flux-system", "apps")}})
	if err != nil {
		t.Fatal(err)
	}
	got := results[0]
	if got.State != StateFailed || got.Reason != "BuildFailed" || got.Message != "kustomize build failed: no such file" ||
		got.Revision != "main@sha1:2222222" {
		t.Errorf("got %+v", got)
	}
}

func TestSourceIsReadyBeforeItsKustomizationsAreAsked(t *testing.T) {
	c := newCluster(t, succeed, fluxObject("GitRepository", gitRepositories, "flux-system", map[string]any{}),
		kustomization("apps", map[string]any{}))
	results, err := c.run(t, Request{Objects: []Object{Kustomization("flux-system", "apps")}, WithSource: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || results[0].State != StateReady || results[1].State != StateReady {
		t.Errorf("got %+v", results)
	}
	if got := strings.Join(c.patched, " "); got != "gitrepositories/flux-system kustomizations/apps" {
		t.Errorf("requests in the order %s", got)
	}
}

func TestKustomizationIsNotAskedWhenItsSourceFails(t *testing.T) {
	c := newCluster(t, func(_, token string) []map[string]any {
		return []map[string]any{status(token, "False", "GitOperationFailed", "authentication required")}
	}, fluxObject("GitRepository", gitRepositories, "flux-system", map[string]any{}), kustomization("apps", map[string]any{}))
	results, err := c.run(t, Request{Objects: []Object{Kustomization("flux-system", "apps")}, WithSource: true})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].State != StateFailed || results[1].State != StateSkipped {
		t.Errorf("got %+v", results)
	}
	if got := strings.Join(c.patched, " "); got != "gitrepositories/flux-system" {
		t.Errorf("requests: %s", got)
	}
}

func TestNothingIsAskedWhenSomethingIsInTheWay(t *testing.T) {
	suspended := kustomization("suspended", map[string]any{"suspend": true})
	deleting := kustomization("deleting", map[string]any{})
	deleting.SetFinalizers([]string{"finalizers.fluxcd.io"})
	if err := unstructured.SetNestedField(deleting.Object, "2026-11-01T00:00:00Z", "metadata", "deletionTimestamp"); err != nil {
		t.Fatal(err)
	}
	external := kustomization("external", map[string]any{})
	if err := unstructured.SetNestedField(external.Object, "ExternalArtifact", "spec", "sourceRef", "kind"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		withSource bool
		want       []string
	}{
		{"suspended", false, []string{"suspended", "flux resume kustomization suspended -n flux-system"}},
		{"deleting", false, []string{"being deleted"}},
		{"missing", false, []string{"Kustomization flux-system/missing not found"}},
		{"external", true, []string{"ExternalArtifact"}},
		{"apps", true, []string{"GitRepository flux-system/flux-system not found", "Kustomization flux-system/apps"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, succeed, suspended, deleting, external, kustomization("apps", map[string]any{}))
			_, err := c.run(t, Request{WithSource: test.withSource, Objects: []Object{
				Kustomization("flux-system", "apps"), Kustomization("flux-system", test.name),
			}})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if len(c.patched) > 0 {
				t.Errorf("asked for %v", c.patched)
			}
		})
	}
}

func TestSuspensionDuringTheWaitIsNoSuccess(t *testing.T) {
	c := newCluster(t, func(string, string) []map[string]any { return nil }, kustomization("apps", map[string]any{}))
	held := kustomization("apps", map[string]any{"suspend": true})
	results, err := c.run(t, Request{
		Objects: []Object{Kustomization("flux-system", "apps")},
		OnEvent: func(Event) {
			// kustomize-controller hands the token back although it did nothing.
			u, err := c.Tracker().Get(kustomizations, "flux-system", "apps")
			if err != nil {
				t.Error(err)
				return
			}
			held.Object["status"] = status(u.(*unstructured.Unstructured).GetAnnotations()[meta.ReconcileRequestAnnotation], "True", "", "")
			held.SetAnnotations(u.(*unstructured.Unstructured).GetAnnotations())
			if err := c.Tracker().Update(kustomizations, held, "flux-system"); err != nil {
				t.Error(err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var suspended *SuspendedError
	if results[0].State != StateError || !errors.As(results[0].Err, &suspended) {
		t.Errorf("got %+v", results[0])
	}
}

func TestTimeoutReportsTheLastStateSeen(t *testing.T) {
	c := newCluster(t, func(_, token string) []map[string]any {
		return []map[string]any{status(token, "False", "DependencyNotReady", "dependency 'flux-system/infrastructure' is not ready")}
	}, kustomization("apps", map[string]any{}))
	results, err := c.run(t, Request{Timeout: 200 * time.Millisecond, Objects: []Object{Kustomization("flux-system", "apps")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := results[0]; got.State != StateReconciling || got.Reason != "DependencyNotReady" || got.Took < 150*time.Millisecond {
		t.Errorf("got %+v", got)
	}
}

func TestNoWaitOnlyAsks(t *testing.T) {
	c := newCluster(t, func(string, string) []map[string]any { return nil }, kustomization("apps", map[string]any{}))
	results, err := c.run(t, Request{NoWait: true, Objects: []Object{Kustomization("flux-system", "apps")}})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].State != StateRequested || len(c.patched) != 1 {
		t.Errorf("got %+v after %v", results[0], c.patched)
	}
}

func TestRefusedRequestIsAnErrorOfItsObject(t *testing.T) {
	c := newCluster(t, succeed, kustomization("apps", map[string]any{}))
	c.PrependReactor("patch", "*", func(kubetesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(kustomizations.GroupResource(), "apps", errors.New("not yours"))
	})
	results, err := c.run(t, Request{Objects: []Object{Kustomization("flux-system", "apps")}})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].State != StateError || !strings.Contains(results[0].Message, "no permission to patch Kustomization flux-system/apps") {
		t.Errorf("got %+v", results[0])
	}
}

func TestWaitGoesOnWithoutPermissionToWatch(t *testing.T) {
	c := newCluster(t, func(string, string) []map[string]any { return nil }, kustomization("apps", map[string]any{}))
	c.PrependWatchReactor("*", func(kubetesting.Action) (bool, watch.Interface, error) {
		return true, nil, apierrors.NewForbidden(kustomizations.GroupResource(), "apps", errors.New("no watch"))
	})
	reads := 0
	c.PrependReactor("get", "*", func(kubetesting.Action) (bool, runtime.Object, error) {
		reads++
		if reads < 3 { // the look before, and the first of the wait
			return false, nil, nil
		}
		u, err := c.Tracker().Get(kustomizations, "flux-system", "apps")
		if err != nil {
			return true, nil, err
		}
		handled := u.(*unstructured.Unstructured).DeepCopy()
		handled.Object["status"] = status(handled.GetAnnotations()[meta.ReconcileRequestAnnotation], "True", "", "")
		return true, handled, nil
	})
	results, err := c.run(t, Request{Objects: []Object{Kustomization("flux-system", "apps")}})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].State != StateReady {
		t.Errorf("got %+v", results[0])
	}
}

func TestTokensAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		seen[newToken()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d of 1000 tokens differ", len(seen))
	}
}

func TestFieldManagerIsNoneThatFluxTakesOver(t *testing.T) {
	for _, prefix := range []string{"kubectl", "before-first-apply", "kustomize-controller"} {
		if strings.HasPrefix(fieldManager, prefix) {
			t.Errorf("kustomize-controller would strip the request of manager %s", fieldManager)
		}
	}
}
