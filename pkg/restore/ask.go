package restore

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/fluxcd/pkg/ssa"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// askInterval is how often Flux is asked to reconcile one owner at most. One reconciliation restores all of its objects.
const askInterval = 30 * time.Second

// patience is how long an object has to be held, by the reasons for which Flux is asked. A state that is only late
// is built meanwhile.
var patience = map[Reason]time.Duration{
	Encrypted:     0,
	OtherRevision: 10 * time.Second,
	OtherBuild:    10 * time.Second,
	Unbuilt:       10 * time.Second,
}

// turns spaces the requests to Flux for each owner. It may be used concurrently.
type turns struct {
	mu   sync.Mutex
	next map[ownership.Owner]time.Time
}

// take returns how long the owner's next request has to wait; 0 gives the turn to the caller.
func (t *turns) take(owner ownership.Owner, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if wait := t.next[owner].Sub(now); wait > 0 {
		return wait
	}
	for owner, next := range t.next {
		if now.After(next) {
			delete(t.next, owner)
		}
	}
	if t.next == nil {
		t.next = map[ownership.Owner]time.Time{}
	}
	t.next[owner] = now.Add(askInterval)
	return 0
}

// request asks Flux to reconcile the owner of an object that cannot be put back from here, if anything about the object
// shows that Flux would change it. The same trace makes for one request: Flux may have a reason to leave it.
func (l *Loop) request(ctx context.Context, o *outcome, reason Reason, s standing) {
	if wait := patience[reason] - s.held; wait > 0 {
		l.again(o.key, wait)
		return
	}
	shown, err := l.trace(ctx, o)
	switch {
	case err != nil:
		l.failed(o, err)
		return
	case shown == "" || l.tracks.asked(o.key) == shown:
		return
	}
	if broken, err := l.glass(ctx, o); err != nil {
		l.failed(o, err)
		return
	} else if broken {
		l.standDown(o, Glass)
		return
	}
	if wait := l.turns.take(o.state.Owner, time.Now()); wait > 0 {
		l.again(o.key, wait)
		return
	}
	flux := reconcile.Request{
		Client: l.watches.dynamic, Mapper: l.options.Mapper, NoWait: true,
		Objects: []reconcile.Object{reconcile.Kustomization(o.state.Owner.Namespace, o.state.Owner.Name)},
	}
	results, err := flux.Run(ctx)
	for _, result := range results {
		if err == nil {
			err = result.Err
		}
	}
	if err != nil {
		l.metrics.requests.WithLabelValues("failed").Inc()
		l.log(o).Error(redact.Error(o.key.GroupKind(), err), "Flux could not be asked to reconcile", "retry", askInterval.String())
		l.again(o.key, askInterval)
		return
	}
	l.tracks.ask(o.key, shown)
	l.metrics.requests.WithLabelValues("requested").Inc()
	l.log(o).Info("Asked Flux to reconcile the owner, because the object cannot be put back from here", "reason", reason)
	l.announcer.on(o, corev1.EventTypeNormal, eventRequested, "Request",
		named(o.key)+" differs from git, and Flux was asked to reconcile: "+unbuildable[reason])
}

// unbuildable says of each reason of patience why only Flux can restore.
var unbuildable = map[Reason]string{
	Encrypted:     "its values are encrypted with SOPS, so what git wants is not known to gitops-drift.",
	OtherRevision: "what was built from git is not the revision that Flux applied last.",
	OtherBuild:    "what was built from git is not what Flux applied last.",
	Unbuilt:       "what Flux applied could not be built from git; the log of gitops-drift says why.",
}

// trace says what shows that Flux would change the object, "" if nothing does: that it is gone although the owner's
// inventory has it, or who wrote to it, and when.
func (l *Loop) trace(ctx context.Context, o *outcome) (string, error) {
	if !o.read {
		if err := l.look(ctx, o); err != nil {
			return "", err
		}
	}
	if o.live == nil {
		if lists(o.owner, o.key) {
			return "gone", nil
		}
		return "", nil
	}
	managers, err := ownership.Managers(o.live)
	if err != nil {
		return "", err
	}
	var want *unstructured.Unstructured
	if o.want != nil && o.want.Encrypted {
		want = o.want.Unstructured
	}
	return trace(want, o.live, managers, l.takeover), nil
}

// trace is what managedFields tell of an object whose desired values are unknown. Flux strips what it takes over, and
// applies again what it no longer holds. Where want names the fields that git declares, though not their
// values, so does anybody's writing of one of them.
func trace(want, live *unstructured.Unstructured, managers []ownership.Manager, takeover []ssa.FieldManager) string {
	if _, out := ownership.OptOut(live); out || live.GetDeletionTimestamp() != nil {
		return ""
	}
	if _, ok := ownership.Declared(managers, ownership.Kustomization); !ok {
		return "undeclared"
	}
	mark := fieldpath.NewSet(restartedAt, podAnnotations)
	var out []string
	for _, m := range managers {
		taken := m.TakenOver(takeover) && !ownership.Has(live, ownership.SSA, ownership.Merge) && !m.Fields.Difference(mark).Empty()
		if taken || want != nil && m.Name != ownership.KustomizeManager && m.Subresource == "" && writes(m, want) {
			out = append(out, m.Name+" "+m.Time.UTC().Format(time.RFC3339))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// writes reports whether the manager holds a field that want has, other than maps and lists that both share.
func writes(m ownership.Manager, want *unstructured.Unstructured) bool {
	found := false
	m.Fields.Leaves().Iterate(func(path fieldpath.Path) {
		if _, ok := fields.Get(want.Object, path); ok {
			found = true
		}
	})
	return found
}
