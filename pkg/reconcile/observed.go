package reconcile

import (
	"fmt"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// observed is a Flux object as it was seen.
type observed struct {
	document
	object Object
	raw    *unstructured.Unstructured
}

// document is what matters here of a Flux object. Fields that its kind does not have are empty.
type document struct {
	Metadata struct {
		Annotations       map[string]string `json:"annotations"`
		Labels            map[string]string `json:"labels"`
		Generation        int64             `json:"generation"`
		DeletionTimestamp *metav1.Time      `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Suspend      bool        `json:"suspend"`
		DependsOn    []reference `json:"dependsOn"`    // Kustomization, HelmRelease
		SourceRef    reference   `json:"sourceRef"`    // Kustomization, HelmChart
		ChartRef     reference   `json:"chartRef"`     // HelmRelease
		Chart        any         `json:"chart"`        // HelmRelease: a chartTemplate; HelmChart: the name of the chart
		KubeConfig   *struct{}   `json:"kubeConfig"`   // Kustomization: what is applied is in another cluster
		Wait         bool        `json:"wait"`         // Kustomization
		HealthChecks []any       `json:"healthChecks"` // Kustomization
		Type         string      `json:"type"`         // HelmRepository
		Ref          struct {
			Branch string `json:"branch"`
			Tag    string `json:"tag"`
			Semver string `json:"semver"`
			Name   string `json:"name"`
			Commit string `json:"commit"`
		} `json:"ref"` // GitRepository
	} `json:"spec"`
	Status struct {
		ObservedGeneration          int64              `json:"observedGeneration"`
		Conditions                  []metav1.Condition `json:"conditions"`
		LastHandledReconcileAt      string             `json:"lastHandledReconcileAt"`
		LastAppliedRevision         string             `json:"lastAppliedRevision"`         // Kustomization
		LastAttemptedRevision       string             `json:"lastAttemptedRevision"`       // Kustomization, HelmRelease
		LastAttemptedRevisionDigest string             `json:"lastAttemptedRevisionDigest"` // HelmRelease of an OCIRepository
		HelmChart                   string             `json:"helmChart"`                   // HelmRelease: namespace/name
		Artifact                    struct {
			Revision string `json:"revision"`
		} `json:"artifact"` // sources
		ObservedSourceArtifactRevision string `json:"observedSourceArtifactRevision"` // HelmChart
		Inventory                      struct {
			Entries []struct {
				ID string `json:"id"`
			} `json:"entries"`
		} `json:"inventory"` // Kustomization
	} `json:"status"`
}

// reference names another object; without a namespace one in the same.
type reference struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func observe(u *unstructured.Unstructured) (observed, error) {
	var o observed
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &o.document); err != nil {
		return observed{}, &objectError{cause: err, message: fmt.Sprintf("%s %s/%s is not as Flux writes it: %v",
			u.GetKind(), u.GetNamespace(), u.GetName(), err)}
	}
	gvk := u.GroupVersionKind()
	o.object = Object{Group: gvk.Group, Kind: gvk.Kind, Namespace: u.GetNamespace(), Name: u.GetName()}
	o.raw = u
	return o, nil
}

func (o observed) requested() string { return o.Metadata.Annotations[meta.ReconcileRequestAnnotation] }
func (o observed) handled() string   { return o.Status.LastHandledReconcileAt }

// standsStill returns an error if Flux reconciles the object for no request. It has to be asked of every
// state that is seen: kustomize-controller copies the token into the status of a suspended Kustomization
// too, whose Ready condition is then an old one.
func (o observed) standsStill() error {
	switch {
	case o.Metadata.DeletionTimestamp != nil:
		return errDeleting(o.object)
	case o.Spec.Suspend:
		return suspended(o)
	case o.static():
		return &objectError{message: fmt.Sprintf("%s is of type oci, from which Flux fetches nothing by itself; reconcile the HelmReleases or HelmCharts instead", o.object)}
	}
	return nil
}

// static reports whether source-controller has nothing to do for the object, so that it would not answer a request.
func (o observed) static() bool {
	return o.object.Kind == sourcev1.HelmRepositoryKind && o.Spec.Type == sourcev1.HelmRepositoryTypeOCI
}

// condition returns nil where the object has no such condition.
func (o observed) condition(conditionType string) *metav1.Condition {
	for i := range o.Status.Conditions {
		if o.Status.Conditions[i].Type == conditionType {
			return &o.Status.Conditions[i]
		}
	}
	return nil
}

// outcome is the state that the Ready condition stands for. A False one is final, except where Flux
// itself goes on at once: it waits for a dependency or for its source, or a new revision cut its health checks short.
// A True one is final when the revisions agree: kustomize-controller patches the conditions first, and
// the revision that it has applied a moment later.
func (o observed) outcome() State {
	ready := o.condition(meta.ReadyCondition)
	switch {
	case ready == nil || ready.Status == metav1.ConditionUnknown:
		return StateReconciling
	case ready.Status == metav1.ConditionTrue:
		if o.object.isKustomization() && o.Status.LastAppliedRevision != o.Status.LastAttemptedRevision {
			return StateReconciling
		}
		return StateReady
	case o.goesOn(ready):
		return StateReconciling
	}
	return StateFailed
}

// sourceNotReady is the reason that helm-controller gives where its API module has none.
const sourceNotReady = "SourceNotReady"

// goesOn reports whether Flux tries again as soon as something else has come about, which is on its way.
func (o observed) goesOn(ready *metav1.Condition) bool {
	switch ready.Reason {
	case meta.DependencyNotReadyReason, meta.HealthCheckCanceledReason:
		return true
	case sourceNotReady:
		// Any other message is that of a source that failed.
		return strings.HasSuffix(ready.Message, "latest generation of object has not been reconciled") ||
			strings.HasSuffix(ready.Message, "does not have an artifact")
	}
	return false
}

// settled is the outcome for the object as its spec is now, whoever asked: one of an older spec is none.
func (o observed) settled() State {
	ready, state := o.condition(meta.ReadyCondition), o.outcome()
	switch {
	case ready == nil || ready.ObservedGeneration != o.Metadata.Generation:
		return StateReconciling
	case state == StateReady && (o.Status.ObservedGeneration != o.Metadata.Generation || o.condition(meta.ReconcilingCondition) != nil):
		return StateReconciling
	}
	return state
}

// attempted reports whether the outcome is one of the given revision of the object's source: that revision was tried, or
// nothing was, because the failure came before.
func (o observed) attempted(revision string) bool {
	ready := o.condition(meta.ReadyCondition)
	early := o.condition(meta.StalledCondition) != nil || ready != nil && ready.Reason == meta.ArtifactFailedReason
	isReady := o.outcome() == StateReady
	switch {
	case o.object.isKustomization() && isReady:
		return o.Status.LastAppliedRevision == revision
	case o.object.isKustomization():
		return o.Status.LastAttemptedRevision == revision || early
	case o.object.isRelease():
		return sameChart(revision, o.Status.LastAttemptedRevision, o.Status.LastAttemptedRevisionDigest) || !isReady && (early || ready != nil && ready.Reason == sourceNotReady)
	case o.object.isChart():
		return o.Status.ObservedSourceArtifactRevision == revision || !isReady
	}
	return true
}

// revision is the one that the object is at: applied if it is ready, else attempted.
func (o observed) revision() string {
	switch {
	case o.Status.Artifact.Revision != "":
		return o.Status.Artifact.Revision
	case o.object.isRelease():
		return o.Status.LastAttemptedRevision
	case o.outcome() != StateReady && o.Status.LastAttemptedRevision != "":
		return o.Status.LastAttemptedRevision
	}
	return o.Status.LastAppliedRevision
}

// progress is the condition that says what Flux is doing; nil if none does.
func (o observed) progress() *metav1.Condition {
	ready, reconciling := o.condition(meta.ReadyCondition), o.condition(meta.ReconcilingCondition)
	if ready != nil && ready.Status == metav1.ConditionUnknown && reconciling != nil {
		return reconciling // says which step it is at; Ready does not
	}
	return ready
}

// doing says what Flux is doing, or "" if the object does not tell. Messages of failures, which may quote a Secret, are
// left to the Result.
func (o observed) doing() string {
	c := o.progress()
	switch {
	case c == nil || c.Status == metav1.ConditionTrue && c.Type == meta.ReadyCondition:
		return ""
	case c.Status == metav1.ConditionFalse && !o.goesOn(c):
		return c.Reason
	}
	return c.Message
}
