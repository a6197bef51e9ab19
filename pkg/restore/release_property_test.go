package restore

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/helmstorage"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var releaser = ownership.Owner{Kind: ownership.HelmRelease, Namespace: "shop", Name: "web"}

// releaseWorld is world for a HelmRelease.
type releaseWorld struct {
	cached, fresh *helmv2.HelmRelease
	want, live    *unstructured.Unstructured
	// newer says that Helm's storage has a newer revision, byHand that it had one when the state was built.
	newer, byHand bool
	allowed       bool
	glass         time.Duration
	blind         error

	mu     sync.Mutex
	writes []string
}

// releasedWeb is a HelmRelease of which Flux made revision 4.
func releasedWeb() *helmv2.HelmRelease {
	hr := &helmv2.HelmRelease{TypeMeta: metav1.TypeMeta{APIVersion: helmv2.GroupVersion.String(), Kind: "HelmRelease"}}
	hr.Namespace, hr.Name, hr.Generation = releaser.Namespace, releaser.Name, 3
	hr.Spec.DriftDetection = &helmv2.DriftDetection{Mode: helmv2.DriftDetectionEnabled}
	hr.Status.ObservedGeneration = 3
	hr.Status.Conditions = []metav1.Condition{{Type: meta.ReadyCondition, Status: metav1.ConditionTrue}}
	hr.Status.History = helmv2.Snapshots{{Name: "web", Version: 4, Digest: "sha256:aa", Status: "deployed"}, {Name: "web", Version: 3, Digest: "sha256:bb", Status: "superseded"}}
	return hr
}

func randomRelease(random *rand.Rand) *helmv2.HelmRelease {
	if rarely(random, 20) {
		return nil
	}
	hr := releasedWeb()
	if rarely(random, 10) {
		hr.Spec.Suspend = true
	}
	if rarely(random, 10) {
		hr.DeletionTimestamp, hr.Finalizers = &metav1.Time{Time: start}, []string{helmv2.HelmReleaseFinalizer}
	}
	if rarely(random, 10) {
		hr.Spec.KubeConfig = &meta.KubeConfigReference{}
	}
	if rarely(random, 6) {
		hr.Spec.DriftDetection = one(random, nil, &helmv2.DriftDetection{}, &helmv2.DriftDetection{Mode: helmv2.DriftDetectionWarn}, &helmv2.DriftDetection{Mode: helmv2.DriftDetectionDisabled})
	}
	if rarely(random, 6) {
		hr.Generation, hr.Status.ObservedGeneration = one[int64](random, 2, 3, 4), one[int64](random, 2, 3, 4)
	}
	if rarely(random, 3) {
		hr.Status.Conditions = nil
		for _, kind := range []string{meta.ReadyCondition, meta.ReconcilingCondition} {
			if !rarely(random, 3) {
				hr.Status.Conditions = append(hr.Status.Conditions, metav1.Condition{
					Type: kind, Status: one(random, metav1.ConditionTrue, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown),
				})
			}
		}
	}
	if rarely(random, 5) {
		hr.Status.History = one(random, nil, hr.Status.History[1:],
			append(helmv2.Snapshots{{Name: "web", Version: 5, Digest: "sha256:cc", Status: one(random, "deployed", "failed")}}, hr.Status.History...),
			helmv2.Snapshots{{Name: "web", Version: 4, Digest: "sha256:aa", Status: "failed"}})
	}
	return hr
}

func randomReleaseWorld(random *rand.Rand) *releaseWorld {
	w := &releaseWorld{
		fresh: randomRelease(random), want: configMap("app", "1"), allowed: !rarely(random, 10), newer: rarely(random, 8), byHand: rarely(random, 8),
	}
	w.cached = w.fresh
	if rarely(random, 3) {
		w.cached = randomRelease(random)
	}
	switch {
	case rarely(random, 8):
		w.glass = time.Hour
	case rarely(random, 8):
		w.blind = errors.New("the BreakGlasses cannot be listed")
	}
	if rarely(random, 8) {
		w.want.SetAnnotations(map[string]string{ownership.HelmDriftDetection: one(random, "disabled", "Disabled", "enabled")})
	}
	if rarely(random, 5) {
		return w
	}
	w.live = configMap("app", "2")
	w.live.SetResourceVersion("7")
	if rarely(random, 8) {
		w.live.SetLabels(map[string]string{ownership.HelmDriftDetection: one(random, "disabled", "enabled")})
	}
	if rarely(random, 8) {
		w.live.SetDeletionTimestamp(&metav1.Time{Time: start})
		w.live.SetFinalizers([]string{"contoso.example/hold"})
	}
	return w
}

