package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/fluxcd/pkg/ssa/jsondiff"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// testdata is written by `go run ./test/record pkg/admission/testdata`: requests that a real API server sent.

var apps = ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: "apps"}

// recorded returns a request as a real API server sent it.
func recorded(t testing.TB, name string) *admissionv1.AdmissionRequest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	in := &admissionv1.AdmissionRequest{}
	if err := json.Unmarshal(text, in); err != nil {
		t.Fatal(err)
	}
	return in
}

// world answers lookups in tests.
type world struct {
	desired.Store
	owner      *OwnerStatus
	policies   []v1alpha1.EditPolicy
	namespaces map[string]map[string]string
	glasses    []v1alpha1.BreakGlass
	err        error
	owners     map[ownership.Owner]*OwnerStatus
	surroundings
}

func (w *world) Desired(key desired.Key) (desired.Object, *desired.State, bool) { return w.Find(key) }
func (w *world) Policies() ([]v1alpha1.EditPolicy, error)                       { return w.policies, w.err }
func (w *world) ServiceAccounts(namespace string) ([]string, error) {
	var accounts []string
	for owner, status := range w.owners {
		if owner.Namespace == namespace {
			accounts = append(accounts, status.ServiceAccount)
		}
	}
	return accounts, nil
}
func (w *world) BreakGlasses() ([]v1alpha1.BreakGlass, error) { return w.glasses, nil }
func (w *world) NamespaceLabels(namespace string) (map[string]string, error) {
	return w.namespaces[namespace], nil
}
func (w *world) Owner(owner ownership.Owner, _ desired.Key) (*OwnerStatus, error) {
	if owner == apps {
		return w.owner, nil
	}
	return w.owners[owner], nil
}

// newWorld has the desired state that belongs to the recorded requests, and a policy that denies.
func newWorld(t testing.TB) *world {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "desired.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Revision string
		Objects  []struct {
			File   string
			Object map[string]any
		}
	}
	if err := yaml.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	state := &desired.State{Owner: apps, Revision: in.Revision}
	for _, o := range in.Objects {
		state.Objects = append(state.Objects, desired.Object{Unstructured: &unstructured.Unstructured{Object: o.Object}, File: o.File})
	}
	w := &world{
		owner:    &OwnerStatus{Revision: in.Revision, Settled: true, Inventoried: true},
		policies: []v1alpha1.EditPolicy{{ObjectMeta: metav1.ObjectMeta{Name: "enforce"}, Spec: v1alpha1.EditPolicySpec{Action: v1alpha1.Deny}}},
	}
	if err := w.Set(state); err != nil {
		t.Fatal(err)
	}
	return w
}

var payments = desired.Key{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "payments-api"}

func objectOf(in *admissionv1.AdmissionRequest) desired.Key {
	return desired.Key{Group: in.Kind.Group, Kind: in.Kind.Kind, Namespace: in.Namespace, Name: in.Name}
}

// declare changes what git declares of an object.
func (w *world) declare(t *testing.T, key desired.Key, change func(*unstructured.Unstructured)) {
	t.Helper()
	want, state, ok := w.Find(key)
	if !ok {
		t.Fatalf("the state does not hold %v", key)
	}
	change(want.Unstructured)
	next := *state
	next.Objects = []desired.Object{want}
	if err := w.Set(&next); err != nil {
		t.Fatal(err)
	}
}

// withoutState forgets the desired state, as if it could not be built.
func (w *world) withoutState() *world {
	w.Delete(apps)
	return w
}

func installation() *Installation {
	return &Installation{FluxNamespace: "flux-system", Namespace: "flux-system", ServiceAccount: "gitops-drift", Takeover: ownership.Takeover(nil)}
}

func kindOf(resource schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	switch resource.Resource {
	case "deployments":
		return schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, nil
	case "replicasets":
		return schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, nil
	}
	return schema.GroupVersionKind{}, fmt.Errorf("no matches for %s", resource.Resource)
}

