package restore

import (
	"context"
	"fmt"
	"slices"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// attemptTimeout bounds one attempt at one object.
const attemptTimeout = 30 * time.Second

// maxNamed is how many fields one log line names.
const maxNamed = 20

// work restores objects from the queue until it is shut down.
func (l *Loop) work(ctx context.Context) {
	for {
		key, shutdown := l.queue.Get()
		if shutdown {
			return
		}
		if ctx.Err() == nil {
			l.attempt(ctx, key)
		}
		l.queue.Done(key)
	}
}

// attempt looks at one object, puts it back if need be, and sees to it that it is looked at again if that failed.
func (l *Loop) attempt(ctx context.Context, key desired.Key) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	want, state, ok := l.options.Desired.Find(key)
	if !ok || state.Owner.Kind != ownership.Kustomization {
		return
	}
	if wait := l.tracks.wait(key, time.Now()); wait > 0 {
		l.again(key, wait)
		return
	}
	o := &outcome{key: key, state: state, drift: l.tracks.present(key, time.Now())}
	reason, err := l.restore(ctx, want, o)
	switch {
	case err != nil && dependency(err):
		l.postpone(o, Dependency)
	case err != nil:
		delay := l.tracks.failed(key, time.Now())
		count(l.metrics.errors, key)
		l.log(o).Error(redact.Error(key.GroupKind(), err), "The object could not be restored", "retry", delay.String())
		l.again(key, delay)
	case reason == Terminating, reason == Immutable:
		l.postpone(o, reason)
	case reason != "":
		l.report(o, reason, l.tracks.hold(key, state.Owner, reason))
	case o.changed:
		l.tell(ctx, o)
	}
}

// outcome is what an attempt did to an object.
type outcome struct {
	key   desired.Key
	state *desired.State
	drift drifted
	// changed says that the object was put back; live is what it was before, nil if it was gone.
	changed bool
	live    *unstructured.Unstructured
}

// restore puts one object back if it differs. A reason says why it was left alone.
func (l *Loop) restore(ctx context.Context, want desired.Object, o *outcome) (Reason, error) {
	key, state := o.key, o.state
	if !l.options.Allowed(state.Owner, key) {
		return ByPolicy, nil
	}
	// What needs no request first, so that an object which is left alone for long costs nothing.
	if want.Encrypted {
		return Encrypted, nil
	}
	cached := &kustomizev1.Kustomization{}
	if err := l.options.Owners.Get(ctx, ownerKey(state.Owner), cached); client.IgnoreNotFound(err) != nil {
		return "", err
	} else if err == nil {
		if reason := ownerStop(cached, state); reason != "" {
			return reason, nil
		}
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(want.GroupVersionKind())
	err := l.clients.own.Get(ctx, client.ObjectKeyFromObject(want), live)
	if apierrors.IsNotFound(err) {
		live, err = nil, nil
	}
	if err != nil {
		return "", err
	}
	o.live = live
	var p proof
	if live != nil {
		managers, err := ownership.Managers(live)
		if err != nil {
			return "", err
		}
		if drift.Settled(want.Unstructured, live, managers, l.takeover) {
			l.tracks.settled(key, time.Now())
			return "", nil
		}
		if restarted(want, live, managers, l.takeover) {
			return Restarted, nil
		}
		if p, err = proofOf(want, state, live); err != nil {
			return "", err
		}
		if l.tracks.proven(key, p) {
			l.tracks.settled(key, time.Now())
			return "", nil
		}
	}
	if reason := objectStop(want, live); reason != "" {
		return reason, nil
	}
	if moved, err := l.moved(ctx, live, state.Owner); moved || err != nil {
		return Moved, err
	}
	// From the API server: a cache that lags could show the owner before Flux set out for the next revision.
	ks, err := l.owner(ctx, state.Owner)
	if err != nil {
		return "", err
	}
	if reason := ownerStop(ks, state); reason != "" {
		return reason, nil
	}
	if l.options.Glass != nil {
		if active, err := l.options.Glass(ctx, state.Owner, key); active || err != nil {
			return Glass, err
		}
	}
	as, err := l.clients.of(ks)
	if err != nil {
		return "", err
	}
	o.changed, err = apply(ctx, as, ks, want.Unstructured, l.takeover)
	switch {
	case err == nil:
	case ssaerrors.IsImmutableError(err):
		return Immutable, nil
	default:
		return "", err
	}
	if !o.changed && live != nil {
		l.tracks.prove(key, p, time.Now())
	}
	return "", nil
}

// moved reports whether the object's labels name an owner other than this one that exists: in git it may have moved there.
func (l *Loop) moved(ctx context.Context, live *unstructured.Unstructured, owner ownership.Owner) (bool, error) {
	if live == nil {
		return false, nil
	}
	claimed, ok := ownership.Claimed(live)
	if !ok || claimed == owner || claimed.Kind != ownership.Kustomization {
		return false, nil
	}
	ks, err := l.owner(ctx, claimed)
	return ks != nil, err
}

// owner reads a Kustomization from the API server, nil if it does not exist.
func (l *Loop) owner(ctx context.Context, owner ownership.Owner) (*kustomizev1.Kustomization, error) {
	ks := &kustomizev1.Kustomization{}
	err := l.clients.own.Get(ctx, ownerKey(owner), ks)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", owner, err)
	}
	return ks, nil
}

