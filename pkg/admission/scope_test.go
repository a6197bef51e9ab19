package admission

import (
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxcd/pkg/ssa/jsondiff"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

func TestScopes(t *testing.T) {
	type decisions struct{ declared, drift, all Decision }
	always := decisions{Denied, Denied, Denied}
	never := decisions{Allowed, Allowed, Allowed}
	annotated := func(before, after map[string]string) func(*testing.T, *admissionv1.AdmissionRequest, *world) {
		return func(t *testing.T, in *admissionv1.AdmissionRequest, _ *world) {
			rewrite(t, &in.OldObject.Raw, func(o *unstructured.Unstructured) { o.SetAnnotations(before) })
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { o.SetAnnotations(after) })
		}
	}
	statusOf := func(user authenticationv1.UserInfo) func(*testing.T, *admissionv1.AdmissionRequest, *world) {
		return func(t *testing.T, in *admissionv1.AdmissionRequest, _ *world) {
			in.UserInfo, in.SubResource = user, "status"
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { set(t, o, int64(12), "spec", "teeth") })
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { set(t, o, "Ready", "status", "phase") })
		}
	}
	for _, test := range []struct {
		name, request string
		change        func(t *testing.T, in *admissionv1.AdmissionRequest, w *world)
		want          decisions
	}{
		{"a declared field", "memory", nil, always},
		{"a removed one", "env-removed", nil, always},
		{"the owner's label", "owner-label-removed", nil, always},
		{"an opt-out", "opted-out", nil, always},
		{"wiped managedFields", "managedfields-wiped", nil, always},
		{"a delete", "deleted", nil, always},
		{"a look-alike", "look-alike", nil, always},
		{"scaling what git scales", "scaled", nil, always},
		{"a field that Flux would strip", "env-added", nil, decisions{Recorded, Denied, Denied}},
		{"a restart", "restart", nil, decisions{Recorded, Recorded, Denied}},
		{"a field that Flux leaves alone", "env-added-by-another-manager", nil, decisions{Allowed, Allowed, Denied}},
		{"scaling what git does not scale", "scaled-undeclared", nil, decisions{Allowed, Allowed, Denied}},
		{"the same values", "same-values-applied", nil, never},
		{"the same values with kubectl's note", "same-values-applied-client-side", nil, never},
		{"a request to reconcile", "opted-out", annotated(nil, map[string]string{"reconcile.fluxcd.io/requestedAt": "now"}), never},
		{"removing what somebody else added", "opted-out", annotated(map[string]string{"contoso.com/note": "mine"}, nil), decisions{Allowed, Allowed, Denied}},
		{"a field that Flux is told to ignore", "memory", func(_ *testing.T, _ *admissionv1.AdmissionRequest, w *world) {
			w.owner.Ignore = []jsondiff.IgnoreRule{{Paths: []string{"/spec/template/spec/containers/0/resources"}}}
		}, decisions{Allowed, Allowed, Denied}},
		{"replicas that Flux is told to ignore", "scaled", func(_ *testing.T, _ *admissionv1.AdmissionRequest, w *world) {
			w.owner.Ignore = []jsondiff.IgnoreRule{{Paths: []string{"/spec/replicas"}}}
		}, decisions{Allowed, Allowed, Denied}},
		{"a status that a person writes", "custom-resource", statusOf(authenticationv1.UserInfo{Username: "ann"}), decisions{Allowed, Allowed, Denied}},
		{"a status that a controller writes", "custom-resource", statusOf(authenticationv1.UserInfo{Username: "system:serviceaccount:gears:operator", UID: "1"}), never},
		{"an exempt writer's edit that nobody cares about", "env-added-by-another-manager", func(_ *testing.T, _ *admissionv1.AdmissionRequest, w *world) {
			w.policies[0].Spec.Exempt = []v1alpha1.Subject{{Kind: v1alpha1.Group, Name: "oncall"}}
		}, never},
		{"an exempt writer's edit", "memory", func(_ *testing.T, _ *admissionv1.AdmissionRequest, w *world) {
			w.policies[0].Spec.Exempt = []v1alpha1.Subject{{Kind: v1alpha1.Group, Name: "oncall"}}
		}, decisions{Exempted, Exempted, Exempted}},
		{"a field that git does not declare beside one that it does", "memory", annotated(nil, map[string]string{"contoso.com/note": "mine"}), always},
		{"what an older version of the API calls otherwise", "older-version", nil, always},
		{"an object that nobody manages", "unmanaged-created", nil, decisions{Passed, Passed, Passed}},
	} {
		for scope, want := range map[v1alpha1.Scope]Decision{
			v1alpha1.Declared: test.want.declared, v1alpha1.Drift: test.want.drift, "": test.want.drift, v1alpha1.All: test.want.all,
		} {
			t.Run(test.name+" in scope "+string(scope), func(t *testing.T) {
				in, w := recorded(t, test.request), newWorld(t)
				w.policies[0].Spec.Scope = scope
				if test.change != nil {
					test.change(t, in, w)
				}
				if v := verdict(t, in, w); v.Decision != want {
					t.Errorf("got %s %q (%s), want %s", v.Decision, v.lines(), v.Reason, want)
				}
			})
		}
	}
}

func TestOutsideOfItsScopeAPolicyRecords(t *testing.T) {
	for _, action := range []v1alpha1.Action{v1alpha1.Deny, v1alpha1.Warn, v1alpha1.Record} {
		w := newWorld(t)
		w.policies[0].Spec.Action = action
		v := verdict(t, recorded(t, "restart"), w)
		want := "Flux will strip this annotation at its next reconcile, and so roll the Deployment once more."
		if v.Decision != Recorded || !slices.Equal(v.Warnings(), []string{want}) {
			t.Errorf("%s: got %s with warnings %q", action, v.Decision, v.Warnings())
		}
		w.policies[0].Spec.Scope = v1alpha1.Declared
		if v := verdict(t, recorded(t, "env-added"), w); v.Decision != Recorded || len(v.Warnings()) > 0 || v.Policy != "enforce" {
			t.Errorf("%s: got %s by %q with warnings %q", action, v.Decision, v.Policy, v.Warnings())
		}
	}
}

func TestInScopeAllEveryChangeIsNamed(t *testing.T) {
	w := newWorld(t)
	w.policies[0].Spec.Scope = v1alpha1.All
	in := recorded(t, "memory")
	rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) {
		o.SetAnnotations(map[string]string{"contoso.com/note": "mine", "deployment.kubernetes.io/revision": "1"})
		// The note is somebody's whom Flux leaves alone.
		o.SetManagedFields(append(o.GetManagedFields(), metav1.ManagedFieldsEntry{
			Manager: "me", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "apps/v1", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:contoso.com/note":{}}}}`),
		}))
	})
	v := verdict(t, in, w)
	want := []string{`metadata.annotations["contoso.com/note"]: – → mine`, api + ".resources.limits.memory: 512Mi → 1Gi"}
	if !slices.Equal(v.lines(), want) || v.Findings[0].Kind != Undeclared || v.Findings[1].Kind != Changed {
		t.Errorf("got %q", v.lines())
	}
	if !strings.Contains(v.Message(), "Flux would undo what git declares.") {
		t.Errorf("got %s", v.Message())
	}
	in = recorded(t, "env-added-by-another-manager")
	if got, want := verdict(t, in, w).Message(), "Flux would not undo this edit, but EditPolicy enforce is for every change."; !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
	in = recorded(t, "restart")
	if got, want := verdict(t, in, w).Message(), "Flux would strip this annotation at its next reconcile"; !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
}
