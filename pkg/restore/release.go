package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/helmstorage"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// deployed is the status of a release that is as it should be.
const deployed = "deployed"

// releaseStop is ownerStop for a HelmRelease.
func releaseStop(hr *helmv2.HelmRelease, state *desired.State) Reason {
	switch {
	case hr == nil:
		return OwnerGone
	case hr.DeletionTimestamp != nil:
		return OwnerDeleting
	case hr.Spec.KubeConfig != nil:
		return Elsewhere
	case hr.Spec.Suspend:
		return Suspended
	case hr.GetDriftDetection().GetMode() != helmv2.DriftDetectionEnabled:
		return Uncorrected
	case hr.Generation != state.Generation || hr.Status.ObservedGeneration != hr.Generation:
		return OtherRevision
	case apimeta.IsStatusConditionTrue(hr.Status.Conditions, meta.ReconcilingCondition):
		return Reconciling
	case state.ByHand != "":
		return OtherBuild
	}
	made := desired.Released(hr)
	if made == nil || made.Digest != state.Digest {
		return OtherRevision
	}
	ready := apimeta.FindStatusCondition(hr.Status.Conditions, meta.ReadyCondition)
	switch {
	case ready == nil || ready.Status == metav1.ConditionUnknown:
		return Reconciling
	case ready.Status != metav1.ConditionTrue || made.Status != deployed:
		return Failing
	}
	return ""
}

// releasedStop is objectStop for an object of a HelmRelease.
func releasedStop(want desired.Object, live *unstructured.Unstructured) Reason {
	const optOut, disabled = ownership.HelmDriftDetection, ownership.Disabled
	switch {
	case ownership.Has(want, optOut, disabled):
		return OptedOut
	case live == nil:
		return absentStop(want)
	case live.GetDeletionTimestamp() != nil:
		return Terminating
	case !ownership.Has(live, optOut, disabled):
		return ""
	}
	if held, ours := ownership.HoldOf(live); ours && held.Sets == optOut {
		return Glass
	}
	return OptedOut
}

// restoreReleased is restore for an object of a HelmRelease.
func (l *Loop) restoreReleased(ctx context.Context, o *outcome) (Reason, error) {
	key, state, want := o.key, o.state, *o.want
	if !l.options.Allowed(state.Owner, key) {
		return ByPolicy, nil
	}
	cached := &helmv2.HelmRelease{}
	if err := l.options.Owners.Get(ctx, ownerKey(state.Owner), cached); client.IgnoreNotFound(err) != nil {
		return "", err
	} else if err == nil {
		o.uid = cached.UID
		if reason := releaseStop(cached, state); reason != "" {
			return reason, nil
		}
	}
	if err := l.look(ctx, o); err != nil {
		return "", err
	}
	if reclaimed, err := l.reclaimed(ctx, o); reclaimed || err != nil {
		return "", err
	}
	var p proof
	rule := l.additions(state.Owner, key)
	if o.live != nil {
		managers, err := ownership.Managers(o.live)
		if err != nil {
			return "", err
		}
		if p, err = proofOf(want, state, o.live, rule); err != nil {
			return "", err
		}
		if l.asWanted(state.Owner, want.Unstructured, o.live, managers) || l.tracks.proven(key, p) {
			l.tracks.settled(key, time.Now())
			return "", nil
		}
	}
	if reason := releasedStop(want, o.live); reason != "" {
		return reason, nil
	}
	if moved, err := l.moved(ctx, o.live, state.Owner); moved || err != nil {
		return Moved, err
	}
	hr, err := l.helmRelease(ctx, state.Owner)
	if err != nil {
		return "", err
	}
	if reason := releaseStop(hr, state); reason != "" {
		return reason, nil
	}
	if upgraded, err := l.upgraded(ctx, hr); upgraded || err != nil {
		return OtherBuild, err
	}
	if broken, err := l.glass(ctx, o); broken || err != nil {
		return Glass, err
	}
	as, err := l.clients.of(hr.Namespace, hr.Spec.ServiceAccountName)
	if err != nil {
		return "", err
	}
	o.changed, err = l.persistent(ctx, o, as, func(c client.Client) (bool, error) { return correct(ctx, c, hr, want.Unstructured) })
	return l.finish(ctx, o, as, drift.ReleasePolicy(hr, state.ByHand), p, rule, err)
}

// helmRelease reads a HelmRelease from the API server, nil if it does not exist.
func (l *Loop) helmRelease(ctx context.Context, owner ownership.Owner) (*helmv2.HelmRelease, error) {
	hr := &helmv2.HelmRelease{}
	err := l.clients.own.Get(ctx, ownerKey(owner), hr)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", owner, err)
	}
	return hr, nil
}

// upgraded reports whether Helm's storage has a newer revision of the release than Flux says to have made: an upgrade is
// under way, or somebody upgraded by hand, which Flux undoes with an upgrade of its own.
func (l *Loop) upgraded(ctx context.Context, hr *helmv2.HelmRelease) (bool, error) {
	made := desired.Released(hr)
	next := &metav1.PartialObjectMetadata{}
	next.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	key := client.ObjectKey{Namespace: desired.StorageNamespace(hr), Name: helmstorage.Name(made.Name, made.Version+1)}
	err := l.clients.own.Get(ctx, key, next)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// correct does to one object what helm-controller 1.6 does about drift (internal/action, Diff and ApplyDiff): by plain
// writes, with its field manager and by its own comparison, so that it finds nothing to do afterwards. It reports
// whether it changed anything.
func correct(ctx context.Context, c client.Client, hr *helmv2.HelmRelease, want *unstructured.Unstructured) (bool, error) {
	differences, err := jsondiff.UnstructuredList(ctx, c, []*unstructured.Unstructured{want.DeepCopy()},
		jsondiff.FieldOwner(ownership.HelmManager), jsondiff.Rationalize(true),
		jsondiff.ExclusionSelector{ownership.HelmDriftDetection: ownership.Disabled},
		jsondiff.IgnoreRules(drift.ReleasePolicy(hr, "").Ignore))
	if err != nil {
		return false, err
	}
	for _, d := range differences {
		switch d.Type {
		case jsondiff.DiffTypeCreate:
			return true, c.Create(ctx, want.DeepCopy(), client.FieldOwner(ownership.HelmManager))
		case jsondiff.DiffTypeUpdate:
			return true, patchReleased(ctx, c, d)
		}
	}
	return false, nil
}

// patchReleased makes a correction of the very state of the object that was compared, which seen sees to: its paths count items of
// lists.
func patchReleased(ctx context.Context, c client.Client, d *jsondiff.Diff) error {
	patch, err := json.Marshal(d.Patch)
	if err != nil {
		return errors.New("what Flux would patch cannot be written") // The error may quote a Secret.
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(d.DesiredObject.GetObjectKind().GroupVersionKind())
	object.SetNamespace(d.ClusterObject.GetNamespace())
	object.SetName(d.ClusterObject.GetName())
	return c.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(ownership.HelmManager))
}
