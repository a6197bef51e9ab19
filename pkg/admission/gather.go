package admission

import (
	"fmt"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
)

// gather looks up what Judge needs to know about a request.
func gather(r *Request, installation *Installation, lookups Lookups, now time.Time) (*Facts, error) {
	facts := &Facts{Installation: installation}
	if r.opens() {
		var err error
		facts.Opens, err = opening(r, lookups)
		return facts, err
	}
	facts.Reach = reached(r, installation, lookups)
	if want, state, ok := lookups.Desired(r.Object); ok {
		facts.Desired, facts.State = want, state
	}
	owner, managed := manager(r, facts.State)
	if !managed {
		var claimed bool
		if owner, claimed = claim(r); !claimed {
			if facts.Reach == nil {
				return facts, nil
			}
			owner = facts.Reach.owner()
			_, managed = facts.Reach.(*scaledParent)
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
	if facts.Claimants, err = claimants(r, owner, lookups); err != nil {
		return nil, err
	}
	if facts.heritable(r) {
		if facts.Heirs, err = heirs(r, lookups); err != nil {
			return nil, err
		}
	}
	if !managed && r.Old != nil && status != nil && status.Inventoried {
		if before, ok := ownership.Claimed(r.Old); ok && before == owner {
			facts.Managed = true
		}
	}
	return facts, facts.regulate(r, lookups, now)
}

// regulate finds the policy that applies, and a BreakGlass that sets it aside.
func (f *Facts) regulate(r *Request, lookups Lookups, now time.Time) error {
	policies, err := lookups.Policies()
	if err != nil {
		return fmt.Errorf("list EditPolicies: %w", err)
	}
	labels, err := f.namespaceLabels(r, lookups)
	if err != nil {
		return fmt.Errorf("look up namespace %s: %w", policy.Namespace(r.Object), err)
	}
	f.Policy, _ = policy.Effective(policies, policy.Object{Key: r.Object, Owner: f.Owner, NamespaceLabels: labels})
	if f.Policy == nil || f.Policy.Spec.BreakGlass == nil {
		return nil
	}
	glasses, err := lookups.BreakGlasses()
	if err != nil {
		return fmt.Errorf("list BreakGlasses: %w", err)
	}
	f.BreakGlass = breakglass.For(glasses, f.Policy, r.Object, r.User, now)
	return nil
}

// namespaceLabels returns the labels of the object's namespace. A Namespace is matched by the labels that it had, or that
// git gives it, so that no edit of them chooses the policy that it is judged by.
func (f *Facts) namespaceLabels(r *Request, lookups Lookups) (map[string]string, error) {
	name := policy.Namespace(r.Object)
	switch {
	case name == "":
		return nil, nil
	case name == r.Object.Namespace:
		return lookups.NamespaceLabels(name)
	case r.Old != nil:
		return r.Old.GetLabels(), nil
	case f.State != nil:
		return f.Desired.GetLabels(), nil
	}
	return r.New.GetLabels(), nil
}
