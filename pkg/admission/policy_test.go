package admission

import (
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

var oncall = v1alpha1.Subject{Kind: v1alpha1.Group, Name: "oncall"}

// glass is one for payments-api that oncall@contoso.com opened a minute ago, for an hour.
func glass() v1alpha1.BreakGlass {
	return v1alpha1.BreakGlass{
		ObjectMeta: metav1.ObjectMeta{Name: "payments-fix", CreationTimestamp: metav1.NewTime(time.Now().Add(-time.Minute))},
		Spec: v1alpha1.BreakGlassSpec{
			Object:      v1alpha1.ObjectReference{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "payments-api"},
			RequestedBy: "oncall@contoso.com", Reason: "pods are killed", Duration: metav1.Duration{Duration: time.Hour},
		},
	}
}

func encode(t *testing.T, object *v1alpha1.BreakGlass) []byte {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	content["apiVersion"], content["kind"] = v1alpha1.GroupVersion.String(), "BreakGlass"
	text, err := (&unstructured.Unstructured{Object: content}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEditsUnderABreakGlass(t *testing.T) {
	for _, test := range []struct {
		name, request string
		change        func(w *world, g *v1alpha1.BreakGlass)
		want          Decision
	}{
		{"an edit", "memory", nil, UnderBreakGlass},
		{"a delete", "deleted", nil, UnderBreakGlass},
		{"a scale", "scaled", nil, UnderBreakGlass},
		{"an edit of another object", "secret", nil, Denied},
		{"an edit that nobody cares about", "same-values-applied", nil, Allowed},
		{"an edit when it is over", "memory", func(_ *world, g *v1alpha1.BreakGlass) { g.Spec.Duration.Duration = time.Second }, Denied},
		{"an edit when the policy's time is over", "memory", func(w *world, _ *v1alpha1.BreakGlass) {
			w.policies[0].Spec.BreakGlass.MaxDuration.Duration = time.Second
		}, Denied},
		{"an edit by somebody else", "memory", func(_ *world, g *v1alpha1.BreakGlass) { g.Spec.RequestedBy = "dev@contoso.com" }, Denied},
		{"an edit by a member of the group", "memory", func(_ *world, g *v1alpha1.BreakGlass) { g.Spec.RequestedBy, g.Spec.Group = "dev@contoso.com", "oncall" }, UnderBreakGlass},
		{"a policy that lets nobody", "memory", func(w *world, _ *v1alpha1.BreakGlass) { w.policies[0].Spec.BreakGlass = nil }, Denied},
		{"a policy that lets others", "memory", func(w *world, _ *v1alpha1.BreakGlass) {
			w.policies[0].Spec.BreakGlass.Allowed = []v1alpha1.Subject{{Kind: v1alpha1.User, Name: "lea"}}
		}, Denied},
		{"an exempt user", "memory", func(w *world, _ *v1alpha1.BreakGlass) { w.policies[0].Spec.Exempt = []v1alpha1.Subject{oncall} }, Exempted},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, g := newWorld(t), glass()
			w.policies[0].Spec.BreakGlass = &v1alpha1.BreakGlassRule{Allowed: []v1alpha1.Subject{oncall}}
			if test.change != nil {
				test.change(w, &g)
			}
			w.glasses = []v1alpha1.BreakGlass{g}
			v := verdict(t, recorded(t, test.request), w)
			if v.Decision != test.want {
				t.Fatalf("got %s %q, want %s", v.Decision, v.lines(), test.want)
			}
			under := v.Decision == UnderBreakGlass
			if (v.BreakGlass == "payments-fix") != under || (v.AuditAnnotations()[AuditBreakGlass] == "payments-fix") != under {
				t.Errorf("%s names %q", v.Decision, v.BreakGlass)
			}
			if under && (!v.Admitted() || !strings.HasPrefix(v.Warnings()[0], "BreakGlass payments-fix admits this edit. ")) {
				t.Errorf("warnings are %q", v.Warnings())
			}
		})
	}
}

func TestOpeningABreakGlass(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(in *admissionv1.AdmissionRequest, w *world, g *v1alpha1.BreakGlass)
		want   Decision
		says   string
	}{
		{"as the policy says", nil, Allowed, ""},
		{"in another's name", func(_ *admissionv1.AdmissionRequest, _ *world, g *v1alpha1.BreakGlass) {
			g.Spec.RequestedBy = "dev@contoso.com"
		},
			Denied, `BreakGlass payments-fix for Deployment payments/payments-api cannot be opened: spec.requestedBy is "dev@contoso.com", but you are "oncall@contoso.com": a BreakGlass is opened in one's own name.`},
		{"for another's group", func(_ *admissionv1.AdmissionRequest, _ *world, g *v1alpha1.BreakGlass) { g.Spec.Group = "dev" }, Denied, "of which you are no member"},
		{"for too long", func(_ *admissionv1.AdmissionRequest, _ *world, g *v1alpha1.BreakGlass) {
			g.Spec.Duration.Duration = 5 * time.Hour
		}, Denied, "EditPolicy enforce allows 4h0m0s at most"},
		{"without a rule", func(_ *admissionv1.AdmissionRequest, w *world, _ *v1alpha1.BreakGlass) {
			w.policies[0].Spec.BreakGlass = nil
		}, Denied, "no EditPolicy lets anybody"},
		{"by somebody whom the policy does not let", func(_ *admissionv1.AdmissionRequest, w *world, _ *v1alpha1.BreakGlass) {
			w.policies[0].Spec.BreakGlass.Allowed = []v1alpha1.Subject{{Kind: v1alpha1.User, Name: "lea"}}
		}, Denied, "EditPolicy enforce lets others break glass: User lea"},
		{"where another owner's policy applies", func(_ *admissionv1.AdmissionRequest, w *world, _ *v1alpha1.BreakGlass) {
			w.policies[0].Spec.Match.Owners = []string{"Kustomization/flux-system/infrastructure"}
		}, Denied, "no EditPolicy lets anybody"},
		{"for an object whose owner is not known", func(_ *admissionv1.AdmissionRequest, w *world, _ *v1alpha1.BreakGlass) {
			w.withoutState().policies[0].Spec.Match.Owners = []string{"HelmRelease/*/*"}
		}, Allowed, ""},
		{"in a namespace that a policy selects", func(_ *admissionv1.AdmissionRequest, w *world, _ *v1alpha1.BreakGlass) {
			w.namespaces = map[string]map[string]string{"payments": {"tier": "prod"}}
			w.policies = append(w.policies, v1alpha1.EditPolicy{Spec: v1alpha1.EditPolicySpec{Priority: 1, Action: v1alpha1.Deny, Match: v1alpha1.Match{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "prod"}},
			}}})
		}, Denied, "no EditPolicy lets anybody"},
		{"from git, by Flux", func(in *admissionv1.AdmissionRequest, _ *world, g *v1alpha1.BreakGlass) {
			g.Spec.RequestedBy = "ann"
			in.UserInfo = authenticationv1.UserInfo{Username: "system:serviceaccount:flux-system:kustomize-controller", UID: "1",
				Extra: map[string]authenticationv1.ExtraValue{podName: {"kustomize-controller-1"}}}
		}, Passed, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			in, w, g := recorded(t, "look-alike"), newWorld(t), glass()
			w.policies[0].Spec.BreakGlass = &v1alpha1.BreakGlassRule{Allowed: []v1alpha1.Subject{oncall}}
			if test.change != nil {
				test.change(in, w, &g)
			}
			in.Kind = metav1.GroupVersionKind{Group: "gitops-drift.dev", Version: "v1alpha1", Kind: "BreakGlass"}
			in.Resource = metav1.GroupVersionResource{Group: "gitops-drift.dev", Version: "v1alpha1", Resource: "breakglasses"}
			in.Name, in.Namespace = g.Name, ""
			in.Object.Raw = encode(t, &g)
			v := verdict(t, in, w)
			if v.Decision != test.want || !strings.Contains(v.refusal, test.says) || (v.Decision == Denied) != (v.refusal != "") {
				t.Errorf("got %s (%s) %q, want %s %q", v.Decision, v.Reason, v.refusal, test.want, test.says)
			}
			if v.Decision == Denied && v.Message() != v.refusal {
				t.Errorf("the message is %q", v.Message())
			}
		})
	}
}

