package restore

import (
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/ssa"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Reason is why an object that differs from git is left as it is. Its values are those of a metric's label.
type Reason string

// The reasons. The object's own, then the owner's.
const (
	// ByPolicy: no policy wants this object restored.
	ByPolicy Reason = "policy"
	// Glass: a BreakGlass is active for this object, or has not given it back yet.
	Glass Reason = "glass"
	// Encrypted: its values are encrypted with SOPS, so what Flux applies is not known here. Flux is asked.
	Encrypted Reason = "encrypted"
	// Unbuilt: what Flux applied for its owner could not be built. Flux is asked.
	Unbuilt Reason = "not-built"
	// OptedOut: an annotation or label in git or on the object holds Flux off.
	OptedOut Reason = "opted-out"
	// Terminating: it is being deleted, and comes back when it is gone.
	Terminating Reason = "terminating"
	// Finished: a Job that has a time to live is gone, most likely because it ended. Flux would run it again at its
	// interval; at once and for ever is not what git means.
	Finished Reason = "finished-job"
	// Moved: its labels name another owner that exists.
	Moved Reason = "moved"
	// Restarted: nothing but `kubectl rollout restart` was done to it. To take that back at once would keep people from
	// restarting; Flux does so at its interval.
	Restarted Reason = "restarted"
	// Immutable: it would have to be deleted and made anew. The loop never deletes; Flux does so where force says so.
	Immutable Reason = "immutable"
	// Dependency: its namespace or its kind is not there yet.
	Dependency Reason = "dependency"

	// OwnerGone: the Kustomization does not exist.
	OwnerGone Reason = "owner-gone"
	// OwnerDeleting: the Kustomization is being deleted, and prunes.
	OwnerDeleting Reason = "owner-deleting"
	// Elsewhere: spec.kubeConfig applies it to another cluster.
	Elsewhere Reason = "other-cluster"
	// Suspended: the Kustomization is suspended.
	Suspended Reason = "suspended"
	// Failing: Flux's last reconciliation failed, so what it applied is not known to be whole.
	Failing Reason = "owner-failing"
	// Reconciling: Flux is on its way to a revision other than the one that was built, or has not said to which.
	Reconciling Reason = "reconciling"
	// OtherRevision: what was built is not the revision, or not the spec, that Flux applied last.
	OtherRevision Reason = "other-revision"
	// OtherBuild: the build here differs from the one that Flux applied, by its variables for instance; or somebody else
	// than Flux released what the HelmRelease manages, so that Flux upgrades it.
	OtherBuild Reason = "other-build"
	// Uncorrected: the HelmRelease does not have Flux correct drift.
	Uncorrected Reason = "drift-detection"
)

// objectStop returns why an object is left alone, "" if nothing about it says so. live is nil if there is none.
func objectStop(want desired.Object, live *unstructured.Unstructured) Reason {
	if _, out := ownership.OptOut(want); out {
		return OptedOut
	}
	if live == nil {
		if want.Encrypted {
			return Encrypted
		}
		return absentStop(want)
	}
	if live.GetDeletionTimestamp() != nil {
		return Terminating
	}
	if optOut, out := ownership.OptOut(live); out {
		if held, ours := ownership.HoldOf(live); ours && optOut == held.Sets+"="+ownership.Disabled {
			return Glass
		}
		return OptedOut
	}
	if want.Encrypted {
		return Encrypted
	}
	return ""
}

// absentStop returns why an object that is not there is not created.
func absentStop(want desired.Object) Reason {
	if _, ttl, _ := unstructured.NestedFieldNoCopy(want.Object, "spec", "ttlSecondsAfterFinished"); ttl &&
		want.GetKind() == "Job" && want.GroupVersionKind().Group == "batch" {
		return Finished
	}
	return ""
}

// restartedAt is where `kubectl rollout restart` leaves its mark, and the map around it.
var restartedAt, podAnnotations = fieldpath.MakePathOrDie("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"),
	fieldpath.MakePathOrDie("spec", "template", "metadata", "annotations")

// restarted reports whether live would be settled but for the mark of a rollout restart.
func restarted(want desired.Object, live *unstructured.Unstructured, managers []ownership.Manager, takeover []ssa.FieldManager) bool {
	if _, marked := fields.Get(live.Object, restartedAt); !marked {
		return false
	}
	mark := fieldpath.NewSet(restartedAt, podAnnotations)
	without := make([]ownership.Manager, 0, len(managers))
	for _, m := range managers {
		if m.TakenOver(takeover) {
			m.Fields = m.Fields.Difference(mark)
		}
		without = append(without, m)
	}
	return drift.Settled(want.Unstructured, live, without, takeover)
}

// ownerStop returns why Flux or its owner does not want state restored now, "" if it does. ks is nil if it does not exist.
func ownerStop(ks *kustomizev1.Kustomization, state *desired.State) Reason {
	switch {
	case ks == nil:
		return OwnerGone
	case ks.DeletionTimestamp != nil:
		return OwnerDeleting
	case ks.Spec.KubeConfig != nil:
		return Elsewhere
	case ks.Spec.Suspend:
		return Suspended
	case ks.Generation != state.Generation || ks.Status.ObservedGeneration != ks.Generation:
		return OtherRevision
	}
	ready := apimeta.FindStatusCondition(ks.Status.Conditions, meta.ReadyCondition)
	if ready != nil && ready.Status == metav1.ConditionFalse {
		return Failing
	}
	if ks.Status.LastAppliedRevision != state.Revision {
		return OtherRevision
	}
	if ks.Status.LastAttemptedRevision != state.Revision || !at(ks, ready, state.Revision) {
		return Reconciling
	}
	// An empty history is that of a Flux before 2.7.
	if built := ks.Status.History.Latest(); built != nil && state.Digest != "" && built.Digest != state.Digest {
		return OtherBuild
	}
	return ""
}

// at reports whether Flux has ended its work, or says that it works on this very revision: status.lastAttemptedRevision
// is the old one until the new artifact is fetched, but every message of the Reconciling condition names the
// revision (kustomize-controller 1.9).
func at(ks *kustomizev1.Kustomization, ready *metav1.Condition, revision string) bool {
	if ready == nil {
		return false
	}
	reconciling := apimeta.FindStatusCondition(ks.Status.Conditions, meta.ReconcilingCondition)
	if reconciling == nil || reconciling.Status != metav1.ConditionTrue {
		return ready.Status == metav1.ConditionTrue
	}
	return strings.Contains(reconciling.Message, revision)
}
