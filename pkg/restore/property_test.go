package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
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
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// world is one random state of everything that the loop asks before it writes. It serves as the API server: of a real one
// nobody can have a cache that lags in every way there is.
type world struct {
	// cached is the owner as the cache has it, fresh as the API server; nil if it is not there.
	cached, fresh *kustomizev1.Kustomization
	want, live    *unstructured.Unstructured
	// other is the owner that the live object's labels name, if any.
	claimed, other bool
	allowed        bool
	// glass is how long a BreakGlass lasts yet, blind is why nobody can tell.
	glass time.Duration
	blind error
	// encrypted and unbuilt say that values, or everything, of git is unknown here, so that only Flux can be asked.
	encrypted, unbuilt bool

	mu sync.Mutex
	// writes are those of the object, asks those of the owner.
	writes, asks []string
	// reads counts those of the object before the first write.
	reads int
}

// one is one of several, each as likely as the others.
func one[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

// rarely is true once in n times, so that many worlds have one fault only.
func rarely(random *rand.Rand, n int) bool { return random.IntN(n) == 0 }

func randomOwner(random *rand.Rand) *kustomizev1.Kustomization {
	if rarely(random, 20) {
		return nil
	}
	ks := ready()
	ks.TypeMeta = metav1.TypeMeta{APIVersion: kustomizev1.GroupVersion.String(), Kind: "Kustomization"}
	ks.Namespace, ks.Name = owner.Namespace, owner.Name
	ks.Status.Inventory = &kustomizev1.ResourceInventory{Entries: []kustomizev1.ResourceRef{{ID: "shop_app__ConfigMap", Version: "v1"}}}
	if rarely(random, 10) {
		ks.Spec.Suspend = true
	}
	if rarely(random, 10) {
		ks.DeletionTimestamp = &metav1.Time{Time: start}
		ks.Finalizers = []string{kustomizev1.KustomizationFinalizer}
	}
	if rarely(random, 10) {
		ks.Spec.KubeConfig = &meta.KubeConfigReference{}
	}
	if rarely(random, 5) {
		ks.Generation, ks.Status.ObservedGeneration = one[int64](random, 2, 3, 4), one[int64](random, 2, 3, 4)
	}
	if rarely(random, 4) {
		ks.Status.LastAppliedRevision, ks.Status.LastAttemptedRevision = one(random, applied, next, ""), one(random, applied, next, "")
	}
	if rarely(random, 2) {
		ks.Status.Conditions = nil
		if !rarely(random, 4) {
			ks.Status.Conditions = append(ks.Status.Conditions, metav1.Condition{
				Type: meta.ReadyCondition, Status: one(random, metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown),
			})
		}
		if !rarely(random, 4) {
			ks.Status.Conditions = append(ks.Status.Conditions, metav1.Condition{
				Type: meta.ReconcilingCondition, Status: one(random, metav1.ConditionTrue, metav1.ConditionFalse),
				Message: one(random, "Detecting drift for revision "+applied, "Fetching manifests for revision "+next, ""),
			})
		}
	}
	if rarely(random, 4) {
		ks.Status.History = one(random, nil, meta.History{{Digest: "sha256:aa"}}, meta.History{{Digest: "sha256:bb"}, {Digest: "sha256:aa"}})
	}
	return ks
}

func randomWorld(random *rand.Rand) *world {
	w := &world{fresh: randomOwner(random), want: configMap("app", "1"), allowed: !rarely(random, 10), other: rarely(random, 2)}
	w.encrypted, w.unbuilt = rarely(random, 6), rarely(random, 6)
	w.cached = w.fresh
	if rarely(random, 3) {
		w.cached = randomOwner(random)
	}
	switch {
	case rarely(random, 8):
		w.glass = time.Hour
	case rarely(random, 8):
		w.blind = errors.New("the BreakGlasses cannot be listed")
	}
	if rarely(random, 8) {
		w.want.SetAnnotations(map[string]string{one(random, ownership.Reconcile, ownership.SSA): one(random, ownership.Disabled, ownership.Ignore, "Merge")})
	}
	if rarely(random, 5) {
		return w
	}
	w.live = wrote(managed(configMap("app", "2")), "kubectl-edit", "", `{"f:data":{"f:more":{}}}`)
	if rarely(random, 8) {
		w.live.SetAnnotations(map[string]string{one(random, ownership.Reconcile, ownership.SSA): one(random, ownership.Disabled, ownership.Ignore, "Merge")})
	}
	if rarely(random, 8) {
		w.live.SetDeletionTimestamp(&metav1.Time{Time: start})
		w.live.SetFinalizers([]string{"contoso.example/hold"})
	}
	if w.claimed = rarely(random, 8); w.claimed {
		w.live.SetLabels(map[string]string{ownership.Kustomization.NameLabel(): "other", ownership.Kustomization.NamespaceLabel(): owner.Namespace})
	}
	return w
}

// wants says in other words than the gate's that an owner wants what was built at revision applied.
func wants(ks *kustomizev1.Kustomization) bool {
	if ks == nil || ks.Spec.Suspend || ks.DeletionTimestamp != nil || ks.Spec.KubeConfig != nil {
		return false
	}
	for _, generation := range []int64{ks.Generation, ks.Status.ObservedGeneration} {
		if generation != 3 {
			return false
		}
	}
	for _, revision := range []string{ks.Status.LastAppliedRevision, ks.Status.LastAttemptedRevision} {
		if revision != applied {
			return false
		}
	}
	if len(ks.Status.History) > 0 && ks.Status.History[0].Digest != "sha256:aa" {
		return false
	}
	is := apimeta.IsStatusConditionPresentAndEqual
	conditions := ks.Status.Conditions
	if is(conditions, meta.ReconcilingCondition, metav1.ConditionTrue) {
		knows := strings.Contains(apimeta.FindStatusCondition(conditions, meta.ReconcilingCondition).Message, applied)
		return knows && (is(conditions, meta.ReadyCondition, metav1.ConditionTrue) || is(conditions, meta.ReadyCondition, metav1.ConditionUnknown))
	}
	return is(conditions, meta.ReadyCondition, metav1.ConditionTrue)
}

// optsOut says that an object has Flux leave it alone.
func optsOut(object *unstructured.Unstructured) bool {
	annotations := object.GetAnnotations()
	return annotations[ownership.Reconcile] == ownership.Disabled || annotations[ownership.SSA] == ownership.Ignore
}

// open says that neither policy, nor a BreakGlass, nor the live object keeps anybody from writing.
func (w *world) open() bool {
	return w.allowed && w.glass == 0 && w.blind == nil && (w.live == nil || w.live.GetDeletionTimestamp() == nil && !optsOut(w.live))
}

// free says that nothing but the owner keeps the loop from writing.
func (w *world) free() bool {
	moved := w.live != nil && w.claimed && w.other
	return w.open() && !moved && !optsOut(w.want)
}

// ServeHTTP is the API server.
func (w *world) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	var answer any
	switch name := request.URL.Path[strings.LastIndex(request.URL.Path, "/")+1:]; {
	case request.Method != http.MethodGet && name == owner.Name:
		w.mu.Lock()
		w.asks = append(w.asks, request.Method+" "+request.URL.String())
		w.mu.Unlock()
		answer = w.fresh
	case request.Method != http.MethodGet:
		if request.URL.Query().Get("dryRun") == "" {
			w.mu.Lock()
			w.writes = append(w.writes, request.Method+" "+request.URL.String())
			w.mu.Unlock()
		}
		answer = w.want.Object
	case name == "app" && w.live != nil:
		w.mu.Lock()
		if len(w.writes) == 0 {
			w.reads++
		}
		w.mu.Unlock()
		answer = w.live.Object
	case name == owner.Name && w.fresh != nil:
		answer = w.fresh
	case name == "other" && w.other:
		ks := ready()
		ks.TypeMeta = metav1.TypeMeta{APIVersion: kustomizev1.GroupVersion.String(), Kind: "Kustomization"}
		answer = ks
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

// lagging is a cache that has what the world says.
type lagging struct {
	cache.Cache
	world *world
}

func (l lagging) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	ks, ok := into.(*kustomizev1.Kustomization)
	if !ok || l.world.cached == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "kustomizations"}, key.Name)
	}
	l.world.cached.DeepCopyInto(ks)
	return nil
}

