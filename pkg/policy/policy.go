package policy

import (
	"cmp"
	"path"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Effective returns the policy that applies to an object and its owner, and false where none does: then edits are
// recorded and nothing is restored. The order of policies does not matter, and they are not changed.
func Effective(policies []v1alpha1.EditPolicy, object desired.Key, owner ownership.Owner) (*v1alpha1.EditPolicy, bool) {
	var best *v1alpha1.EditPolicy
	for i := range policies {
		p := &policies[i]
		if p.DeletionTimestamp.IsZero() && matches(p.Spec.Match, object, owner) && (best == nil || compare(p, best) < 0) {
			best = p
		}
	}
	return best, best != nil
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

func matches(match v1alpha1.Match, object desired.Key, owner ownership.Owner) bool {
	namespace := object.Namespace
	if object.Group == "" && object.Kind == "Namespace" {
		namespace = object.Name
	}
	return anyOf(match.Namespaces, func(pattern string) bool { return glob(pattern, namespace) }) &&
		anyOf(match.Kinds, func(kind string) bool {
			return kind == object.Kind || kind == object.Kind+"."+object.Group
		}) &&
		anyOf(match.Owners, func(pattern string) bool { return glob(pattern, owner.String()) })
}

func anyOf(list []string, match func(string) bool) bool {
	return len(list) == 0 || slices.ContainsFunc(list, match)
}

// glob matches a shell pattern; one that cannot be read matches nothing but itself.
func glob(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return err == nil && ok || pattern == s
}

// Exempts reports whether the policy exempts this user.
func Exempts(policy *v1alpha1.EditPolicy, user authenticationv1.UserInfo) bool {
	return slices.ContainsFunc(policy.Spec.Exempt, func(subject v1alpha1.Subject) bool {
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
