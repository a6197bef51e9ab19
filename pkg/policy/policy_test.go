package policy

import (
	"slices"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func named(name string, priority int32, action v1alpha1.Action, match v1alpha1.Match) v1alpha1.EditPolicy {
	p := v1alpha1.EditPolicy{Spec: v1alpha1.EditPolicySpec{Priority: priority, Action: action, Match: match}}
	p.Name = name
	return p
}

func TestEffective(t *testing.T) {
	deployment := desired.Key{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "api"}
	owner := ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: "apps"}
	everything := v1alpha1.Match{}
	tier := v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "prod"}}}

	for name, test := range map[string]struct {
		policies []v1alpha1.EditPolicy
		object   desired.Key
		labels   map[string]string
		want     string
	}{
		"no policy": {object: deployment},
		"the highest priority applies": {
			policies: []v1alpha1.EditPolicy{named("low", 1, v1alpha1.Deny, everything), named("high", 2, v1alpha1.Record, everything)},
			object:   deployment, want: "high",
		},
		"among equals the stricter action applies": {
			policies: []v1alpha1.EditPolicy{named("a", 0, v1alpha1.Record, everything), named("b", 0, v1alpha1.Deny, everything), named("c", 0, v1alpha1.Warn, everything)},
			object:   deployment, want: "b",
		},
		"among equals of the same action the first by name applies": {
			policies: []v1alpha1.EditPolicy{named("b", 0, v1alpha1.Deny, everything), named("a", 0, v1alpha1.Deny, everything)},
			object:   deployment, want: "a",
		},
		"namespaces are patterns": {
			policies: []v1alpha1.EditPolicy{named("pay", 0, v1alpha1.Deny, v1alpha1.Match{Namespaces: []string{"x", "pay*"}})},
			object:   deployment, want: "pay",
		},
		"another namespace": {
			policies: []v1alpha1.EditPolicy{named("x", 0, v1alpha1.Deny, v1alpha1.Match{Namespaces: []string{"x"}})},
			object:   deployment,
		},
		"a namespace is in itself": {
			policies: []v1alpha1.EditPolicy{named("pay", 0, v1alpha1.Deny, v1alpha1.Match{Namespaces: []string{"payments"}})},
			object:   desired.Key{Kind: "Namespace", Name: "payments"}, want: "pay",
		},
		"a kind without its group": {
			policies: []v1alpha1.EditPolicy{named("k", 0, v1alpha1.Deny, v1alpha1.Match{Kinds: []string{"Deployment"}})},
			object:   deployment, want: "k",
		},
		"a kind with its group": {
			policies: []v1alpha1.EditPolicy{named("k", 0, v1alpha1.Deny, v1alpha1.Match{Kinds: []string{"Deployment.apps"}})},
			object:   deployment, want: "k",
		},
		"a kind of another group": {
			policies: []v1alpha1.EditPolicy{named("k", 0, v1alpha1.Deny, v1alpha1.Match{Kinds: []string{"Deployment.example.com"}})},
			object:   deployment,
		},
		"owners are patterns": {
			policies: []v1alpha1.EditPolicy{named("o", 0, v1alpha1.Deny, v1alpha1.Match{Owners: []string{"Kustomization/flux-*/*"}})},
			object:   deployment, want: "o",
		},
		"an owner's pattern does not cross its parts": {
			policies: []v1alpha1.EditPolicy{named("o", 0, v1alpha1.Deny, v1alpha1.Match{Owners: []string{"Kustomization/*"}})},
			object:   deployment,
		},
		"namespaces by label": {
			policies: []v1alpha1.EditPolicy{named("l", 0, v1alpha1.Deny, tier)},
			object:   deployment, labels: map[string]string{"tier": "prod"}, want: "l",
		},
		"namespaces of another label": {
			policies: []v1alpha1.EditPolicy{named("l", 0, v1alpha1.Deny, tier)},
			object:   deployment, labels: map[string]string{"tier": "dev"},
		},
		"namespaces by label and by name": {
			policies: []v1alpha1.EditPolicy{named("l", 0, v1alpha1.Deny, v1alpha1.Match{Namespaces: []string{"x"}, NamespaceSelector: tier.NamespaceSelector})},
			object:   deployment, labels: map[string]string{"tier": "prod"},
		},
		"a namespace by its own labels": {
			policies: []v1alpha1.EditPolicy{named("l", 0, v1alpha1.Deny, tier)},
			object:   desired.Key{Kind: "Namespace", Name: "payments"}, labels: map[string]string{"tier": "prod"}, want: "l",
		},
		"an empty selector is for every namespace": {
			policies: []v1alpha1.EditPolicy{named("l", 0, v1alpha1.Deny, v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{}})},
			object:   deployment, want: "l",
		},
		"and for nothing that is in no namespace": {
			policies: []v1alpha1.EditPolicy{named("l", 0, v1alpha1.Deny, v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{}})},
			object:   desired.Key{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "payments"},
		},
		"a selector that cannot be read matches nothing": {
			policies: []v1alpha1.EditPolicy{named("l", 0, v1alpha1.Deny, v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "Is", Values: []string{"prod"}}},
			}})},
			object: deployment, labels: map[string]string{"tier": "prod"},
		},
		"a pattern that cannot be read matches itself": {
			policies: []v1alpha1.EditPolicy{named("l", 0, v1alpha1.Deny, v1alpha1.Match{Namespaces: []string{"pay[", "p*"}})},
			object:   deployment, want: "l",
		},
		"all lists must match": {
			policies: []v1alpha1.EditPolicy{named("k", 0, v1alpha1.Deny, v1alpha1.Match{Kinds: []string{"Deployment"}, Namespaces: []string{"x"}})},
			object:   deployment,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				got, ok := Effective(test.policies, Object{test.object, owner, test.labels})
				if ok != (test.want != "") || ok && got.Name != test.want {
					t.Fatalf("got %v, want %q", got, test.want)
				}
				slices.Reverse(test.policies)
			}
		})
	}
}

func TestSubjects(t *testing.T) {
	subjects := []v1alpha1.Subject{
		{Kind: v1alpha1.User, Name: "ann"},
		{Kind: v1alpha1.Group, Name: "sre"},
		{Kind: v1alpha1.ServiceAccount, Namespace: "ci", Name: "deployer"},
	}
	for list, test := range map[string]struct {
		spec v1alpha1.EditPolicySpec
		has  func(*v1alpha1.EditPolicy, authenticationv1.UserInfo) bool
	}{
		"exempt":     {v1alpha1.EditPolicySpec{Exempt: subjects}, Exempts},
		"flux":       {v1alpha1.EditPolicySpec{Flux: subjects}, Flux},
		"breakGlass": {v1alpha1.EditPolicySpec{BreakGlass: &v1alpha1.BreakGlassRule{Allowed: subjects}}, BreakGlass},
	} {
		p := &v1alpha1.EditPolicy{Spec: test.spec}
		for user, want := range map[string]bool{
			"ann": true, "bob": false, "sre": false,
			"system:serviceaccount:ci:deployer": true, "system:serviceaccount:cd:deployer": false, "deployer": false,
		} {
			user := authenticationv1.UserInfo{Username: user}
			if got := test.has(p, user); got != want {
				t.Errorf("%s: %s: got %v", list, user.Username, got)
			}
			if test.has(&v1alpha1.EditPolicy{}, user) {
				t.Errorf("%s: %s is named by an empty policy", list, user.Username)
			}
		}
		if !test.has(p, authenticationv1.UserInfo{Username: "bob", Groups: []string{"sre"}}) {
			t.Errorf("%s: a member of a group is not named", list)
		}
	}
}