// look has the loop look once at the object, which has been held for a minute for one of the reasons for which Flux is
// asked. It returns for which reason it was left alone, empty if it was not or that failed.
func (w *world) look(t *testing.T, before Reason) Reason {
	t.Helper()
	server := httptest.NewServer(w)
	defer server.Close()
	mapper := apimeta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}, kustomizev1.GroupVersion})
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, apimeta.RESTScopeNamespace)
	mapper.Add(kustomizev1.GroupVersion.WithKind("Kustomization"), apimeta.RESTScopeNamespace)
	store := &desired.Store{}
	l, err := New(Options{
		Config: &rest.Config{Host: server.URL}, Mapper: mapper, Owners: lagging{world: w}, Desired: store,
		Allowed: func(ownership.Owner, desired.Key) bool { return w.allowed }, Metrics: prometheus.NewRegistry(), Log: logr.Discard(),
		Glass: func(context.Context, ownership.Owner, desired.Key) (time.Duration, error) { return w.glass, w.blind },
	})
	if err != nil {
		t.Fatal(err)
	}
	l.queue = priorityqueue.New[desired.Key]("property")
	defer l.queue.ShutDown()
	if w.unbuilt {
		l.unbuilt.set(map[desired.Key]inventoried{app: {owner: owner, version: "v1"}})
	} else if err := store.Set(&desired.State{
		Owner: owner, Revision: applied, Generation: 3, Digest: "sha256:aa", Objects: []desired.Object{{Unstructured: w.want, Encrypted: w.encrypted}},
	}); err != nil {
		t.Fatal(err)
	}
	l.tracks.hold(app, owner, before, time.Now().Add(-time.Minute))
	l.attempt(t.Context(), app)
	track := l.tracks.byKey[app]
	if track == nil || track.retry > 0 && track.held == before {
		return ""
	}
	return track.held
}

