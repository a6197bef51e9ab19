package policy

import (
	"cmp"
	"path"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Object is what policies are for: an object that Flux manages.
type Object struct {
	desired.Key
	Owner ownership.Owner
	// NamespaceLabels are those of the namespace that Namespace names; of no account where it names none.
	NamespaceLabels map[string]string
}

// Namespace returns the namespace that policies match an object by: its own, for a Namespace that very one, and "" for
// other cluster-scoped objects.
func Namespace(key desired.Key) string {
	if key.Group == "" && key.Kind == "Namespace" {
		return key.Name
	}
	return key.Namespace
}

// Effective returns the policy that applies to an object, and false where none does: then edits are recorded and
// nothing is restored. The order of policies does not matter, and they are not changed.
func Effective(policies []v1alpha1.EditPolicy, object Object) (*v1alpha1.EditPolicy, bool) {
	var best *v1alpha1.EditPolicy
	for i := range policies {
		p := &policies[i]
		if p.DeletionTimestamp.IsZero() && (best == nil || compare(p, best) < 0) && matches(&p.Spec.Match, object) {
			best = p
		}
	}
	return best, best != nil
}

// Candidates returns the policies that may apply to an object whose owner is not known, in the order in which they would.
func Candidates(policies []v1alpha1.EditPolicy, object Object) []*v1alpha1.EditPolicy {
	var out []*v1alpha1.EditPolicy
	for i := range policies {
		match := policies[i].Spec.Match
		match.Owners = nil
		if policies[i].DeletionTimestamp.IsZero() && matches(&match, object) {
			out = append(out, &policies[i])
		}
	}
	slices.SortFunc(out, compare)
	return out
}

// compare orders policies, the one that applies first.
func compare(a, b *v1alpha1.EditPolicy) int {
	return cmp.Or(
		cmp.Compare(b.Spec.Priority, a.Spec.Priority),
		cmp.Compare(leniency(a.Spec.Action), leniency(b.Spec.Action)),
		cmp.Compare(a.Name, b.Name),
	)
}

// leniency is 0 for the strictest action. The CRD admits no others; one that it should ever admit is the strictest.
func leniency(action v1alpha1.Action) int {
	return slices.Index([]v1alpha1.Action{v1alpha1.Deny, v1alpha1.Warn, v1alpha1.Record}, action)
}

func matches(match *v1alpha1.Match, object Object) bool {
	namespace := Namespace(object.Key)
	return anyOf(match.Namespaces, func(pattern string) bool { return glob(pattern, namespace) }) &&
		anyOf(match.Kinds, func(kind string) bool {
			return kind == object.Kind || kind == object.Kind+"."+object.Group
		}) &&
		anyOf(match.Owners, func(pattern string) bool { return glob(pattern, object.Owner.String()) }) &&
		selects(match.NamespaceSelector, namespace, object.NamespaceLabels)
}

func anyOf(list []string, match func(string) bool) bool {
	return len(list) == 0 || slices.ContainsFunc(list, match)
}

// glob matches a shell pattern; one that cannot be read matches nothing but itself.
func glob(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return err == nil && ok || pattern == s
}

// selects matches a namespace's labels; a selector that cannot be read matches nothing.
func selects(selector *metav1.LabelSelector, namespace string, set map[string]string) bool {
	if selector == nil {
		return true
	}
	if namespace == "" {
		return false
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(labels.Set(set))
}

// Exempts reports whether the policy exempts this user.
func Exempts(policy *v1alpha1.EditPolicy, user authenticationv1.UserInfo) bool {
	return names(policy.Spec.Exempt, user)
}

// Flux reports whether this user is Flux, which the policy says arrives from another cluster under this identity.
func Flux(policy *v1alpha1.EditPolicy, user authenticationv1.UserInfo) bool {
	return names(policy.Spec.Flux, user)
}

// BreakGlass reports whether the policy lets this user break glass.
func BreakGlass(policy *v1alpha1.EditPolicy, user authenticationv1.UserInfo) bool {
	return policy.Spec.BreakGlass != nil && names(policy.Spec.BreakGlass.Allowed, user)
}

func names(subjects []v1alpha1.Subject, user authenticationv1.UserInfo) bool {
	return slices.ContainsFunc(subjects, func(subject v1alpha1.Subject) bool {
		switch subject.Kind {
		case v1alpha1.User:
			return subject.Name == user.Username
		case v1alpha1.Group:
			return slices.Contains(user.Groups, subject.Name)
		case v1alpha1.ServiceAccount:
			return user.Username == "system:serviceaccount:"+subject.Namespace+":"+subject.Name
		}
		return false
	})
}
