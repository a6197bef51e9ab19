package restore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxcd/pkg/ssa"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	clientevents "k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// workers is how many objects are restored at a time. They wait for the API server most of the time: a restore is half a
// dozen requests, one after the other.
const workers = 16

// The order of work: what an event showed to differ, then what a new state asks to be looked at. What others need to
// exist goes before both.
const (
	suspected = 1
	unchecked = 0
	needed    = 2
)

// urgency is the priority of an object among those of priority at least. When several vanish together, namespaces and
// the definitions of kinds come back first.
func urgency(key desired.Key, least int) int {
	switch key.GroupKind() {
	case schema.GroupKind{Kind: "Namespace"}, schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}:
		return least + needed
	}
	return least
}

// Options are what a Loop works with. All fields but Releases, Glass, Reclaim, Additions, Log and those after Log are required.
type Options struct {
	// Config reaches the API server with this controller's rights; it must be allowed to impersonate the service
	// accounts that owners name. Client-side rate limits are taken off: the API server has its own.
	Config *rest.Config
	Mapper meta.RESTMapper
	// Owners holds the Kustomizations. It tells when one that holds the loop off may no longer do so; before a write,
	// the Kustomization is read from the API server.
	Owners cache.Cache
	// Desired holds the state of every Kustomization, which somebody else builds.
	Desired *desired.Store
	// Releases holds the states of those HelmReleases of which Flux corrects drift, which somebody else builds; then Owners
	// holds HelmReleases, too. Nil leaves them to Flux.
	Releases *desired.Store
	// Allowed says whether policy wants an object of this owner restored. It is called often and concurrently; see
	// Loop.PolicyChanged.
	Allowed func(owner ownership.Owner, object desired.Key) bool
	// Glass says how much longer a BreakGlass is active for an object, 0 for none, by what the API server says now: it is
	// asked before a write, and before Flux is asked for one. Nil if there are none. Loop.PolicyChanged says that one has
	// ended before its time.
	Glass func(ctx context.Context, owner ownership.Owner, object desired.Key) (time.Duration, error)
	// Reclaim gives an object back to Flux that says to be held for a BreakGlass, if there is none, and reports whether it
	// did; nil leaves it held.
	Reclaim func(ctx context.Context, object desired.Key) (bool, error)
	// Additions says what becomes of fields that people added and Flux leaves in place; nil leaves them all. It is called like
	// Allowed.
	Additions func(owner ownership.Owner, object desired.Key) Additions
	Metrics   prometheus.Registerer
	Log       logr.Logger
	// Recorder writes events on owners; nil writes none.
	Recorder clientevents.EventRecorder
	// OverrideManagers and DefaultServiceAccount are kustomize-controller's --override-manager values and
	// --default-service-account.
	OverrideManagers      []string
	DefaultServiceAccount string
}

// Loop is the restore loop. It implements manager.Runnable and manager.LeaderElectionRunnable; Start may be called once.
type Loop struct {
	options   Options
	states    states
	takeover  []ssa.FieldManager
	clients   *clients
	watches   *watches
	metrics   *metrics
	tracks    *tracks
	announcer *announcer
	queue     priorityqueue.PriorityQueue[desired.Key]
	turns     turns
	unbuilt   unbuilt
	policy    chan struct{}
	// owners wakes the loop when the inventory of an owner without a state may have changed.
	owners chan struct{}
	waking atomic.Bool
	// known are the states that have been taken notice of, strict are their objects whose additions are removed.
	known  map[ownership.Owner]desired.Kept
	strict map[desired.Key]Additions
}

// New returns a Loop that does nothing before Start. An error says which option cannot be used.
func New(options Options) (*Loop, error) {
	if options.Config == nil || options.Mapper == nil || options.Owners == nil || options.Desired == nil ||
		options.Allowed == nil || options.Metrics == nil {
		return nil, errors.New("the restore loop needs Config, Mapper, Owners, Desired, Allowed and Metrics")
	}
	config := rest.CopyConfig(options.Config)
	config.QPS = -1
	clients, err := newClients(config, options.Mapper, options.DefaultServiceAccount)
	if err != nil {
		return nil, err
	}
	kinds, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	metrics, err := newMetrics(options.Metrics)
	if err != nil {
		return nil, err
	}
	l := &Loop{
		options:   options,
		states:    states{options.Desired, options.Releases},
		takeover:  ownership.Takeover(options.OverrideManagers),
		clients:   clients,
		metrics:   metrics,
		announcer: newAnnouncer(options.Recorder),
		tracks:    newTracks(),
		policy:    make(chan struct{}, 1),
		owners:    make(chan struct{}, 1),
		known:     map[ownership.Owner]desired.Kept{},
	}
	l.watches = &watches{
		dynamic: kinds, mapper: options.Mapper, open: l.open, running: map[watched]running{},
	}
	return l, nil
}

// NeedLeaderElection is true: one loop restores.
func (l *Loop) NeedLeaderElection() bool { return true }

// PolicyChanged makes the loop ask anew what policy wants restored. It may be called at any time, also before Start,
// and does not block.
func (l *Loop) PolicyChanged() {
	select {
	case l.policy <- struct{}{}:
	default:
	}
}

