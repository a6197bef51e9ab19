package restore

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
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

func (l *Loop) again(key desired.Key, after time.Duration) {
	priority := urgency(key, suspected)
	l.queue.AddWithOpts(priorityqueue.AddOpts{After: after, Priority: &priority}, key)
}

func (l *Loop) postpone(o *outcome, reason Reason) {
	s := l.tracks.postpone(o.key, o.state.Owner, reason, time.Now())
	l.report(o, reason, s)
	l.again(o.key, s.retry)
}