func verdict(t testing.TB, in *admissionv1.AdmissionRequest, w *world) *Verdict {
	t.Helper()
	r, err := NewRequest(in, kindOf)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := gather(r, installation(), w, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v, err := Judge(r, facts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rewrite changes an object of a request.
func rewrite(t testing.TB, raw *[]byte, change func(object *unstructured.Unstructured)) {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(*raw); err != nil {
		t.Fatal(err)
	}
	change(object)
	text, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	*raw = text
}

// claimed adds an owner's labels to an object of a request.
func claimed(t testing.TB, raw *[]byte, owner ownership.Owner) {
	t.Helper()
	rewrite(t, raw, func(o *unstructured.Unstructured) {
		labels := o.GetLabels()
		labels[owner.Kind.NameLabel()], labels[owner.Kind.NamespaceLabel()] = owner.Name, owner.Namespace
		o.SetLabels(labels)
	})
}

func set(t testing.TB, object *unstructured.Unstructured, value any, path ...string) {
	t.Helper()
	if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
		t.Fatal(err)
	}
}

// container changes the only container of a Deployment.
func container(t *testing.T, object *unstructured.Unstructured, change func(map[string]any)) {
	t.Helper()
	list, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
	if err != nil {
		t.Fatal(err)
	}
	change(list[0].(map[string]any))
	set(t, object, list, "spec", "template", "spec", "containers")
}

const api = "spec.template.spec.containers[name=payments-api]"

func TestRecordedRequests(t *testing.T) {
	// state is what the verdict is with the desired state at hand, blind without it, where that differs.
	type want struct {
		decision Decision
		lines    []string
	}
	passed, allowed := want{decision: Passed}, want{decision: Allowed}
	denied := func(lines ...string) want { return want{Denied, lines} }
	for name, test := range map[string]struct {
		state want
		blind *want
	}{
		"memory":                          {state: denied(api + ".resources.limits.memory: 512Mi → 1Gi")},
		"env-added":                       {state: denied(api + `.env[name=DEBUG]: – → {"name":"DEBUG","value":"1"}`)},
		"env-added-by-another-manager":    {state: allowed},
		"env-removed":                     {state: denied(api + `.env[name=LOG_LEVEL]: {"name":"LOG_LEVEL","value":"info"} → –`)},
		"restart":                         {state: want{Recorded, []string{`spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]: – → 2026-11-22T23:40:00Z`}}},
		"owner-label-removed":             {state: denied(`metadata.labels["kustomize.toolkit.fluxcd.io/name"]: apps → –`)},
		"opted-out":                       {state: denied(`metadata.annotations["kustomize.toolkit.fluxcd.io/reconcile"]: – → disabled`)},
		"managedfields-wiped":             {state: denied("metadata.managedFields[manager=kustomize-controller]: removed")},
		"same-values-applied":             {state: allowed},
		"same-values-applied-client-side": {state: allowed},
		"same-values-applied-as-flux":     {state: allowed},
		"value-applied-as-flux":           {state: denied(api + ".resources.limits.memory: 512Mi → 4Gi")},
		"field-applied-as-flux":           {state: denied("spec.template.spec.priorityClassName: – → high")},
		"impersonated":                    {state: denied(api + ".image: ghcr.io/contoso/payments-api:1.4.2 → evil")},
		"tenant-impersonated":             {state: denied(api + ".image: ghcr.io/contoso/payments-api:1.4.2 → evil")},
		"deleted":                         {state: denied()},
		"scaled":                          {state: denied("spec.replicas: 2 → 5"), blind: &passed},
		"scaled-to-zero":                  {state: denied("spec.replicas: 2 → 0"), blind: &passed},
		"scaled-undeclared":               {state: allowed, blind: &passed},
		"older-version":                   {state: denied("spec.maxReplicas: 4 → 9")},
		"secret":                          {state: denied("data.password: *** → *** (differs)")},
		"custom-resource":                 {state: denied("spec.teeth: 12 → 13")},
		"custom-resource-added":           {state: denied("spec.material.grade: – → A")},
		"metadata-through-status":         {state: denied(`metadata.labels["kustomize.toolkit.fluxcd.io/name"]: apps → –`)},
		"look-alike":                      {state: denied(`metadata.labels["kustomize.toolkit.fluxcd.io/name"]: – → apps`)},
		"unmanaged-created":               {state: passed},
		"flux":                            {state: passed},
		"deployment-controller":           {state: passed},
	} {
		check := func(t *testing.T, v *Verdict, want want) {
			t.Helper()
			if v.Decision != want.decision || !slices.Equal(v.lines(), want.lines) {
				t.Errorf("got %s %q (%s), want %s %q", v.Decision, v.lines(), v.Reason, want.decision, want.lines)
			}
		}
		t.Run(name, func(t *testing.T) { check(t, verdict(t, recorded(t, name), newWorld(t)), test.state) })
		t.Run(name+" without desired state", func(t *testing.T) {
			want := test.state
			if test.blind != nil {
				want = *test.blind
			}
			check(t, verdict(t, recorded(t, name), newWorld(t).withoutState()), want)
		})
	}
}

func TestVerdictsThatDependOnTheWorld(t *testing.T) {
	memory := func(in *admissionv1.AdmissionRequest, before, after string) {
		for raw, value := range map[*[]byte]string{&in.OldObject.Raw: before, &in.Object.Raw: after} {
			rewrite(t, raw, func(o *unstructured.Unstructured) {
				container(t, o, func(c map[string]any) {
					c["resources"] = map[string]any{"limits": map[string]any{"cpu": "1", "memory": value}}
				})
			})
		}
	}
	annotate := func(in *admissionv1.AdmissionRequest, key, value string) {
		rewrite(t, &in.OldObject.Raw, func(o *unstructured.Unstructured) { o.SetAnnotations(map[string]string{key: value}) })
	}
	subject := authenticationv1.UserInfo{Username: "system:serviceaccount:flux-system:apps-reconciler", Groups: []string{"system:serviceaccounts"}}
	tenant := authenticationv1.UserInfo{Username: "system:serviceaccount:tenant:deployer", Groups: []string{"system:serviceaccounts"}}
	web := ownership.Owner{Kind: ownership.Kustomization, Namespace: "tenant", Name: "web"}
	infra := ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: "infra"}
	wipe := func(o *unstructured.Unstructured) { o.SetManagedFields(nil) }
	for _, test := range []struct {
		name    string
		request string
		change  func(in *admissionv1.AdmissionRequest, w *world)
		want    Decision
		closing string
	}{
		{"an edit that restores what git says", "memory", func(in *admissionv1.AdmissionRequest, _ *world) { memory(in, "1Gi", "512Mi") }, Allowed, ""},
		{"an edit that restores it in other words", "memory", func(in *admissionv1.AdmissionRequest, _ *world) { memory(in, "1Gi", "0.5Gi") }, Allowed, ""},
		{"an edit from one wrong value to another", "memory", func(in *admissionv1.AdmissionRequest, _ *world) { memory(in, "1Gi", "2Gi") }, Denied, "Flux would undo this edit."},
		{"without desired state nobody can tell", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			memory(in, "1Gi", "512Mi")
			w.withoutState()
		}, Denied, ""},
		{"an edit after managedFields were wiped", "memory", func(in *admissionv1.AdmissionRequest, _ *world) { rewrite(t, &in.OldObject.Raw, wipe) }, Denied, ""},
		{"an addition after managedFields were wiped", "env-added", func(in *admissionv1.AdmissionRequest, _ *world) {
			for _, raw := range []*[]byte{&in.OldObject.Raw, &in.Object.Raw} {
				rewrite(t, raw, func(o *unstructured.Unstructured) {
					wipe(o)
					container(t, o, func(c map[string]any) { c["env"] = []any{map[string]any{"name": "LOG_LEVEL", "value": "info"}} })
				})
			}
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { set(t, o, true, "spec", "paused") })
		}, Denied, "Flux would undo this edit."},
		{"wiped managedFields and no desired state, but in the inventory", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			rewrite(t, &in.OldObject.Raw, wipe)
			w.withoutState()
		}, Denied, ""},
		{"labels alone prove nothing", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			rewrite(t, &in.OldObject.Raw, wipe)
			w.withoutState().owner.Inventoried = false
		}, Passed, ""},
		{"removed labels, but desired", "memory", func(in *admissionv1.AdmissionRequest, _ *world) {
			rewrite(t, &in.OldObject.Raw, func(o *unstructured.Unstructured) { o.SetLabels(nil) })
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { o.SetLabels(nil) })
		}, Denied, ""},
		{"an object that Flux has let go of", "memory", func(_ *admissionv1.AdmissionRequest, w *world) { w.withoutState().owner.Inventoried = false }, Passed, ""},
		{"one that Flux is about to add", "memory", func(_ *admissionv1.AdmissionRequest, w *world) {
			w.withoutState()
			w.owner.Inventoried, w.owner.Settled = false, false
		}, Denied, ""},
		{"an owner in another cluster", "memory", func(_ *admissionv1.AdmissionRequest, w *world) { w.withoutState().owner = nil }, Denied, ""},
		{"a suspended owner", "memory", func(_ *admissionv1.AdmissionRequest, w *world) { w.owner.Suspended = true }, Denied, "is suspended; Flux would undo this edit when it resumes"},
		{"an object that is held", "memory", func(in *admissionv1.AdmissionRequest, _ *world) { annotate(in, ownership.Reconcile, "disabled") }, Denied, "held off this object"},
		{"a terminating object", "memory", func(in *admissionv1.AdmissionRequest, _ *world) {
			rewrite(t, &in.OldObject.Raw, func(o *unstructured.Unstructured) { now := metav1.Now(); o.SetDeletionTimestamp(&now) })
		}, Passed, ""},
		{"Flux in the name of the owner's account", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.owner.ServiceAccount = subject, "apps-reconciler"
		}, Passed, ""},
		{"Flux still at it in the name of the owner's former account", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.owner.ServiceAccount, w.owner.FormerServiceAccounts = subject, "other", []string{"", "apps-reconciler"}
		}, Passed, ""},
		{"a token of the owner's account", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.owner.ServiceAccount = subject, "apps-reconciler"
			in.UserInfo.UID = "1b2c"
		}, Denied, ""},
		{"Flux moves the object to an owner with an account", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo = tenant
			claimed(t, &in.Object.Raw, web)
			w.owners = map[ownership.Owner]*OwnerStatus{web: {ServiceAccount: "deployer"}}
		}, Passed, ""},
		{"Flux adopts the object of an owner that is gone", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.owner = tenant, nil
			claimed(t, &in.Object.Raw, web)
			w.owners = map[ownership.Owner]*OwnerStatus{web: {ServiceAccount: "deployer"}}
		}, Passed, ""},
		{"Flux prunes what another owner of the namespace has just put its labels on", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.owners = subject, map[ownership.Owner]*OwnerStatus{infra: {ServiceAccount: "apps-reconciler"}}
		}, Passed, ""},
		{"an account that no owner of the namespace names deletes", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.owners = subject, map[ownership.Owner]*OwnerStatus{infra: {ServiceAccount: "other"}}
		}, Denied, ""},
		{"Flux for one owner changes what another one of the namespace has", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.owners = subject, map[ownership.Owner]*OwnerStatus{infra: {ServiceAccount: "apps-reconciler"}}
		}, Denied, ""},
		{"Flux in the name of a release deletes what a Kustomization claims too", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo = tenant
			release := ownership.Owner{Kind: ownership.HelmRelease, Namespace: "tenant", Name: "web"}
			claimed(t, &in.OldObject.Raw, release)
			w.owners = map[ownership.Owner]*OwnerStatus{release: {ServiceAccount: "deployer"}}
		}, Passed, ""},
		{"Flux deletes what an owner that is gone has left behind", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.withoutState().owner = tenant, nil
			w.owners = map[ownership.Owner]*OwnerStatus{web: {ServiceAccount: "deployer"}}
		}, Passed, ""},
		{"Flux deletes a hook that a release by another name has left behind", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo = tenant
			former := ownership.Owner{Kind: ownership.HelmRelease, Namespace: "tenant", Name: "former"}
			w.withoutState()
			rewrite(t, &in.OldObject.Raw, func(o *unstructured.Unstructured) {
				o.SetLabels(map[string]string{former.Kind.NameLabel(): former.Name, former.Kind.NamespaceLabel(): former.Namespace})
				o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: ownership.HelmManager, Operation: metav1.ManagedFieldsOperationApply}})
			})
			w.owners = map[ownership.Owner]*OwnerStatus{former: {ServiceAccount: "other"}, web: {ServiceAccount: "deployer"}}
		}, Passed, ""},
		{"an account that no owner names deletes it", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.withoutState().owner = tenant, nil
			w.owners = map[ownership.Owner]*OwnerStatus{web: {ServiceAccount: "other"}}
		}, Denied, ""},
		{"Flux in the name of an owner deletes what another one has", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo = tenant
			w.owners = map[ownership.Owner]*OwnerStatus{web: {ServiceAccount: "deployer"}}
		}, Denied, ""},
		{"an account that the new owner does not name", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo = tenant
			claimed(t, &in.Object.Raw, web)
			w.owners = map[ownership.Owner]*OwnerStatus{web: {ServiceAccount: "other"}}
		}, Denied, ""},
		{"an account of a new owner that does not exist", "memory", func(in *admissionv1.AdmissionRequest, _ *world) {
			in.UserInfo = tenant
			claimed(t, &in.Object.Raw, web)
		}, Denied, ""},
		{"a token of the new owner's account", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo = tenant
			in.UserInfo.UID = "1b2c"
			claimed(t, &in.Object.Raw, web)
			w.owners = map[ownership.Owner]*OwnerStatus{web: {ServiceAccount: "deployer"}}
		}, Denied, ""},
		{"a person who gives the object to another owner", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			claimed(t, &in.Object.Raw, web)
			w.owners = map[ownership.Owner]*OwnerStatus{web: {ServiceAccount: "deployer"}}
		}, Denied, ""},
		{"an account of another name", "memory", func(in *admissionv1.AdmissionRequest, w *world) {
			in.UserInfo, w.owner.ServiceAccount = subject, "other"
		}, Denied, ""},
		{"an exempt user", "memory", func(_ *admissionv1.AdmissionRequest, w *world) {
			w.policies[0].Spec.Exempt = []v1alpha1.Subject{{Kind: v1alpha1.Group, Name: "oncall"}}
		}, Exempted, ""},
		{"no policy", "memory", func(_ *admissionv1.AdmissionRequest, w *world) { w.policies = nil }, Recorded, "Flux will undo this edit."},
		{"a policy that warns", "memory", func(_ *admissionv1.AdmissionRequest, w *world) { w.policies[0].Spec.Action = v1alpha1.Warn }, Warned, "Flux will undo this edit."},
		{"a restart together with another edit", "restart", func(in *admissionv1.AdmissionRequest, _ *world) {
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { set(t, o, int64(9), "spec", "replicas") })
		}, Denied, ""},
		{"a delete", "deleted", func(*admissionv1.AdmissionRequest, *world) {}, Denied, "Flux would recreate it. To remove it, delete it in git."},
		{"a deletecollection, which names no object", "deleted", func(in *admissionv1.AdmissionRequest, _ *world) { in.Name = "" }, Denied, ""},
		{"a look-alike by a controller that copies labels", "look-alike", func(in *admissionv1.AdmissionRequest, _ *world) {
			in.UserInfo = authenticationv1.UserInfo{Username: "system:serviceaccount:monitoring:operator", UID: "1"}
		}, Passed, ""},
		{"a request to reconcile", "opted-out", func(in *admissionv1.AdmissionRequest, _ *world) {
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) {
				o.SetAnnotations(map[string]string{"reconcile.fluxcd.io/requestedAt": "now"})
			})
			rewrite(t, &in.OldObject.Raw, func(o *unstructured.Unstructured) { o.SetAnnotations(nil) })
		}, Allowed, ""},
		{"an item that comes back with its defaults", "env-removed", func(in *admissionv1.AdmissionRequest, _ *world) {
			in.OldObject, in.Object = in.Object, in.OldObject
		}, Allowed, ""},
		{"a field that Flux is told to ignore", "memory", func(_ *admissionv1.AdmissionRequest, w *world) {
			w.owner.Ignore = []jsondiff.IgnoreRule{{Paths: []string{"/spec/template/spec/containers/0/resources", "/spec/not/there"}, Selector: &jsondiff.Selector{Kind: "Deployment"}}}
		}, Allowed, ""},
		{"replicas that Flux is told to ignore", "scaled", func(_ *admissionv1.AdmissionRequest, w *world) {
			w.owner.Ignore = []jsondiff.IgnoreRule{{Paths: []string{"/spec/replicas"}}}
		}, Allowed, ""},
		{"a field that Flux is told to ignore elsewhere", "memory", func(_ *admissionv1.AdmissionRequest, w *world) {
			w.owner.Ignore = []jsondiff.IgnoreRule{{Paths: []string{"/spec/template"}, Selector: &jsondiff.Selector{Kind: "StatefulSet"}}}
		}, Denied, ""},
		{"an addition where git asks for no takeover", "env-added", func(_ *admissionv1.AdmissionRequest, w *world) {
			w.declare(t, payments, func(o *unstructured.Unstructured) {
				o.SetAnnotations(map[string]string{ownership.SSA: ownership.Merge})
			})
		}, Allowed, ""},
		{"git holds Flux off", "memory", func(_ *admissionv1.AdmissionRequest, w *world) {
			w.declare(t, payments, func(o *unstructured.Unstructured) {
				o.SetAnnotations(map[string]string{ownership.SSA: ownership.IfNotPresent})
			})
		}, Passed, ""},
		{"a delete of what Helm released", "deleted", func(in *admissionv1.AdmissionRequest, w *world) {
			w.withoutState()
			rewrite(t, &in.OldObject.Raw, func(o *unstructured.Unstructured) {
				o.SetLabels(map[string]string{"helm.toolkit.fluxcd.io/name": "catalog", "helm.toolkit.fluxcd.io/namespace": "catalog"})
				o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: ownership.HelmManager, Operation: metav1.ManagedFieldsOperationApply}})
			})
		}, Denied, "Helm does not know of this edit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in, w := recorded(t, test.request), newWorld(t)
			test.change(in, w)
			v := verdict(t, in, w)
			if v.Decision != test.want || !strings.Contains(v.closing, test.closing) {
				t.Errorf("got %s %q %q (%s), want %s %q", v.Decision, v.lines(), v.closing, v.Reason, test.want, test.closing)
			}
		})
	}
}