// Start runs the loop until ctx ends, and returns when everything that it started has ended.
func (l *Loop) Start(ctx context.Context) error {
	ctx = klog.NewContext(ctx, l.options.Log)
	l.queue = priorityqueue.New[desired.Key]("restore")
	forget, err := l.followOwners(ctx)
	if err != nil {
		l.queue.ShutDown()
		return errors.Join(err, forget())
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { l.work(ctx) })
	}
	for ctx.Err() == nil {
		changed, released := l.states.changed()
		l.follow(ctx)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-released:
		case <-l.owners:
		case <-l.policy:
			l.release(func(_ ownership.Owner, reason Reason) bool { return reason == ByPolicy || reason == Glass })
			l.tighten()
		}
	}
	err = forget()
	l.queue.ShutDown()
	group.Wait()
	l.watches.wait()
	return err
}

// open returns the receiver of the events of one kind.
func (l *Loop) open(what watched) *events {
	return &events{
		watched: what, states: l.states, takeover: l.takeover, log: l.options.Log,
		differs:  func(key desired.Key) { l.suspect(suspected, key) },
		settled:  func(key desired.Key) { l.tracks.settled(key, time.Now()) },
		asWanted: l.asWanted, equal: l.equal,
		panicked: l.panicked, unbuilt: &l.unbuilt,
	}
}

// suspect has an object looked at.
func (l *Loop) suspect(priority int, keys ...desired.Key) {
	now := time.Now()
	for _, key := range keys {
		l.tracks.suspect(key, now)
		urgent := urgency(key, priority)
		l.queue.AddWithOpts(priorityqueue.AddOpts{Priority: &urgent}, key)
	}
}

// release has the objects looked at that were left alone for a reason that may be gone.
func (l *Loop) release(match func(ownership.Owner, Reason) bool) {
	l.suspect(suspected, l.tracks.heldBy(match)...)
}

// follow takes notice of the states that came, changed and went since it was called last. Kinds of which policy wants
// nothing restored are not watched: the right to do so may not have been given.
func (l *Loop) follow(ctx context.Context) {
	states := l.states.all()
	kinds := map[watched]struct{}{}
	present := make(map[ownership.Owner]desired.Kept, len(states))
	for _, state := range states {
		present[state.Owner] = state
		for _, want := range state.Packed {
			kind := watched{want.Kind(), state.Owner.Kind}
			if _, ok := kinds[kind]; !ok && l.options.Allowed(state.Owner, want.Key) {
				kinds[kind] = struct{}{}
			}
		}
	}
	listed, err := l.unknown(ctx, present)
	if err != nil {
		l.options.Log.Error(err, "Kustomizations cannot be listed, so drift of what cannot be built goes unnoticed")
	}
	l.unbuilt.set(listed)
	for key, o := range listed {
		kinds[watched{key.GroupKind().WithVersion(o.version), ownership.Kustomization}] = struct{}{}
	}
	l.watches.follow(ctx, kinds)
	lost := false
	for owner, old := range l.known {
		lost = lost || present[owner].State != old.State
	}
	for owner, state := range present {
		if old := l.known[owner]; old.State != state.State {
			l.check(old, state)
		}
	}
	l.known = present
	if lost {
		l.tracks.retain(func(key desired.Key) bool {
			_, listed := l.unbuilt.find(key)
			return listed || l.states.has(key)
		})
	}
}

// check has those objects of a new state looked at that are not as in the old one, and those that waited for it. What
// is not listed yet will be compared when it is.
func (l *Loop) check(old, state desired.Kept) {
	before := make(map[desired.Key]desired.Packed, len(old.Packed))
	for _, want := range old.Packed {
		before[want.Key] = want
	}
	var keys []desired.Key
	for _, want := range state.Packed {
		if !want.Same(before[want.Key]) && l.watches.synced(watched{want.Kind(), state.Owner.Kind}) {
			keys = append(keys, want.Key)
		}
	}
	l.suspect(unchecked, keys...)
	l.release(func(owner ownership.Owner, _ Reason) bool { return owner == state.Owner })
}

// equal reports whether a live object was proven equal to the desired one before.
func (l *Loop) equal(want desired.Object, state *desired.State, live *unstructured.Unstructured) bool {
	key := desired.KeyOf(want.Unstructured)
	if !l.tracks.mayBeProven(key) {
		return false
	}
	p, err := proofOf(want, state, live, l.additions(state.Owner, key))
	return err == nil && l.tracks.proven(key, p)
}

func proofOf(want desired.Object, state *desired.State, live *unstructured.Unstructured, rule Additions) (proof, error) {
	fingerprint, err := drift.FingerprintOf(want.Unstructured, live)
	return proof{fingerprint: fingerprint, generation: state.Generation, additions: rule}, err
}

// additions says what becomes of those to an object.
func (l *Loop) additions(owner ownership.Owner, key desired.Key) Additions {
	if l.options.Additions == nil {
		return Left
	}
	return l.options.Additions(owner, key)
}

// asWanted reports whether the objects alone prove that neither Flux nor policy has anything to do.
func (l *Loop) asWanted(owner ownership.Owner, want, live *unstructured.Unstructured, managers []ownership.Manager) bool {
	return settled(owner.Kind, want, live, managers, l.takeover) &&
		(l.additions(owner, desired.KeyOf(want)) == Left || !drift.Extended(owner.Kind, want, live, managers))
}