func TestPoliciesThatSelectNamespaces(t *testing.T) {
	prod, dev := map[string]string{"tier": "prod"}, map[string]string{"tier": "dev"}
	relabel := func(raw *[]byte, tier string) func(t *testing.T) {
		return func(t *testing.T) {
			rewrite(t, raw, func(o *unstructured.Unstructured) { set(t, o, tier, "metadata", "labels", "tier") })
		}
	}
	for _, test := range []struct {
		name, request string
		labels        map[string]string
		change        func(t *testing.T, in *admissionv1.AdmissionRequest)
		want          Decision
	}{
		{"an object in a namespace that is selected", "memory", prod, nil, Denied},
		{"an object in another", "memory", dev, nil, Recorded},
		{"a scale in a namespace that is selected", "scaled", prod, nil, Denied},
		{"a Namespace by its own labels", "metadata-through-status", dev, func(t *testing.T, in *admissionv1.AdmissionRequest) {
			relabel(&in.OldObject.Raw, "prod")(t)
			relabel(&in.Object.Raw, "prod")(t)
		}, Denied},
		{"a Namespace that is relabelled", "metadata-through-status", dev, func(t *testing.T, in *admissionv1.AdmissionRequest) {
			relabel(&in.OldObject.Raw, "prod")(t)
			relabel(&in.Object.Raw, "dev")(t)
		}, Denied},
		{"a Namespace of another label", "metadata-through-status", prod, func(t *testing.T, in *admissionv1.AdmissionRequest) {
			relabel(&in.OldObject.Raw, "dev")(t)
			relabel(&in.Object.Raw, "prod")(t)
		}, Recorded},
	} {
		t.Run(test.name, func(t *testing.T) {
			in, w := recorded(t, test.request), newWorld(t)
			w.namespaces = map[string]map[string]string{"payments": test.labels}
			w.policies[0].Spec.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: prod}
			if test.change != nil {
				test.change(t, in)
			}
			if v := verdict(t, in, w); v.Decision != test.want {
				t.Errorf("got %s %q (%s), want %s", v.Decision, v.lines(), v.Reason, test.want)
			}
		})
	}
}

