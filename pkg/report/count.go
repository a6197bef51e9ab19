package report

import (
	"fmt"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// Counts sums a scan up.
type Counts struct {
	Owners, Checked int
	// Findings is Fields, Missing, Extra (objects that a checkout does not have) and Orphaned together; Objects are those with findings in fields. What git itself holds
	// Flux off is no finding: it is in Excepted alone.
	Findings, Fields, Missing, Extra, Orphaned, Objects int
	Persisting, Held, Pending, Excepted                 int
	// ByHand are the HelmReleases whose release somebody else than Flux changed.
	ByHand int
	// Failed is FailedObjects and FailedOwners together: what could not be checked, alone or with its whole owner. The
	// objects of a failed owner are in no number.
	Failed, FailedObjects, FailedOwners int
}

// Count sums a scan up.
func Count(result *drift.Result) Counts {
	var c Counts
	objects := map[drift.Object]bool{}
	for _, owner := range result.Owners {
		if !owner.Gone {
			c.Owners++
		}
		c.Checked += owner.Checked
		c.FailedObjects += len(owner.Unproven)
		if owner.Err != nil {
			c.FailedOwners++
		}
		if owner.ByHand != "" {
			c.ByHand++
		}
		for _, f := range owner.Findings {
			if !f.Drift() {
				c.Excepted++
				continue
			}
			c.Findings++
			switch f.Kind {
			case drift.Missing:
				c.Missing++
			case drift.Orphaned:
				c.Orphaned++
				continue // said so, whatever Flux does
			default:
				if f.Kind == drift.Added && f.Path == nil {
					c.Extra++
					break
				}
				c.Fields++
				objects[f.Object] = true
			}
			switch f.Verdict {
			case drift.Persists:
				c.Persisting++
			case drift.Held:
				c.Held++
			case drift.Pending:
				c.Pending++
			case drift.Reverts:
			}
		}
	}
	c.Objects = len(objects)
	c.Failed = c.FailedObjects + c.FailedOwners
	return c
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
