package breakglass

import (
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

var (
	now = time.Date(2026, 11, 22, 23, 40, 0, 0, time.UTC)
	api = desired.Key{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "payments-api"}
	ann = authenticationv1.UserInfo{Username: "ann", Groups: []string{"oncall", "system:authenticated"}}
	bob = authenticationv1.UserInfo{Username: "bob", Groups: []string{"oncall"}}
	eve = authenticationv1.UserInfo{Username: "eve", Groups: []string{"dev"}}
)

// glass is what ann opens for an hour, ten minutes ago.
func glass(name string, change func(*v1alpha1.BreakGlass)) v1alpha1.BreakGlass {
	g := v1alpha1.BreakGlass{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-10 * time.Minute))},
		Spec: v1alpha1.BreakGlassSpec{
			Object:      v1alpha1.ObjectReference{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "payments-api"},
			RequestedBy: "ann", Reason: "pods are killed", Duration: metav1.Duration{Duration: time.Hour},
		},
	}
	if change != nil {
		change(&g)
	}
	return g
}

// rule is a policy that lets these break glass for two hours.
func rule(name string, allowed ...v1alpha1.Subject) *v1alpha1.EditPolicy {
	p := &v1alpha1.EditPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.BreakGlass = &v1alpha1.BreakGlassRule{Allowed: allowed, MaxDuration: metav1.Duration{Duration: 2 * time.Hour}}
	return p
}

var oncall = v1alpha1.Subject{Kind: v1alpha1.Group, Name: "oncall"}

func TestFor(t *testing.T) {
	one := func(change func(*v1alpha1.BreakGlass)) []v1alpha1.BreakGlass {
		return []v1alpha1.BreakGlass{glass("a", change)}
	}
	aged := func(age time.Duration) func(*v1alpha1.BreakGlass) {
		return func(g *v1alpha1.BreakGlass) { g.CreationTimestamp = metav1.NewTime(now.Add(-age)) }
	}
	for name, test := range map[string]struct {
		glasses []v1alpha1.BreakGlass
		policy  *v1alpha1.EditPolicy
		object  desired.Key
		user    authenticationv1.UserInfo
		want    string
	}{
		"the requester":                         {one(nil), rule("p", oncall), api, ann, "a"},
		"a colleague":                           {one(nil), rule("p", oncall), api, bob, ""},
		"a colleague of the group":              {one(func(g *v1alpha1.BreakGlass) { g.Spec.Group = "oncall" }), rule("p", oncall), api, bob, "a"},
		"somebody of another group":             {one(func(g *v1alpha1.BreakGlass) { g.Spec.Group = "oncall" }), rule("p", oncall), api, eve, ""},
		"a group that the policy knows not":     {one(func(g *v1alpha1.BreakGlass) { g.Spec.Group = "dev" }), rule("p", oncall), api, eve, ""},
		"a requester whom the policy knows not": {one(func(g *v1alpha1.BreakGlass) { g.Spec.RequestedBy = "eve" }), rule("p", oncall), api, eve, ""},
		"another object":                        {one(nil), rule("p", oncall), desired.Key{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "other"}, ann, ""},
		"the same name of another group":        {one(nil), rule("p", oncall), desired.Key{Kind: "Deployment", Namespace: "payments", Name: "payments-api"}, ann, ""},
		"no policy":                             {one(nil), nil, api, ann, ""},
		"a policy without a rule":               {one(nil), &v1alpha1.EditPolicy{}, api, ann, ""},
		"closed":                                {one(func(g *v1alpha1.BreakGlass) { g.Spec.Closed = true }), rule("p", oncall), api, ann, ""},
		"found to be over by a faster clock":    {one(func(g *v1alpha1.BreakGlass) { g.Status.Ended = &metav1.Time{Time: now} }), rule("p", oncall), api, ann, ""},
		"being deleted":                         {one(func(g *v1alpha1.BreakGlass) { g.DeletionTimestamp = &metav1.Time{Time: now} }), rule("p", oncall), api, ann, ""},
		"a moment before its end":               {one(aged(time.Hour - time.Second)), rule("p", oncall), api, ann, "a"},
		"at its end":                            {one(aged(time.Hour)), rule("p", oncall), api, ann, ""},
		"longer than the policy allows":         {one(func(g *v1alpha1.BreakGlass) { g.Spec.Duration.Duration = 24 * time.Hour; aged(3 * time.Hour)(g) }), rule("p", oncall), api, ann, ""},
		"longer, in the time that it allows":    {one(func(g *v1alpha1.BreakGlass) { g.Spec.Duration.Duration = 24 * time.Hour; aged(time.Hour)(g) }), rule("p", oncall), api, ann, "a"},
		"the one that lasts longest": {[]v1alpha1.BreakGlass{
			glass("a", nil), glass("b", func(g *v1alpha1.BreakGlass) { g.Spec.Duration.Duration = 90 * time.Minute }), glass("c", nil),
		}, rule("p", oncall), api, ann, "b"},
		"the first of equals": {[]v1alpha1.BreakGlass{glass("b", nil), glass("a", nil), glass("c", nil)}, rule("p", oncall), api, ann, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				got := ""
				if g := For(test.glasses, test.policy, test.object, test.user, now); g != nil {
					got = g.Name
				}
				if got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
				slices.Reverse(test.glasses)
			}
		})
	}
}

