package ownership

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HoldManager is the field manager that holds Flux off single objects. Its name begins with none that Flux takes over from.
const HoldManager = "gitops-drift-hold"

// Held is what the annotation Hold says.
type Held struct {
	// BreakGlass is the one for which Flux is held off.
	BreakGlass string `json:"breakGlass"`
	// Sets is the key of the annotation that holds Flux off.
	Sets string `json:"sets"`
	// Was is the value that this annotation had before; nil for none.
	Was *string `json:"was,omitempty"`
}

// HoldOf returns the hold of gitops-drift on an object, and whether there is one. What cannot be read, or speaks of an
// annotation that holds nobody off, is none.
func HoldOf(object metav1.Object) (Held, bool) {
	var held Held
	text, ok := object.GetAnnotations()[Hold]
	if !ok || json.Unmarshal([]byte(text), &held) != nil || held.BreakGlass == "" || held.Sets != Reconcile && held.Sets != HelmDriftDetection {
		return Held{}, false
	}
	return held, true
}

// String is the value of the annotation Hold.
func (h Held) String() string {
	text, err := json.Marshal(h)
	if err != nil { // strings can always be marshalled
		panic(err)
	}
	return string(text)
}

// HoldKey is the annotation that, with the value Disabled, holds this kind of owner off an object.
func (k Kind) HoldKey() string {
	if k == HelmRelease {
		return HelmDriftDetection
	}
	return Reconcile
}