// corrects says in other words than the gate's that Flux would correct drift from what it released as revision 4.
func corrects(hr *helmv2.HelmRelease) bool {
	if hr == nil || hr.Spec.Suspend || hr.DeletionTimestamp != nil || hr.Spec.KubeConfig != nil || hr.Spec.DriftDetection == nil ||
		hr.Spec.DriftDetection.Mode != "enabled" || hr.Generation != 3 || hr.Status.ObservedGeneration != 3 {
		return false
	}
	is := apimeta.IsStatusConditionPresentAndEqual
	latest := hr.Status.History.Latest()
	return latest != nil && latest.Version == 4 && latest.Status == "deployed" && is(hr.Status.Conditions, meta.ReadyCondition, metav1.ConditionTrue) &&
		!is(hr.Status.Conditions, meta.ReconcilingCondition, metav1.ConditionTrue)
}

func (w *releaseWorld) free() bool {
	off := func(of map[string]string) bool {
		return strings.EqualFold(of[ownership.HelmDriftDetection], "disabled")
	}
	live := w.live == nil || w.live.GetDeletionTimestamp() == nil && !off(w.live.GetLabels())
	return w.allowed && w.glass == 0 && w.blind == nil && !w.newer && !w.byHand && live && !off(w.want.GetAnnotations())
}

// ServeHTTP is the API server.
func (w *releaseWorld) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	var answer any
	switch name := request.URL.Path[strings.LastIndex(request.URL.Path, "/")+1:]; {
	case request.Method != http.MethodGet:
		if request.URL.Query().Get("dryRun") == "" {
			w.mu.Lock()
			w.writes = append(w.writes, request.Method+" "+request.URL.String())
			w.mu.Unlock()
		}
		applied := w.want.DeepCopy()
		if w.live != nil {
			applied.SetResourceVersion(w.live.GetResourceVersion())
		}
		answer = applied.Object
	case name == "app" && w.live != nil:
		answer = w.live.Object
	case name == releaser.Name && w.fresh != nil:
		answer = w.fresh
	case name == helmstorage.Name("web", 5) && w.newer:
		answer = metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"}}
	}
	out.Header().Set("Content-Type", "application/json")
	if answer == nil {
		status := apierrors.NewNotFound(schema.GroupResource{}, "it").Status()
		status.APIVersion, status.Kind = "v1", "Status"
		out.WriteHeader(http.StatusNotFound)
		answer = status
	}
	if err := json.NewEncoder(out).Encode(answer); err != nil {
		panic(err)
	}
}

// laggingRelease is a cache that has what the world says.
type laggingRelease struct {
	cache.Cache
	world *releaseWorld
}

func (l laggingRelease) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	hr, ok := into.(*helmv2.HelmRelease)
	if !ok || l.world.cached == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "helmreleases"}, key.Name)
	}
	l.world.cached.DeepCopyInto(hr)
	return nil
}

// look has the loop look once at the object.
func (w *releaseWorld) look(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(w)
	defer server.Close()
	mapper := apimeta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}, helmv2.GroupVersion})
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, apimeta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, apimeta.RESTScopeNamespace)
	mapper.Add(helmv2.GroupVersion.WithKind("HelmRelease"), apimeta.RESTScopeNamespace)
	releases := &desired.Store{}
	state := &desired.State{Owner: releaser, Revision: "1.0.0", Generation: 3, Digest: "sha256:aa", Objects: []desired.Object{{Unstructured: w.want}}}
	if w.byHand {
		state.ByHand = "somebody else than Flux made revision 5"
	}
	if err := releases.Set(state); err != nil {
		t.Fatal(err)
	}
	l, err := New(Options{
		Config: &rest.Config{Host: server.URL}, Mapper: mapper, Owners: laggingRelease{world: w}, Desired: &desired.Store{}, Releases: releases,
		Allowed: func(ownership.Owner, desired.Key) bool { return w.allowed }, Metrics: prometheus.NewRegistry(), Log: logr.Discard(),
		Glass: func(context.Context, ownership.Owner, desired.Key) (time.Duration, error) { return w.glass, w.blind },
	})
	if err != nil {
		t.Fatal(err)
	}
	l.queue = priorityqueue.New[desired.Key]("property")
	defer l.queue.ShutDown()
	l.attempt(t.Context(), app)
}

func TestTheLoopCorrectsAReleaseIfAndOnlyIfNothingSaysStandDown(t *testing.T) {
	const rounds = 2000
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 6)) //nolint:gosec // Not for secrets.
	wrote := 0
	for round := range rounds {
		w := randomReleaseWorld(random)
		w.look(t)
		may := w.free() && corrects(w.fresh)
		must := may && (w.cached == nil || corrects(w.cached))
		if wrong := len(w.writes) > 0 && !may; wrong || must && len(w.writes) == 0 {
			text, err := json.Marshal([]any{w.cached, w.fresh, w.want, w.live})
			t.Fatalf("seed %d, round %d: writes %v, may %t, must %t; newer %t by hand %t allowed %t glass %s blind %v %s %v",
				seed, round, w.writes, may, must, w.newer, w.byHand, w.allowed, w.glass, w.blind, text, err)
		}
		wrote += min(1, len(w.writes))
	}
	if wrote < rounds/60 || wrote > rounds/2 {
		t.Errorf("seed %d: wrote in %d of %d worlds, so that the test says little", seed, wrote, rounds)
	}
}
