package ownership

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestHoldOf(t *testing.T) {
	was := "enabled"
	for _, held := range []Held{{BreakGlass: "a", Sets: Reconcile}, {BreakGlass: "b", Sets: HelmDriftDetection, Was: &was}} {
		got, ok := HoldOf(&metav1.ObjectMeta{Annotations: map[string]string{Hold: held.String()}})
		if !ok || got.BreakGlass != held.BreakGlass || got.Sets != held.Sets || (got.Was == nil) != (held.Was == nil) {
			t.Errorf("%s reads as %+v %v", held, got, ok)
		}
	}
	for _, text := range []string{"", "a", "{}", `{"breakGlass":"a"}`, `{"breakGlass":"a","sets":"contoso.com/owner"}`} {
		if got, ok := HoldOf(&metav1.ObjectMeta{Annotations: map[string]string{Hold: text}}); ok {
			t.Errorf("%q reads as %+v", text, got)
		}
	}
}
