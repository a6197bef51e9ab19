package admission

import (
	"fmt"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
)

// gather looks up what Judge needs to know about a request.
func gather(r *Request, installation *Installation, lookups Lookups) (*Facts, error) {
	facts := &Facts{Installation: installation}
	if want, state, ok := lookups.Desired(r.Object); ok {
		facts.Desired, facts.State = want, state
	}
	owner, managed := manager(r, facts.State)
	if !managed {
		var claimed bool
		if owner, claimed = claim(r); !claimed {
			return facts, nil
		}
	}
	// An object that moves between owners may be in one's desired state while Flux's labels still name the other.
	// What the new owner wants is then not yet what Flux has applied.
	if facts.State != nil && facts.State.Owner != owner {
		facts.Desired, facts.State = desired.Object{}, nil
	}
	status, err := lookups.Owner(owner, r.Object)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", owner, err)
	}
	facts.Owner, facts.Managed, facts.Status = owner, managed, status
	if !managed && r.Old != nil && status != nil && status.Inventoried {
		if before, ok := ownership.Claimed(r.Old); ok && before == owner {
			facts.Managed = true
		}
	}
	policies, err := lookups.Policies()
	if err != nil {
		return nil, fmt.Errorf("list EditPolicies: %w", err)
	}
	if p, ok := policy.Effective(policies, r.Object, owner); ok {
		facts.Policy = p
	}
	return facts, nil
}
