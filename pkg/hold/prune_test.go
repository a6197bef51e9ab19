package hold

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

func TestOnlyWhatHasBeenOverForLongIsRemoved(t *testing.T) {
	ended := func(name string, ago time.Duration, finalizers ...string) v1alpha1.BreakGlass {
		return v1alpha1.BreakGlass{
			ObjectMeta: metav1.ObjectMeta{Name: name, Finalizers: finalizers},
			Status:     v1alpha1.BreakGlassStatus{Ended: &metav1.Time{Time: now.Add(-ago)}},
		}
	}
	const day = 24 * time.Hour
	old := v1alpha1.BreakGlass{ObjectMeta: metav1.ObjectMeta{Name: "never-ended", CreationTimestamp: metav1.NewTime(now.Add(-900 * day))}}
	glasses := []v1alpha1.BreakGlass{
		ended("yesterday", day), ended("at-the-limit", 90*day), ended("long-ago", 91*day), ended("unfinished", 200*day, Finalizer), old, ended("last-week", 7*day),
	}
	for name, test := range map[string]struct {
		limit int
		want  []string
	}{
		"by age":         {10, []string{"long-ago"}},
		"by number":      {2, []string{"at-the-limit", "long-ago"}},
		"by number, all": {0, []string{"yesterday", "last-week", "at-the-limit", "long-ago"}},
	} {
		var got []string
		for _, g := range stale(glasses, now.Add(-90*day), test.limit) {
			got = append(got, g.Name)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
	if got := stale(nil, now, 0); got != nil {
		t.Errorf("of none: %v", got)
	}
}