func TestARuleWithoutAMaximumAllowsFourHours(t *testing.T) {
	p := rule("p", oncall)
	p.Spec.BreakGlass.MaxDuration.Duration = 0
	g := glass("a", func(g *v1alpha1.BreakGlass) { g.Spec.Duration.Duration = 24 * time.Hour })
	if got := Ends(&g, p).Sub(g.CreationTimestamp.Time); got != 4*time.Hour {
		t.Errorf("it lasts %s", got)
	}
}

func TestRefusal(t *testing.T) {
	leads := rule("leads", v1alpha1.Subject{Kind: v1alpha1.User, Name: "lea"}, v1alpha1.Subject{Kind: v1alpha1.ServiceAccount, Namespace: "ops", Name: "bot"})
	for name, test := range map[string]struct {
		change   func(*v1alpha1.BreakGlass)
		policies []*v1alpha1.EditPolicy
		user     authenticationv1.UserInfo
		want     string
		by       string
	}{
		"all is well":             {nil, []*v1alpha1.EditPolicy{rule("p", oncall)}, ann, "", "p"},
		"with one's group":        {func(g *v1alpha1.BreakGlass) { g.Spec.Group = "oncall" }, []*v1alpha1.EditPolicy{rule("p", oncall)}, ann, "", "p"},
		"in another's name":       {nil, []*v1alpha1.EditPolicy{rule("p", oncall)}, bob, `spec.requestedBy is "ann", but you are "bob"`, ""},
		"with another's group":    {func(g *v1alpha1.BreakGlass) { g.Spec.Group = "dev" }, []*v1alpha1.EditPolicy{rule("p", oncall)}, ann, `spec.group is "dev", of which you are no member`, ""},
		"no policy":               {nil, nil, ann, "no EditPolicy lets anybody break glass for this object", ""},
		"a policy without a rule": {nil, []*v1alpha1.EditPolicy{{}}, ann, "no EditPolicy lets anybody break glass for this object", ""},
		"a policy for others":     {nil, []*v1alpha1.EditPolicy{leads}, ann, "EditPolicy leads lets others break glass: User lea, ServiceAccount ops/bot", "leads"},
		"too long":                {func(g *v1alpha1.BreakGlass) { g.Spec.Duration.Duration = 3 * time.Hour }, []*v1alpha1.EditPolicy{rule("p", oncall)}, ann, "spec.duration is 3h0m0s; EditPolicy p allows 2h0m0s at most", "p"},
		"one of the policies":     {nil, []*v1alpha1.EditPolicy{{}, leads, rule("p", oncall)}, ann, "", "p"},
	} {
		g := glass("a", test.change)
		by, got := Refusal(&g, test.policies, test.user)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		if (by == nil) != (test.by == "") || by != nil && by.Name != test.by {
			t.Errorf("%s: decided by %v", name, by)
		}
	}
}

func TestActive(t *testing.T) {
	users := rule("p", v1alpha1.Subject{Kind: v1alpha1.User, Name: "ann"})
	for name, test := range map[string]struct {
		glasses []v1alpha1.BreakGlass
		policy  *v1alpha1.EditPolicy
		want    string
	}{
		"one of an allowed user":  {[]v1alpha1.BreakGlass{glass("a", nil)}, users, "a"},
		"one of another user":     {[]v1alpha1.BreakGlass{glass("a", func(g *v1alpha1.BreakGlass) { g.Spec.RequestedBy = "eve" })}, users, ""},
		"one whose groups were":   {[]v1alpha1.BreakGlass{glass("a", func(g *v1alpha1.BreakGlass) { g.Spec.RequestedBy = "eve" })}, rule("p", oncall), "a"},
		"none":                    {nil, users, ""},
		"no policy":               {[]v1alpha1.BreakGlass{glass("a", nil)}, nil, ""},
		"a policy without a rule": {[]v1alpha1.BreakGlass{glass("a", nil)}, &v1alpha1.EditPolicy{}, ""},
		"closed":                  {[]v1alpha1.BreakGlass{glass("a", func(g *v1alpha1.BreakGlass) { g.Spec.Closed = true })}, users, ""},
		"the longest, of two":     {[]v1alpha1.BreakGlass{glass("a", nil), glass("b", func(g *v1alpha1.BreakGlass) { g.Spec.Duration.Duration = 90 * time.Minute })}, users, "b"},
		"another object's":        {[]v1alpha1.BreakGlass{glass("a", func(g *v1alpha1.BreakGlass) { g.Spec.Object.Name = "other" })}, users, ""},
	} {
		got := ""
		if g := Active(test.glasses, test.policy, api, now); g != nil {
			got = g.Name
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
