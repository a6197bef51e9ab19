package helmcontroller

import (
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// summarize ends a reconciliation in the status.
func summarize(hr *helmv2.HelmRelease, failure error) {
	hr.Status.ObservedGeneration = hr.Generation
	if token, ok := meta.ReconcileAnnotationValue(hr.Annotations); ok {
		hr.Status.SetLastHandledReconcileRequest(token)
	}
	apimeta.RemoveStatusCondition(&hr.Status.Conditions, meta.ReconcilingCondition)
	installed := hr.Status.LastAttemptedReleaseAction == helmv2.ReleaseActionInstall
	condition := metav1.Condition{Status: metav1.ConditionTrue, Reason: helmv2.UpgradeSucceededReason, Message: "Helm upgrade succeeded", ObservedGeneration: hr.Generation}
	if installed {
		condition.Reason, condition.Message = helmv2.InstallSucceededReason, "Helm install succeeded"
	}
	if failure != nil {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, helmv2.UpgradeFailedReason, failure.Error()
		if installed {
			condition.Reason = helmv2.InstallFailedReason
		}
		hr.Status.Failures++
	} else {
		hr.Status.Failures = 0
	}
	for _, kind := range []string{helmv2.ReleasedCondition, meta.ReadyCondition} {
		condition.Type = kind
		apimeta.SetStatusCondition(&hr.Status.Conditions, condition)
	}
}
