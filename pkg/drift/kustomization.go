package drift

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// owner compares what a Kustomization manages.
func (s *Scanner) owner(ctx context.Context, builder *desired.Builder, ks *kustomizev1.Kustomization, owner ownership.Owner, live *liveObjects, selection Selection, known *known) OwnerResult {
	out := OwnerResult{
		Owner:     owner,
		Revision:  ks.Status.LastAppliedRevision,
		Interval:  ks.Spec.Interval.Duration,
		Suspended: ks.Spec.Suspend,
	}
	if out.Suspended {
		out.Suspension = SuspensionOf(ks)
	}
	if ready := apimeta.FindStatusCondition(ks.Status.Conditions, meta.ReadyCondition); ready != nil {
		out.Reconciled = reconciled(ks, ready)
		if ready.Status == metav1.ConditionFalse {
			out.Failure = failure(ctx, builder, ks, ready)
		}
	}
	inventory, err := inventoryOf(ks)
	if err != nil {
		out.Err = err
		return out
	}
	known.add(maps.Keys(inventory))
	if selection.OwnersOnly {
		return out
	}
	state, err := s.state(ctx, builder, ks, selection.Checkout, &out)
	if err != nil {
		out.Err = advise(err, out)
		if !errors.Is(err, desired.ErrElsewhere) { // its inventory is of that cluster
			out.Findings, out.Unproven = s.held(ctx, out, inventory, live, selection.Object)
		}
		return out
	}
	known.state(state, selection.Checkout == nil)
	policy := PolicyOf(ks, s.OverrideManagers)
	policy.Vouched = live.vouched
	c := s.compare(ctx, state, policy, live, selection)
	if selection.Checkout != nil {
		s.pending(ctx, builder, ks, state, live, c.found)
		out.Findings, out.Unproven = s.dropped(ctx, ks, state, inventory, live, selection.Object)
		for _, f := range out.Findings {
			out.Documents = append(out.Documents, named(f.Object))
		}
	}
	c.addTo(&out, state)
	return out
}

// state builds what the owner's objects are compared with, and notes in out which revision that is.
func (s *Scanner) state(ctx context.Context, builder *desired.Builder, ks *kustomizev1.Kustomization, checkout *Checkout, out *OwnerResult) (*desired.State, error) {
	if checkout != nil {
		out.Compared = desired.CheckoutRevision(checkout.Dir)
		return builder.BuildCheckout(ctx, ks, checkout.Dir)
	}
	state, err := builder.Build(ctx, ks)
	if mismatch := (*desired.RevisionError)(nil); errors.As(err, &mismatch) && (out.Failure != "" || out.Suspended) {
		if offered, err := builder.BuildOffered(ctx, ks); err == nil {
			out.Compared = offered.Revision
			return offered, nil
		}
	}
	return state, err
}

// failure is Flux's message about its last reconciliation, or the reason alone where the message may quote a Secret. That
// of a dependency names Kustomizations and nothing else.
func failure(ctx context.Context, builder *desired.Builder, ks *kustomizev1.Kustomization, ready *metav1.Condition) string {
	if ready.Reason == meta.DependencyNotReadyReason {
		return ready.Message
	}
	message, err := builder.Quote(ctx, ks, ready.Message)
	if err != nil {
		return ready.Reason + " (Flux's message is not shown, because it may quote a Secret's values)"
	}
	return message
}

// advise adds to a revision that cannot be compared what has to happen first.
func advise(err error, owner OwnerResult) error {
	mismatch := (*desired.RevisionError)(nil)
	switch {
	case !errors.As(err, &mismatch):
		return err
	case owner.Failure != "":
		return fmt.Errorf("%w; its last reconciliation failed: %s", err, owner.Failure)
	case owner.Suspended:
		return fmt.Errorf("%w; it is suspended, so it stays behind", err)
	}
	return fmt.Errorf("%w; ask again once Flux has applied that", err)
}

// PolicyOf reads from a Kustomization how it lets Flux treat its objects.
func PolicyOf(ks *kustomizev1.Kustomization, overrideManagers []string) Policy {
	policy := Policy{Suspended: ks.Spec.Suspend, Takeover: ownership.Takeover(overrideManagers)}
	for _, rule := range ks.Spec.Ignore {
		ignore := jsondiff.IgnoreRule{Paths: rule.Paths}
		if t := rule.Target; t != nil {
			ignore.Selector = &jsondiff.Selector{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, Namespace: t.Namespace,
				AnnotationSelector: t.AnnotationSelector, LabelSelector: t.LabelSelector,
			}
		}
		policy.Ignore = append(policy.Ignore, ignore)
	}
	return policy
}

// reconciled is the end of the newest reconciliation that Flux's history or Ready condition tells of.
func reconciled(ks *kustomizev1.Kustomization, ready *metav1.Condition) time.Time {
	latest := ready.LastTransitionTime.Time
	for _, snapshot := range ks.Status.History {
		if snapshot.LastReconciled.After(latest) {
			latest = snapshot.LastReconciled.Time
		}
	}
	return latest
}
