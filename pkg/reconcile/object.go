package reconcile

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	kustomizeGroup = "kustomize.toolkit.fluxcd.io"
	sourceGroup    = "source.toolkit.fluxcd.io"

	kindKustomization = "Kustomization"

	requestedAtAnnotation = "reconcile.fluxcd.io/requestedAt"
)

// Object names a Flux object.
type Object struct {
	Group, Kind, Namespace, Name string
}

// Kustomization returns the Object of a Flux Kustomization.
func Kustomization(namespace, name string) Object {
	return Object{Group: kustomizeGroup, Kind: kindKustomization, Namespace: namespace, Name: name}
}

// String is the object's name in sentences: "Kustomization flux-system/apps".
func (o Object) String() string {
	return fmt.Sprintf("%s %s/%s", o.Kind, o.Namespace, o.Name)
}

func (o Object) groupKind() schema.GroupKind {
	return schema.GroupKind{Group: o.Group, Kind: o.Kind}
}

// requestable reports whether Flux takes requests on a source of this kind. An ExternalArtifact, the
// one other kind that a Kustomization may name, is written by controllers that are not Flux's.
func requestable(sourceKind string) bool {
	switch sourceKind {
	case "GitRepository", "OCIRepository", "Bucket":
		return true
	}
	return false
}

// observed is what matters here of a Kustomization or a source.
type observed struct {
	Metadata struct {
		Annotations       map[string]string `json:"annotations"`
		DeletionTimestamp *metav1.Time      `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Suspend   bool      `json:"suspend"`
		SourceRef sourceRef `json:"sourceRef"` // Kustomizations only
	} `json:"spec"`
	Status struct {
		Conditions             []metav1.Condition `json:"conditions"`
		LastHandledReconcileAt string             `json:"lastHandledReconcileAt"`
		LastAppliedRevision    string             `json:"lastAppliedRevision"`   // Kustomizations only
		LastAttemptedRevision  string             `json:"lastAttemptedRevision"` // Kustomizations only
		Artifact               struct {
			Revision string `json:"revision"`
		} `json:"artifact"` // sources only
	} `json:"status"`
}

type sourceRef struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func observe(u *unstructured.Unstructured) (observed, error) {
	var o observed
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &o); err != nil {
		return observed{}, &objectError{cause: err, message: fmt.Sprintf("%s %s/%s is not as Flux writes it: %v",
			u.GetKind(), u.GetNamespace(), u.GetName(), err)}
	}
	return o, nil
}

func (o observed) requested() string { return o.Metadata.Annotations[requestedAtAnnotation] }
func (o observed) handled() string   { return o.Status.LastHandledReconcileAt }

// standsStill returns an error if Flux reconciles the object for no request. It has to be asked of every
// state that is seen: kustomize-controller copies the token into the status of a suspended Kustomization
// too, whose Ready condition is then an old one.
func (o observed) standsStill(object Object) error {
	switch {
	case o.Metadata.DeletionTimestamp != nil:
		return errDeleting(object)
	case o.Spec.Suspend:
		return &SuspendedError{Object: object}
	}
	return nil
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
// itself goes on at once: it waits for a dependency, or a new revision cut its health checks short.
// A True one is final when the revisions agree: kustomize-controller patches the conditions first, and
// the revision that it has applied a moment later.
func (o observed) outcome() State {
	ready := o.condition("Ready")
	switch {
	case ready == nil || ready.Status == metav1.ConditionUnknown:
		return StateReconciling
	case ready.Status == metav1.ConditionTrue:
		if o.Status.LastAppliedRevision != o.Status.LastAttemptedRevision {
			return StateReconciling
		}
		return StateReady
	case ready.Reason == "DependencyNotReady" || ready.Reason == "HealthCheckCanceled":
		return StateReconciling
	}
	return StateFailed
}

// attempted reports whether the outcome is one of the given revision: that revision was tried, or nothing
// was, because the failure came before.
func (o observed) attempted(revision string) bool {
	if o.outcome() == StateReady {
		return o.Status.LastAppliedRevision == revision
	}
	ready := o.condition("Ready")
	return o.Status.LastAttemptedRevision == revision || o.condition("Stalled") != nil ||
		ready != nil && ready.Reason == "ArtifactFailed"
}

// revision is the one that the object is at: applied if it is ready, else attempted.
func (o observed) revision() string {
	switch {
	case o.Status.Artifact.Revision != "":
		return o.Status.Artifact.Revision
	case o.outcome() != StateReady && o.Status.LastAttemptedRevision != "":
		return o.Status.LastAttemptedRevision
	}
	return o.Status.LastAppliedRevision
}

// progress says what Flux is doing, or "" if the object does not tell.
func (o observed) progress() string {
	ready, reconciling := o.condition("Ready"), o.condition("Reconciling")
	switch {
	case ready == nil:
		return ""
	case ready.Status == metav1.ConditionUnknown && reconciling != nil:
		return reconciling.Message // says which step it is at; Ready does not
	}
	return ready.Message
}
