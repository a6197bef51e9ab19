package report

import (
	"fmt"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fleet"
)

// Scan is what was found in one cluster, with an error if that is not everything, and a nil value if it is nothing.
type Scan = fleet.Result[*drift.Result]

// Counts sums scans up.
type Counts struct {
	// Clusters are those of which anything is known, Drifted those with findings; Failed and Idle are the names of those
	// of which nothing is known, and of those that have nothing of what was asked for.
	Clusters, Drifted            int
	FailedClusters, IdleClusters []string

	Owners, Checked int
	// Findings is Fields, Missing, Extra (objects that a checkout does not have) and Orphaned together; Objects are those
	// with findings in fields. What git itself holds
	// Flux off is no finding: it is in Excepted alone.
	Findings, Fields, Missing, Extra, Orphaned, Objects int
	Persisting, Held, Pending, Excepted                 int
	// Failed is FailedObjects and FailedOwners together: what could not be checked, alone or with its whole owner. The
	// objects of a failed owner are in no number.
	Failed, FailedObjects, FailedOwners int
}

// Count sums scans up.
func Count(scans ...Scan) Counts {
	var c Counts
	for _, scan := range scans {
		if scan.Value == nil {
			c.FailedClusters = append(c.FailedClusters, scan.Cluster)
			continue
		}
		c.Clusters++
		before := c
		c.add(scan.Value)
		if c.Findings > before.Findings {
			c.Drifted++
		}
		if c.Checked+c.Failed+c.Findings == before.Checked+before.Failed+before.Findings {
			c.IdleClusters = append(c.IdleClusters, scan.Cluster)
		}
	}
	return c
}

func (c *Counts) add(result *drift.Result) {
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
	c.Objects += len(objects)
	c.Failed = c.FailedObjects + c.FailedOwners
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
