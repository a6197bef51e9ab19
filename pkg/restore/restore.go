package restore

import (
	"context"
	"fmt"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

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
