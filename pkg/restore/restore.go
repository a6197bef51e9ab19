package restore

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// attemptTimeout bounds one attempt at one object.
const attemptTimeout = 30 * time.Second

// work restores objects from the queue until it is shut down.
func (l *Loop) work(ctx context.Context) {
	for {
		key, shutdown := l.queue.Get()
		if shutdown {
			return
		}
		if ctx.Err() == nil {
			l.guarded(ctx, key)
		}
		l.queue.Done(key)
	}
}

// guarded is attempt, and survives a mistake in the program: one object must not keep all others from being restored.
func (l *Loop) guarded(ctx context.Context, key desired.Key) {
	defer func() {
		if failure := recover(); failure != nil {
			l.panicked(key, failure)
			l.again(key, l.tracks.failed(key, time.Now()))
		}
	}()
	l.attempt(ctx, key)
}

// panicked counts and logs a panic, without what it says: that may hold a value of a Secret.
func (l *Loop) panicked(key desired.Key, failure any) {
	l.metrics.panics.Inc()
	l.options.Log.Error(fmt.Errorf("a %T", failure), "A mistake in the program; the object is tried again later",
		"group", key.Group, "kind", key.Kind, "namespace", key.Namespace, "name", key.Name, "stack", string(debug.Stack()))
}

// attempt looks at one object, puts it back if need be, and sees to it that it is looked at again if that failed.
func (l *Loop) attempt(ctx context.Context, key desired.Key) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	o := &outcome{key: key}
	want, state, built := l.states.find(key)
	listed, known := l.unbuilt.find(key)
	switch {
	case built:
		o.state, o.want, o.kind = state, &want, want.GroupVersionKind()
	case known && !built:
		o.state, o.kind = &desired.State{Owner: listed.owner}, key.GroupKind().WithVersion(listed.version)
	default:
		return
	}
	if wait := l.tracks.wait(key, time.Now()); wait > 0 {
		l.again(key, wait)
		return
	}
	o.drift = l.tracks.present(key, time.Now())
	restore := l.restore
	switch {
	case o.want == nil:
		restore = l.attemptUnbuilt
	case o.state.Owner.Kind == ownership.HelmRelease:
		restore = l.restoreReleased
	}
	reason, err := restore(ctx, o)
	_, asks := patience[reason]
	asks = asks && o.state.Owner.Kind == ownership.Kustomization
	switch {
	case err != nil && dependency(err):
		l.postpone(o, Dependency)
	case err != nil:
		l.failed(o, err)
	case reason == Terminating, reason == Immutable:
		l.postpone(o, reason)
	case reason != "":
		s := l.standDown(o, reason)
		if asks {
			l.request(ctx, o, reason, s)
		}
	case o.changed:
		l.tell(ctx, o)
	case o.want == nil:
		l.tracks.settled(key, time.Now())
	}
}

// standDown leaves an object alone, until something gives reason to look again: at the latest, the end of its BreakGlass.
func (l *Loop) standDown(o *outcome, reason Reason) standing {
	s := l.tracks.hold(o.key, o.state.Owner, reason, time.Now())
	l.report(o, reason, s)
	if reason == Glass && o.broken > 0 {
		l.again(o.key, o.broken)
	}
	return s
}

// glass reports whether a BreakGlass is active for an object.
func (l *Loop) glass(ctx context.Context, o *outcome) (bool, error) {
	if l.options.Glass == nil {
		return false, nil
	}
	var err error
	o.broken, err = l.options.Glass(ctx, o.state.Owner, o.key)
	return o.broken > 0, err
}

// reclaimed reports whether the object was held for a BreakGlass that is not there, and is no more. That shows up as an event.
func (l *Loop) reclaimed(ctx context.Context, o *outcome) (bool, error) {
	if l.options.Reclaim == nil || o.live == nil {
		return false, nil
	}
	if _, held := ownership.HoldOf(o.live); !held {
		return false, nil
	}
	return l.options.Reclaim(ctx, o.key)
}

// failed has an object tried again later.
func (l *Loop) failed(o *outcome, err error) {
	delay := l.tracks.failed(o.key, time.Now())
	count(l.metrics.errors, o.key)
	l.log(o).Error(redact.Error(o.key.GroupKind(), err), "The object could not be restored", "retry", delay.String())
	l.again(o.key, delay)
}

// outcome is what an attempt learned of an object, and did to it.
type outcome struct {
	key   desired.Key
	kind  schema.GroupVersionKind
	state *desired.State
	// want is nil where nothing was built.
	want  *desired.Object
	drift drifted
	// owner is the Kustomization as the cache has it, nil until it was looked up; uid is that of the owner, whatever its kind.
	owner *kustomizev1.Kustomization
	uid   types.UID
	// read says that the object was looked up; live is what it was then, nil if it was gone.
	read bool
	live *unstructured.Unstructured
	// broken is how long a BreakGlass for the object lasts yet, 0 if there is none or nobody asked.
	broken time.Duration
	// reread says that live is newer than what the attempt began with.
	reread bool
	// changed says that the object was put back.
	changed bool
}

