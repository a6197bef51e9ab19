package policy

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

func TestAPolicyThatCannotBeReadIsNotAccepted(t *testing.T) {
	for name, test := range map[string]struct {
		match v1alpha1.Match
		want  []string
	}{
		"nothing to read": {},
		"patterns": {v1alpha1.Match{
			Namespaces: []string{"a", "*", "team-[a-c]?"}, Owners: []string{"Kustomization/*/ap[ps]s"},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "prod"}},
		}, nil},
		"bad patterns": {
			v1alpha1.Match{Namespaces: []string{"a", "team-[", "b-*["}, Owners: []string{"Kustomization/*/a["}},
			[]string{
				`spec.match.namespaces[1]: "team-[" is no pattern that can be read, so it matches nothing but this very text`,
				`spec.match.namespaces[2]: "b-*[" is no pattern that can be read, so it matches nothing but this very text`,
				`spec.match.owners[0]: "Kustomization/*/a[" is no pattern that can be read, so it matches nothing but this very text`,
			},
		},
		"a bad selector": {
			v1alpha1.Match{NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "Is"}}}},
			[]string{`spec.match.namespaceSelector: "Is" is not a valid label selector operator; so the policy matches nothing`},
		},
	} {
		p := &v1alpha1.EditPolicy{ObjectMeta: metav1.ObjectMeta{Generation: 3}, Spec: v1alpha1.EditPolicySpec{Match: test.match}}
		if got := Unreadable(p); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q", name, got)
		}
		c := accepted(p)
		if ok := c.Status == metav1.ConditionTrue; ok != (test.want == nil) || c.ObservedGeneration != 3 {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}