func TestFluxOfAnotherClusterPassesWhereThePolicySaysSo(t *testing.T) {
	hub := authenticationv1.UserInfo{Username: "hub-flux", Groups: []string{"system:authenticated"}, Extra: map[string]authenticationv1.ExtraValue{credentialID: {"X509SHA256=1"}}}
	for _, request := range []string{"memory", "deleted", "look-alike", "value-applied-as-flux"} {
		for name, test := range map[string]struct {
			change func(w *world)
			want   Decision
		}{
			"named":     {func(w *world) { w.policies[0].Spec.Flux = []v1alpha1.Subject{{Kind: v1alpha1.User, Name: "hub-flux"}} }, Passed},
			"not named": {func(*world) {}, Denied},
			"named by a policy for other objects": {func(w *world) {
				w.policies = append(w.policies, v1alpha1.EditPolicy{ObjectMeta: metav1.ObjectMeta{Name: "hub"}, Spec: v1alpha1.EditPolicySpec{
					Priority: 1, Match: v1alpha1.Match{Namespaces: []string{"other"}}, Flux: []v1alpha1.Subject{{Kind: v1alpha1.User, Name: "hub-flux"}},
				}})
			}, Denied},
		} {
			in, w := recorded(t, request), newWorld(t).withoutState()
			in.UserInfo = hub
			w.owner = nil
			test.change(w)
			if v := verdict(t, in, w); v.Decision != test.want {
				t.Errorf("%s, %s: got %s %q (%s)", request, name, v.Decision, v.lines(), v.Reason)
			}
		}
	}
}