// look reads the object.
func (l *Loop) look(ctx context.Context, o *outcome) error {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(o.kind)
	err := l.clients.own.Get(ctx, client.ObjectKey{Namespace: o.key.Namespace, Name: o.key.Name}, live)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	o.read = true
	if err == nil {
		o.live = live
	}
	return nil
}

// restore puts one object back if it differs. A reason says why it was left alone.
func (l *Loop) restore(ctx context.Context, o *outcome) (Reason, error) {
	key, state, want := o.key, o.state, *o.want
	if !l.options.Allowed(state.Owner, key) {
		return ByPolicy, nil
	}
	// What needs no request first, so that an object which is left alone for long costs nothing.
	cached := &kustomizev1.Kustomization{}
	if err := l.options.Owners.Get(ctx, ownerKey(state.Owner), cached); client.IgnoreNotFound(err) != nil {
		return "", err
	} else if err == nil {
		o.owner, o.uid = cached, cached.UID
		if reason := ownerStop(cached, state); reason != "" {
			return reason, nil
		}
	}
	if err := l.look(ctx, o); err != nil {
		return "", err
	}
	if reclaimed, err := l.reclaimed(ctx, o); reclaimed || err != nil {
		return "", err
	}
	live := o.live
	if want.Encrypted {
		return l.encrypted(ctx, o)
	}
	var p proof
	rule := l.additions(state.Owner, key)
	if live != nil {
		managers, err := ownership.Managers(live)
		if err != nil {
			return "", err
		}
		if l.asWanted(state.Owner, want.Unstructured, live, managers) {
			l.tracks.settled(key, time.Now())
			return "", nil
		}
		if restarted(want, live, managers, l.takeover) {
			return Restarted, nil
		}
		if p, err = proofOf(want, state, live, rule); err != nil {
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
	if broken, err := l.glass(ctx, o); broken || err != nil {
		return Glass, err
	}
	as, err := l.clients.of(ks.Namespace, ks.Spec.ServiceAccountName)
	if err != nil {
		return "", err
	}
	o.changed, err = l.persistent(ctx, o, as, func(c client.Client) (bool, error) {
		return apply(ctx, c, ks, want.Unstructured, l.takeover)
	})
	return l.finish(ctx, o, as, drift.PolicyOf(ks, l.options.OverrideManagers), p, rule, err)
}

// finish is the end of an attempt that has written what Flux would, or has failed to: it removes what policy does not leave, and
// remembers it if nothing had to be done.
func (l *Loop) finish(ctx context.Context, o *outcome, as client.Client, policy drift.Policy, p proof, rule Additions, err error) (Reason, error) {
	// To Flux's library a conflict is immutable, too.
	if err != nil && !apierrors.IsConflict(err) && ssaerrors.IsImmutableError(err) {
		return Immutable, nil
	}
	if err != nil {
		return "", err
	}
	var pending bool
	if rule != Left && o.live != nil {
		var stripped bool
		if stripped, pending, err = l.strip(ctx, as, o, policy, rule); err != nil {
			return "", err
		}
		o.changed = o.changed || stripped
	}
	switch {
	case pending:
		l.again(o.key, recordPause)
	case !o.changed && o.live != nil && !o.reread:
		l.tracks.prove(o.key, p, time.Now())
	}
	return "", nil
}

// encrypted is restore for an object whose values git holds encrypted: only Flux can put it back.
func (l *Loop) encrypted(ctx context.Context, o *outcome) (Reason, error) {
	shown, err := l.trace(ctx, o)
	if err != nil {
		return "", err
	}
	if shown == "" {
		l.tracks.settled(o.key, time.Now())
		return "", nil
	}
	if moved, err := l.moved(ctx, o.live, o.state.Owner); moved || err != nil {
		return Moved, err
	}
	return objectStop(*o.want, o.live), nil
}

// moved reports whether the object's labels name an owner other than this one that exists: in git it may have moved there.
func (l *Loop) moved(ctx context.Context, live *unstructured.Unstructured, owner ownership.Owner) (bool, error) {
	if live == nil {
		return false, nil
	}
	claimed, ok := ownership.Claimed(live)
	switch {
	case !ok || claimed == owner:
		return false, nil
	case claimed.Kind == ownership.Kustomization:
		ks, err := l.owner(ctx, claimed)
		return ks != nil, err
	case owner.Kind == ownership.HelmRelease:
		hr, err := l.helmRelease(ctx, claimed)
		return hr != nil, err
	}
	return false, nil
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
	priority := urgency(key, suspected)
	l.queue.AddWithOpts(priorityqueue.AddOpts{After: after, Priority: &priority}, key)
}

func (l *Loop) postpone(o *outcome, reason Reason) {
	s := l.tracks.postpone(o.key, o.state.Owner, reason, time.Now())
	l.report(o, reason, s)
	l.again(o.key, s.retry)
}
