package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// holds are the active BreakGlasses of a cluster, the one that ends first comes first.
func (s Status) holds(result *drift.Result) []*v1alpha1.BreakGlass {
	var out []*v1alpha1.BreakGlass
	for i := range result.Glasses {
		if _, active := left(&result.Glasses[i], s.Now); active {
			out = append(out, &result.Glasses[i])
		}
	}
	slices.SortStableFunc(out, func(a, b *v1alpha1.BreakGlass) int { return expires(a).Compare(expires(b)) })
	return out
}

func (s Status) anyHolds(scans []Scan) bool {
	return slices.ContainsFunc(scans, func(scan Scan) bool { return scan.Value != nil && len(s.holds(scan.Value)) > 0 })
}

// held says what Flux is held off: for how long yet where a BreakGlass does, and how many objects for other causes.
func (s Status) held(result *drift.Result, others int) string {
	var out []string
	if holds := s.holds(result); len(holds) > 0 {
		time, _ := left(holds[0], s.Now)
		text := holds[0].Spec.Object.Name + " " + time
		if more := len(holds) - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, text)
	}
	if others > 0 || len(out) == 0 {
		out = append(out, objects(others))
	}
	return strings.Join(out, "; ")
}

// underGlass is how many objects of an owner have drift that a BreakGlass holds.
func underGlass(owner *drift.OwnerResult) int {
	seen := map[drift.Object]bool{}
	for _, f := range owner.Findings {
		if f.Drift() && f.Verdict == drift.Held && strings.HasPrefix(f.Holder, drift.GlassHolder) {
			seen[f.Object] = true
		}
	}
	return len(seen)
}