func TestANullIsAFieldOfItsOwn(t *testing.T) {
	grade := func(t *testing.T, raw *[]byte, value any) {
		rewrite(t, raw, func(o *unstructured.Unstructured) { set(t, o, value, "spec", "material", "grade") })
	}
	in := recorded(t, "custom-resource-added")
	grade(t, &in.Object.Raw, nil)
	if v := verdict(t, in, newWorld(t)); v.Decision != Denied || !slices.Equal(v.lines(), []string{"spec.material.grade: – → null"}) {
		t.Errorf("a null that somebody adds: %s %q", v.Decision, v.lines())
	}
	w := newWorld(t)
	w.declare(t, objectOf(in), func(o *unstructured.Unstructured) { set(t, o, nil, "spec", "material", "grade") })
	if v := verdict(t, in, w); v.Decision != Allowed {
		t.Errorf("a null that git wants: %s %q", v.Decision, v.lines())
	}
}

func TestValuesThatMayBeOfASecretAreMaskedWhereNobodyKnowsWhich(t *testing.T) {
	for name, test := range map[string]struct {
		world *world
		want  string
	}{
		"nothing is known": {newWorld(t).withoutState(), "*** → *** (differs)"},
		"they are known":   {newWorld(t), "512Mi → 1Gi"},
	} {
		test.world.owner.FromSecrets = true
		if v := verdict(t, recorded(t, "memory"), test.world); v.Decision != Denied || !slices.Equal(v.lines(), []string{api + ".resources.limits.memory: " + test.want}) {
			t.Errorf("%s: %s %q", name, v.Decision, v.lines())
		}
	}
}

