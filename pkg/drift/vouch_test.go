package drift

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func TestAHoldIsBelievedOnlyWhereABreakGlassVouchesForIt(t *testing.T) {
	held := ownership.Held{BreakGlass: "memory", Sets: ownership.Reconcile}
	live := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{
		"namespace": "payments", "name": "api", "annotations": map[string]any{ownership.Reconcile: ownership.Disabled, ownership.Hold: held.String()},
	}}}
	open := func() *v1alpha1.BreakGlass {
		return &v1alpha1.BreakGlass{
			ObjectMeta: metav1.ObjectMeta{Name: "memory", CreationTimestamp: metav1.Now()},
			Spec: v1alpha1.BreakGlassSpec{
				Object: v1alpha1.ObjectReference{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "api"}, Duration: metav1.Duration{Duration: time.Hour},
			},
		}
	}
	for name, test := range map[string]struct {
		change func(*v1alpha1.BreakGlass)
		err    error
		want   bool
	}{
		"open":                     {want: true},
		"of another name":          {change: func(g *v1alpha1.BreakGlass) { g.Name = "other" }},
		"of another object":        {change: func(g *v1alpha1.BreakGlass) { g.Spec.Object.Name = "other" }},
		"ended":                    {change: func(g *v1alpha1.BreakGlass) { g.Status.Ended = &metav1.Time{Time: time.Now()} }},
		"closed a moment ago":      {change: func(g *v1alpha1.BreakGlass) { g.Spec.Closed = true }, want: true},
		"long over, and not ended": {change: func(g *v1alpha1.BreakGlass) { g.CreationTimestamp.Time = time.Now().Add(-2 * time.Hour) }},
		"not to be read":           {err: errors.New("forbidden")},
	} {
		t.Run(name, func(t *testing.T) {
			g := open()
			if test.change != nil {
				test.change(g)
			}
			policy := Policy{Vouched: vouching(func() ([]v1alpha1.BreakGlass, error) { return []v1alpha1.BreakGlass{*g}, test.err })}
			found := withOptOuts(ownership.Kustomization, nil, &unstructured.Unstructured{}, live, nil, policy)
			holder := policy.heldBy(live, ownership.Reconcile+"="+ownership.Disabled)
			if vouched := len(found) == 0; vouched != test.want {
				t.Errorf("got %+v", found)
			}
			if vouched := holder == "BreakGlass memory is active"; vouched != test.want {
				t.Errorf("held by %q", holder)
			}
		})
	}
}