func ownerKey(owner ownership.Owner) client.ObjectKey {
	return client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}
}

// dependency reports whether an object cannot be applied because its namespace or its kind is not there, or on its way
// out. They are desired objects too, or Flux could not have applied it, so they come back by themselves.
func dependency(err error) bool {
	// An apply creates what is not there, so only the namespace or the resource can be not found.
	return apimeta.IsNoMatchError(err) || apierrors.IsNotFound(err) ||
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

func (l *Loop) again(key desired.Key, after time.Duration) {
	priority := suspected
	l.queue.AddWithOpts(priorityqueue.AddOpts{After: after, Priority: &priority}, key)
}

func (l *Loop) postpone(o *outcome, reason Reason) {
	s := l.tracks.postpone(o.key, o.state.Owner, reason, time.Now())
	l.report(o, reason, s)
	l.again(o.key, s.retry)
}

// report says once that and why an object is left alone.
func (l *Loop) report(o *outcome, reason Reason, s standing) {
	if s.uncounted {
		count(l.metrics.seen, o.key)
	}
	if s.news {
		l.metrics.skipped.WithLabelValues(string(reason)).Inc()
		l.log(o).Info("The object differs from git and is left alone", "reason", reason)
	}
}

// tell counts a restore and logs which fields were put back and who had changed them; no values.
func (l *Loop) tell(ctx context.Context, o *outcome) {
	now := time.Now()
	delay := l.tracks.restored(o.key, o.drift, now)
	took := now.Sub(o.drift.since)
	if !o.drift.counted {
		count(l.metrics.seen, o.key)
	}
	count(l.metrics.restored, o.key)
	l.metrics.seconds.Observe(took.Seconds())
	log := l.log(o).WithValues("milliseconds", took.Milliseconds())
	if o.live == nil {
		log.Info("Recreated the object")
	} else {
		names, managers := l.undone(ctx, o.live)
		log = log.WithValues("fields", names, "changedBy", managers)
		log.Info("Restored the object")
	}
	if delay > 0 {
		count(l.metrics.fights, o.key)
		log.Info("The object keeps being changed, so its next restore is delayed", "delay", delay.String())
	}
}

// undone names the fields that a restore changed and the managers that had written them. It is for people: where the
// object is gone or changed again meanwhile, the names are less exact.
func (l *Loop) undone(ctx context.Context, before *unstructured.Unstructured) (names, managers []string) {
	after := &unstructured.Unstructured{}
	after.SetGroupVersionKind(before.GroupVersionKind())
	if err := l.clients.own.Get(ctx, client.ObjectKeyFromObject(before), after); err != nil {
		return nil, nil
	}
	found, err := drift.Undone(before, after)
	if err != nil {
		return nil, nil
	}
	for _, f := range found {
		if len(names) < maxNamed {
			names = append(names, fields.Name(f.Path))
		}
		if f.Manager != "" && !slices.Contains(managers, f.Manager) {
			managers = append(managers, f.Manager)
		}
	}
	if more := len(found) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return names, managers
}

// log returns a logger that names the object, its owner and the revision.
func (l *Loop) log(o *outcome) logr.Logger {
	return l.options.Log.WithValues("group", o.key.Group, "kind", o.key.Kind, "namespace", o.key.Namespace, "name", o.key.Name,
		"owner", o.state.Owner.String(), "revision", o.state.Revision)
}