func TestTheLoopWritesIfAndOnlyIfNothingSaysStandDown(t *testing.T) {
	const rounds = 2000
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // Not for secrets.
	wrote, asked := 0, 0
	for round := range rounds {
		w := randomWorld(random)
		before := one(random, Unbuilt, Encrypted, OtherRevision, OtherBuild)
		reason := w.look(t, before)
		known := !w.encrypted && !w.unbuilt
		may := w.free() && wants(w.fresh)
		must := may && (w.cached == nil || wants(w.cached))
		switch {
		case len(w.writes) > 0 && (!may || !known):
			t.Fatalf("seed %d, round %d: writes %v in %s", seed, round, w.writes, w)
		case len(w.asks) > 0 && (!w.open() || w.fresh == nil || w.fresh.Spec.Suspend || w.fresh.DeletionTimestamp != nil):
			t.Fatalf("seed %d, round %d: has Flux write in %s", seed, round, w)
		case known && must && len(w.writes) == 0:
			t.Fatalf("seed %d, round %d: stands down because of %q in %s", seed, round, reason, w)
		case w.mustAsk(before) && must && len(w.asks) == 0:
			t.Fatalf("seed %d, round %d: does not ask Flux because of %q in %s", seed, round, reason, w)
		case known && len(w.writes) == 0 && reason == "" && w.blind == nil:
			t.Fatalf("seed %d, round %d: stands down and does not say why in %s", seed, round, w)
		}
		wrote += min(1, len(w.writes))
		asked += min(1, len(w.asks))
	}
	if wrote < rounds/60 || wrote > rounds/2 || asked < rounds/200 {
		t.Errorf("seed %d: wrote in %d of %d worlds and asked in %d, so that the test says little", seed, wrote, rounds, asked)
	}
}

// TestARestoreReadsTheObjectOnce holds the number of requests down, for they are what a restore waits for.
func TestARestoreReadsTheObjectOnce(t *testing.T) {
	ks := ready()
	ks.TypeMeta = metav1.TypeMeta{APIVersion: kustomizev1.GroupVersion.String(), Kind: "Kustomization"}
	ks.Namespace, ks.Name = owner.Namespace, owner.Name
	w := &world{cached: ks, fresh: ks, want: configMap("app", "1"), live: managed(configMap("app", "2")), allowed: true}
	w.look(t, Unbuilt)
	if len(w.writes) != 1 || w.reads != 1 {
		t.Errorf("it is read %d times before %v", w.reads, w.writes)
	}
}

// mustAsk says that only Flux can put the object back, has been waited for, and shows to have something to do.
func (w *world) mustAsk(before Reason) bool {
	if w.cached == nil || w.live != nil && w.live.GetAnnotations()[ownership.SSA] == ownership.Merge {
		return false
	}
	return w.unbuilt && before == Unbuilt || !w.unbuilt && w.encrypted && before == Encrypted
}

// String is a world in a failure.
func (w *world) String() string {
	parts := make([]string, 0, 4)
	for _, part := range []any{w.cached, w.fresh, w.want, w.live} {
		text, err := json.Marshal(part)
		if err != nil {
			text = []byte(err.Error())
		}
		parts = append(parts, string(text))
	}
	return fmt.Sprintf("cached %s\nfresh %s\nwant %s\nlive %s\nclaimed %t other %t allowed %t glass %s blind %v encrypted %t unbuilt %t",
		parts[0], parts[1], parts[2], parts[3], w.claimed, w.other, w.allowed, w.glass, w.blind, w.encrypted, w.unbuilt)
}
