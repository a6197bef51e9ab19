package breakglass

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
)

// longest is the maximum of a rule that says none, as the CRD defaults it.
const longest = 4 * time.Hour

// Maximum returns how long a BreakGlass may last under a policy that has a rule for them.
func Maximum(p *v1alpha1.EditPolicy) time.Duration {
	return cmp.Or(p.Spec.BreakGlass.MaxDuration.Duration, longest)
}

// For returns the BreakGlass that admits this user's edit of an object at now, under the policy that applies to the
// object; nil if there is none. Of several it is the one that lasts longest, of equals the first by name. The order
// of glasses does not matter, and they are not changed. Without a policy nothing is refused, and nobody needs one.
func For(glasses []v1alpha1.BreakGlass, p *v1alpha1.EditPolicy, object desired.Key, user authenticationv1.UserInfo, now time.Time) *v1alpha1.BreakGlass {
	if p == nil || !policy.BreakGlass(p, user) {
		return nil
	}
	var best *v1alpha1.BreakGlass
	for i := range glasses {
		g := &glasses[i]
		if Object(g) == object && names(g, user) && g.Active(now) && now.Before(Ends(g, p)) && (best == nil || longer(g, best, p)) {
			best = g
		}
	}
	return best
}

// names reports whether a BreakGlass is for this user.
func names(g *v1alpha1.BreakGlass, user authenticationv1.UserInfo) bool {
	return g.Spec.RequestedBy == user.Username || g.Spec.Group != "" && slices.Contains(user.Groups, g.Spec.Group)
}

// Ends returns when the time of a BreakGlass is over under a policy that has a rule for them.
func Ends(g *v1alpha1.BreakGlass, p *v1alpha1.EditPolicy) time.Time {
	return g.CreationTimestamp.Add(min(g.Spec.Duration.Duration, Maximum(p)))
}

// Active returns the BreakGlass for which Flux, and the restore loop, stand down from an object at now, under the policy
// that applies to the object; nil if there is none. It is chosen as by For. The requester's groups are not known any more:
// where the policy names groups, one who was not allowed, and opened it while nobody checked, holds Flux off for the
// policy's time; their edits are refused nevertheless.
func Active(glasses []v1alpha1.BreakGlass, p *v1alpha1.EditPolicy, object desired.Key, now time.Time) *v1alpha1.BreakGlass {
	if p == nil || p.Spec.BreakGlass == nil {
		return nil
	}
	var best *v1alpha1.BreakGlass
	for i := range glasses {
		g := &glasses[i]
		if Object(g) == object && g.Active(now) && now.Before(Ends(g, p)) && may(g, p) && (best == nil || longer(g, best, p)) {
			best = g
		}
	}
	return best
}

// may reports whether nothing is known against the requester.
func may(g *v1alpha1.BreakGlass, p *v1alpha1.EditPolicy) bool {
	grouped := slices.ContainsFunc(p.Spec.BreakGlass.Allowed, func(s v1alpha1.Subject) bool { return s.Kind == v1alpha1.Group })
	return grouped || policy.BreakGlass(p, authenticationv1.UserInfo{Username: g.Spec.RequestedBy})
}

// longer orders glasses: the one that lasts longest first, of equals the first by name.
func longer(a, b *v1alpha1.BreakGlass, p *v1alpha1.EditPolicy) bool {
	return cmp.Or(Ends(b, p).Compare(Ends(a, p)), strings.Compare(a.Name, b.Name)) < 0
}

// Object returns what a BreakGlass is for.
func Object(g *v1alpha1.BreakGlass) desired.Key {
	o := g.Spec.Object
	return desired.Key{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}

// Refusal says why this user must not open a BreakGlass, in a sentence for them; empty if they may. Of the policies,
// which may apply to the object, one must allow it. The policy that decided is returned, nil for none.
func Refusal(g *v1alpha1.BreakGlass, policies []*v1alpha1.EditPolicy, user authenticationv1.UserInfo) (*v1alpha1.EditPolicy, string) {
	switch {
	case g.Spec.RequestedBy != user.Username:
		return nil, fmt.Sprintf("spec.requestedBy is %q, but you are %q: a BreakGlass is opened in one's own name", g.Spec.RequestedBy, user.Username)
	case g.Spec.Group != "" && !slices.Contains(user.Groups, g.Spec.Group):
		return nil, fmt.Sprintf("spec.group is %q, of which you are no member", g.Spec.Group)
	}
	var by *v1alpha1.EditPolicy
	refusal := "no EditPolicy lets anybody break glass for this object"
	for _, p := range policies {
		if p.Spec.BreakGlass == nil {
			continue
		}
		by = p
		switch {
		case !policy.BreakGlass(p, user):
			refusal = fmt.Sprintf("EditPolicy %s lets others break glass: %s", p.Name, subjects(p.Spec.BreakGlass.Allowed))
		case g.Spec.Duration.Duration > Maximum(p):
			refusal = fmt.Sprintf("spec.duration is %s; EditPolicy %s allows %s at most", g.Spec.Duration.Duration, p.Name, Maximum(p))
		default:
			return p, ""
		}
	}
	return by, refusal
}

// subjects lists who is allowed, for somebody who is not.
func subjects(list []v1alpha1.Subject) string {
	var out []string
	for _, s := range list {
		name := s.Name
		if s.Namespace != "" {
			name = s.Namespace + "/" + s.Name
		}
		out = append(out, fmt.Sprintf("%s %s", s.Kind, name))
	}
	return strings.Join(out, ", ")
}
