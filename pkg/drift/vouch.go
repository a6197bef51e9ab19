package drift

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// overdue is how long after the end of a BreakGlass its hold may still be there, and by how much clocks may differ.
const overdue = time.Minute

// vouching returns what says whether a BreakGlass holds Flux off an object: one of that name, for that object, that nothing has
// ended. Without the right to list BreakGlasses nothing is vouched for. They are listed once, when the first object says that
// it is held.
func vouching(list func() ([]v1alpha1.BreakGlass, error)) func(ownership.Held, *unstructured.Unstructured) bool {
	return func(held ownership.Held, live *unstructured.Unstructured) bool {
		glasses, err := list()
		if err != nil {
			return false
		}
		for i := range glasses {
			g := &glasses[i]
			if g.Name == held.BreakGlass && breakglass.Object(g) == desired.KeyOf(live) {
				return g.Status.Ended == nil && time.Now().Before(g.Ends().Add(overdue))
			}
		}
		return false
	}
}
