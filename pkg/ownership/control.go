package ownership

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotations and labels with which an object steers Flux. Flux reads them as annotations or labels, on the desired
// or on the live object unless noted.
const (
	// Reconcile "disabled" makes kustomize-controller leave the object alone.
	Reconcile = KustomizeGroup + "/reconcile"
	// SSA is Ignore (leave alone), IfNotPresent (desired object only: create, never change) or Merge (no takeover).
	SSA = KustomizeGroup + "/ssa"
	// Prune "disabled" keeps the object when git no longer declares it.
	Prune = KustomizeGroup + "/prune"
	// Force "enabled" recreates the object when an immutable field changed.
	Force = KustomizeGroup + "/force"
	// HelmDriftDetection "disabled" makes helm-controller leave the object alone.
	HelmDriftDetection = HelmGroup + "/driftDetection"
	// Hold marks an object that gitops-drift holds Flux off by one of the annotations above, while a BreakGlass is active:
	// who finds it knows whose the annotation is. Flux does not read it. See HoldOf.
	Hold = "gitops-drift.dev/hold"
)

// Values of the controlling annotations.
const (
	Disabled     = "disabled"
	Ignore       = "Ignore"
	IfNotPresent = "IfNotPresent"
	Merge        = "Merge"
)

// Controls are the keys of all annotations and labels that steer Flux, and of the one that says who does.
func Controls() []string { return []string{Reconcile, SSA, Prune, Force, HelmDriftDetection, Hold} }

// OptOut returns the annotation or label, as key=value, that makes kustomize-controller leave the object alone, and
// whether there is one.
func OptOut(object metav1.Object) (string, bool) {
	for _, skip := range [][2]string{{Reconcile, Disabled}, {SSA, Ignore}} {
		if Has(object, skip[0], skip[1]) {
			return skip[0] + "=" + skip[1], true
		}
	}
	return "", false
}

// Has reports whether the object carries key with this value as an annotation or as a label. As in Flux, case does
// not matter (fluxcd/pkg/ssa/utils.AnyInMetadata).
func Has(object metav1.Object, key, value string) bool {
	for _, metadata := range []map[string]string{object.GetAnnotations(), object.GetLabels()} {
		if got, ok := metadata[key]; ok && strings.EqualFold(got, value) {
			return true
		}
	}
	return false
}
