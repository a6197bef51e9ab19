package restore

import (
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

const (
	applied = "main@sha1:1111111111111111111111111111111111111111"
	next    = "main@sha1:2222222222222222222222222222222222222222"
)

// ready is a Kustomization that Flux applied at revision applied.
func ready() *kustomizev1.Kustomization {
	ks := &kustomizev1.Kustomization{}
	ks.Generation = 3
	ks.Status.ObservedGeneration = 3
	ks.Status.LastAppliedRevision, ks.Status.LastAttemptedRevision = applied, applied
	ks.Status.Conditions = []metav1.Condition{{Type: meta.ReadyCondition, Status: metav1.ConditionTrue}}
	ks.Status.History = meta.History{{Digest: "sha256:aa"}}
	return ks
}

// progressing is Flux at work on a revision, as its conditions say.
func progressing(ks *kustomizev1.Kustomization, message string) {
	ks.Status.Conditions = []metav1.Condition{
		{Type: meta.ReadyCondition, Status: metav1.ConditionUnknown, Message: "Reconciliation in progress"},
		{Type: meta.ReconcilingCondition, Status: metav1.ConditionTrue, Message: message},
	}
}

func TestOwnerStop(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*kustomizev1.Kustomization)
		want   Reason
	}{
		{"ready at the revision that was built", func(*kustomizev1.Kustomization) {}, ""},
		{"reconciling the same revision", func(ks *kustomizev1.Kustomization) {
			progressing(ks, "Running health checks for revision "+applied+" with a timeout of 5m0s")
		}, ""},
		{"fetching the next revision, not yet attempted", func(ks *kustomizev1.Kustomization) {
			progressing(ks, "Fetching manifests for revision "+next+" with a timeout of 5m0s")
		}, Reconciling},
		{"attempting the next revision", func(ks *kustomizev1.Kustomization) {
			progressing(ks, "Detecting drift for revision "+next+" with a timeout of 5m0s")
			ks.Status.LastAttemptedRevision = next
		}, Reconciling},
		{"attempted the next revision, ready again", func(ks *kustomizev1.Kustomization) { ks.Status.LastAttemptedRevision = next }, Reconciling},
		{"in progress without saying where to", func(ks *kustomizev1.Kustomization) {
			ks.Status.Conditions = []metav1.Condition{{Type: meta.ReadyCondition, Status: metav1.ConditionUnknown}}
		}, Reconciling},
		{"never reconciled", func(ks *kustomizev1.Kustomization) { ks.Status.Conditions = nil }, Reconciling},
		{"applied another revision", func(ks *kustomizev1.Kustomization) {
			ks.Status.LastAppliedRevision, ks.Status.LastAttemptedRevision = next, next
		}, OtherRevision},
		{"another spec than the one that was built", func(ks *kustomizev1.Kustomization) {
			ks.Generation, ks.Status.ObservedGeneration = 4, 4
		}, OtherRevision},
		{"a spec that Flux has not seen", func(ks *kustomizev1.Kustomization) { ks.Status.ObservedGeneration = 2 }, OtherRevision},
		{"failing", func(ks *kustomizev1.Kustomization) { ks.Status.Conditions[0].Status = metav1.ConditionFalse }, Failing},
		{"suspended", func(ks *kustomizev1.Kustomization) { ks.Spec.Suspend = true }, Suspended},
		{"deleting", func(ks *kustomizev1.Kustomization) { ks.DeletionTimestamp = &metav1.Time{Time: time.Now()} }, OwnerDeleting},
		{"applied to another cluster", func(ks *kustomizev1.Kustomization) { ks.Spec.KubeConfig = &meta.KubeConfigReference{} }, Elsewhere},
		{"built with other variables", func(ks *kustomizev1.Kustomization) { ks.Status.History[0].Digest = "sha256:bb" }, OtherBuild},
		{"a Flux without history", func(ks *kustomizev1.Kustomization) { ks.Status.History = nil }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			ks := ready()
			test.change(ks)
			state := &desired.State{Revision: applied, Generation: 3, Digest: "sha256:aa"}
			if got := ownerStop(ks, state); got != test.want {
				t.Errorf("stops because of %q, want %q", got, test.want)
			}
		})
	}
	if got := ownerStop(nil, &desired.State{}); got != OwnerGone {
		t.Errorf("stops because of %q without an owner", got)
	}
	encrypted := ready()
	encrypted.Status.History[0].Digest = "sha256:bb"
	if got := ownerStop(encrypted, &desired.State{Revision: applied, Generation: 3}); got != "" {
		t.Errorf("stops because of %q for a state without a digest", got)
	}
}

func TestObjectStop(t *testing.T) {
	object := func(annotation, value string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
		if annotation != "" {
			u.SetAnnotations(map[string]string{annotation: value})
		}
		return u
	}
	job := func(spec map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "batch/v1", "kind": "Job", "spec": spec}}
	}
	terminating := object("", "")
	terminating.SetDeletionTimestamp(&metav1.Time{Time: time.Now()})
	plain := object("", "")
	held := func(sets string) *unstructured.Unstructured {
		u := object(ownership.Hold, ownership.Held{BreakGlass: "oom", Sets: sets}.String())
		annotations := u.GetAnnotations()
		annotations[sets] = ownership.Disabled
		u.SetAnnotations(annotations)
		return u
	}
	ignored := held(ownership.HelmDriftDetection)
	annotations := ignored.GetAnnotations()
	annotations[ownership.SSA] = ownership.Ignore
	ignored.SetAnnotations(annotations)
	for _, test := range []struct {
		name      string
		want      *unstructured.Unstructured
		encrypted bool
		live      *unstructured.Unstructured
		reason    Reason
	}{
		{"changed", plain, false, plain, ""},
		{"missing", plain, false, nil, ""},
		{"encrypted", plain, true, plain, Encrypted},
		{"git opts out", object(ownership.Reconcile, "disabled"), false, plain, OptedOut},
		{"git opts out of what is missing", object(ownership.Reconcile, "disabled"), false, nil, OptedOut},
		{"the object opts out", plain, false, object(ownership.SSA, "ignore"), OptedOut},
		{"a BreakGlass holds Flux off", plain, false, held(ownership.Reconcile), Glass},
		{"a BreakGlass held it off, and somebody opts out in another way", plain, false, ignored, OptedOut},
		{"other values do not opt out", plain, false, object(ownership.SSA, "Merge"), ""},
		{"terminating", plain, false, terminating, Terminating},
		{"a job that its time to live removed", job(map[string]any{"ttlSecondsAfterFinished": int64(0)}), false, nil, Finished},
		{"a job that stays", job(map[string]any{}), false, nil, ""},
		{"a changed job", job(map[string]any{"ttlSecondsAfterFinished": int64(60)}), false, plain, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := objectStop(desired.Object{Unstructured: test.want, Encrypted: test.encrypted}, test.live); got != test.reason {
				t.Errorf("stops because of %q, want %q", got, test.reason)
			}
		})
	}
}