func TestSuspendingIsOptingOut(t *testing.T) {
	for name, test := range map[string]struct {
		group         string
		before, after any
		want          Decision
	}{
		"a Kustomization":         {"kustomize.toolkit.fluxcd.io", nil, true, Denied},
		"a source":                {"source.toolkit.fluxcd.io", false, true, Denied},
		"resuming":                {"kustomize.toolkit.fluxcd.io", true, false, Allowed},
		"something else entirely": {"batch", nil, true, Allowed},
	} {
		in := recorded(t, "custom-resource")
		in.Kind.Group = test.group
		for raw, value := range map[*[]byte]any{&in.OldObject.Raw: test.before, &in.Object.Raw: test.after} {
			rewrite(t, raw, func(o *unstructured.Unstructured) {
				set(t, o, int64(12), "spec", "teeth")
				if value != nil {
					set(t, o, value, "spec", "suspend")
				}
			})
		}
		if v := verdict(t, in, newWorld(t)); v.Decision != test.want {
			t.Errorf("%s: got %s %q", name, v.Decision, v.lines())
		}
	}
}

func TestVerdictsAreDeterministic(t *testing.T) {
	in := recorded(t, "memory")
	rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) {
		o.SetLabels(map[string]string{"a": "1", "b": "2", "c": "3"})
		o.SetAnnotations(map[string]string{ownership.Reconcile: "disabled", ownership.SSA: "Ignore", ownership.Prune: "disabled"})
		set(t, o, int64(7), "spec", "replicas")
	})
	first := verdict(t, in, newWorld(t)).Message()
	for range 20 {
		if next := verdict(t, in, newWorld(t)).Message(); next != first {
			t.Fatalf("got\n%s\nafter\n%s", next, first)
		}
	}
}

func TestLookupErrorsAreNotVerdicts(t *testing.T) {
	w := newWorld(t)
	w.err = errors.New("the cache is gone")
	r, err := NewRequest(recorded(t, "memory"), kindOf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gather(r, installation(), w, time.Now()); !errors.Is(err, w.err) {
		t.Errorf("got %v", err)
	}
}
