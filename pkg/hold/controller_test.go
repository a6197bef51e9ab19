package hold

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

var now = time.Date(2026, 11, 22, 23, 40, 0, 0, time.UTC)

// glass was opened ten minutes ago, for an hour.
func glass(change func(*v1alpha1.BreakGlass)) *v1alpha1.BreakGlass {
	g := &v1alpha1.BreakGlass{ObjectMeta: metav1.ObjectMeta{Name: "a", CreationTimestamp: metav1.NewTime(now.Add(-10 * time.Minute))}}
	g.Spec.Duration.Duration = time.Hour
	if change != nil {
		change(g)
	}
	return g
}

func TestWhatEndsABreakGlass(t *testing.T) {
	rule := &v1alpha1.EditPolicy{}
	rule.Spec.BreakGlass = &v1alpha1.BreakGlassRule{MaxDuration: metav1.Duration{Duration: 5 * time.Minute}}
	lasts := func(d time.Duration) func(*v1alpha1.BreakGlass) {
		return func(g *v1alpha1.BreakGlass) { g.Spec.Duration.Duration = d }
	}
	for name, test := range map[string]struct {
		change func(*v1alpha1.BreakGlass)
		policy *v1alpha1.EditPolicy
		want   v1alpha1.EndCause
	}{
		"nothing":                  {nil, nil, ""},
		"nothing, a moment before": {lasts(10*time.Minute + time.Millisecond), nil, ""},
		"its time":                 {lasts(10 * time.Minute), nil, v1alpha1.Expired},
		"the policy's time":        {nil, rule, v1alpha1.Expired},
		"a policy without a rule":  {nil, &v1alpha1.EditPolicy{}, ""},
		"closed":                   {func(g *v1alpha1.BreakGlass) { g.Spec.Closed = true }, nil, v1alpha1.Closed},
		"deleted":                  {func(g *v1alpha1.BreakGlass) { g.DeletionTimestamp = &metav1.Time{Time: now} }, nil, v1alpha1.Deleted},
		"what ended it, for good": {func(g *v1alpha1.BreakGlass) {
			g.Status.Ended, g.Status.EndedBy = &metav1.Time{Time: now}, v1alpha1.Expired
		}, nil, v1alpha1.Expired},
		"first what was there first": {func(g *v1alpha1.BreakGlass) {
			g.Spec.Closed = true
			g.Status.Ended, g.Status.EndedBy = &metav1.Time{Time: now}, v1alpha1.Expired
		}, nil, v1alpha1.Expired},
	} {
		if _, got := end(glass(test.change), test.policy, now); got != test.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestABreakGlassIsOverWhenNothingIsLeftToDo(t *testing.T) {
	ended := func(age time.Duration) *v1alpha1.BreakGlass {
		return glass(func(g *v1alpha1.BreakGlass) {
			g.Status.Ended = &metav1.Time{Time: now.Add(-age)}
			g.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionHeld, Status: metav1.ConditionFalse}}
		})
	}
	unfinished, held := ended(time.Hour), ended(time.Hour)
	unfinished.Finalizers = []string{Finalizer}
	held.Status.Conditions[0].Status = metav1.ConditionTrue
	for name, test := range map[string]struct {
		glass *v1alpha1.BreakGlass
		want  bool
	}{
		"long ended":                {ended(time.Hour), true},
		"just ended":                {ended(time.Second), false},
		"ended, with its finalizer": {unfinished, false},
		"ended, and held":           {held, false},
		"active":                    {glass(nil), false},
	} {
		if got := over(test.glass, now); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
