package drift

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// release compares what a HelmRelease manages.
func (s *Scanner) release(ctx context.Context, builder *desired.Builder, hr *helmv2.HelmRelease, live *liveObjects, selection Selection, known *known) OwnerResult {
	out := OwnerResult{
		Owner:      ownership.Owner{Kind: ownership.HelmRelease, Namespace: hr.Namespace, Name: hr.Name},
		Reconciled: lastWorked(hr),
		Interval:   hr.Spec.Interval.Duration,
		Suspended:  hr.Spec.Suspend,
		Correction: ReleasePolicy(hr, "").Correction,
	}
	if made := desired.Released(hr); made != nil {
		out.Revision = made.ChartVersion
	}
	if ready := apimeta.FindStatusCondition(hr.Status.Conditions, meta.ReadyCondition); ready != nil && ready.Status == metav1.ConditionFalse {
		out.Failure = releaseFailure(ctx, builder, hr, ready)
	}
	state, err := builder.BuildRelease(ctx, hr)
	switch {
	case errors.Is(err, desired.ErrNotReleased) && out.Failure != "":
		out.Err = fmt.Errorf("%w: %s", err, out.Failure)
		return out
	case err != nil:
		out.Err = err
		return out
	}
	if out.Err = known.release(state, hr); out.Err != nil {
		return out
	}
	policy := ReleasePolicy(hr, state.ByHand)
	policy.Vouched = live.vouched
	out.ByHand, out.Correction = state.ByHand, policy.Correction
	s.compare(ctx, state, policy, live, selection).addTo(&out, state)
	return out
}

// releaseFailure is failure for a HelmRelease.
func releaseFailure(ctx context.Context, builder *desired.Builder, hr *helmv2.HelmRelease, ready *metav1.Condition) string {
	if ready.Reason == meta.DependencyNotReadyReason {
		return ready.Message
	}
	if hr.Spec.KubeConfig != nil {
		return ready.Reason + " (Flux's message is not shown, because what it may quote is in another cluster)"
	}
	message, err := builder.QuoteRelease(ctx, hr, ready.Message)
	if err != nil {
		return ready.Reason + " (Flux's message is not shown, because it may quote a Secret's values)"
	}
	return message
}

// lastWorked is when helm-controller last wrote the status, which it does at every reconciliation, but without noting
// the time anywhere else: its conditions and history keep theirs for as long as nothing changes.
func lastWorked(hr *helmv2.HelmRelease) time.Time {
	var last time.Time
	for _, entry := range hr.ManagedFields {
		if entry.Subresource == "status" && strings.HasSuffix(entry.Manager, ownership.HelmManager) && entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}
