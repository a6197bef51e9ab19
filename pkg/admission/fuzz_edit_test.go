package admission

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/ssa/jsondiff"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// FuzzEdit takes choices: which recorded request, what else is done to its objects, who does it, what is desired, and
// which policies there are. A choice that is missing is 0, so that no choice at all is a request as it was recorded.
func FuzzEdit(f *testing.F) {
	names := recordings(f)
	requests := make([]*admissionv1.AdmissionRequest, len(names))
	for i, name := range names {
		requests[i] = recorded(f, name)
		f.Add([]byte{byte(i)})
		f.Add([]byte{byte(i), 0, 0, 0, 0, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3})
	}
	states := newWorld(f).States()
	f.Fuzz(func(t *testing.T, choices []byte) {
		d := &dice{choices}
		in := pick(d, requests...).DeepCopy()
		w := randomWorld(t, d, states[0])
		randomRequest(d, in)
		edits := d.below(4)
		for range edits {
			if d.below(2) == 0 {
				randomEdit(t, d, &in.Object)
			} else {
				randomEdit(t, d, &in.OldObject)
			}
		}
		hold(t, in, w)
	})
}

// dice makes choices of bytes, all of them 0 when there are no more.
type dice struct{ left []byte }

func (d *dice) below(n int) int {
	if len(d.left) == 0 || n <= 1 {
		return 0
	}
	b := d.left[0]
	d.left = d.left[1:]
	return int(b) % n
}

func (d *dice) coin() bool { return d.below(2) == 1 }

func pick[T any](d *dice, from ...T) T { return from[d.below(len(from))] }

// randomWorld is what there may be around a request.
func randomWorld(t *testing.T, d *dice, state desired.Kept) *world {
	t.Helper()
	w := &world{
		owner: &OwnerStatus{
			Revision: state.Revision, Settled: !d.coin(), Inventoried: !d.coin(), Suspended: d.coin(),
			ServiceAccount: pick(d, "", "apps-reconciler"),
		},
		policies: []v1alpha1.EditPolicy{{
			ObjectMeta: metav1.ObjectMeta{Name: "enforce"},
			Spec: v1alpha1.EditPolicySpec{
				Action: pick(d, v1alpha1.Deny, v1alpha1.Warn, v1alpha1.Record), Scope: pick(d, v1alpha1.Drift, v1alpha1.All, v1alpha1.Declared),
			},
		}},
	}
	for range d.below(3) {
		w.owner.Ignore = append(w.owner.Ignore, jsondiff.IgnoreRule{
			Paths: []string{pick(d, "/spec/replicas", "/data", "/metadata/labels", "/spec/template/spec/containers/0", "/spec/template/spec/containers/0/env/0", "")},
		})
	}
	switch d.below(4) {
	case 1:
		w.owner = nil
	case 2:
		w.policies = nil
	case 3:
		w.policies = append(w.policies, v1alpha1.EditPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "more"},
			Spec: v1alpha1.EditPolicySpec{
				Priority: int32(d.below(3)), Action: pick(d, v1alpha1.Deny, v1alpha1.Record),
				Exempt: []v1alpha1.Subject{{Kind: v1alpha1.Group, Name: pick(d, "oncall", "dev")}},
			},
		})
	}
	if d.below(4) == 3 {
		return w
	}
	wanted := &desired.State{Owner: state.Owner, Revision: state.Revision}
	changes := d.below(3)
	for _, packed := range state.Packed {
		object := packed.Object()
		if changes > 0 {
			object.Encrypted = d.below(8) == 7
			for range changes {
				change(d, object.Object)
			}
			// kustomize builds nothing without them.
			if object.GetKind() == "" || object.GetName() == "" {
				continue
			}
		}
		wanted.Objects = append(wanted.Objects, object)
	}
	if err := w.Set(wanted); err != nil {
		t.Fatal(err)
	}
	return w
}

// randomRequest changes who asks for what.
func randomRequest(d *dice, in *admissionv1.AdmissionRequest) {
	switch d.below(8) {
	case 1:
		in.Operation, in.OldObject = admissionv1.Create, runtime.RawExtension{}
	case 2:
		in.Operation, in.Object = admissionv1.Delete, runtime.RawExtension{}
	case 3:
		in.OldObject, in.Object = in.Object, in.OldObject
	case 4:
		in.SubResource = pick(d, "status", "scale", "exec")
	}
	switch d.below(8) {
	case 1:
		in.UserInfo = authenticationv1.UserInfo{Username: "system:serviceaccount:flux-system:apps-reconciler"}
	case 2:
		in.UserInfo = authenticationv1.UserInfo{Username: "system:serviceaccount:default:default", UID: "1"}
	case 3:
		in.UserInfo = authenticationv1.UserInfo{Username: "system:serviceaccount:"}
	case 4:
		in.UserInfo.UID = ""
	}
}

// randomEdit changes one of the request's objects.
func randomEdit(t *testing.T, d *dice, raw *runtime.RawExtension) {
	t.Helper()
	object := &unstructured.Unstructured{}
	if object.UnmarshalJSON(raw.Raw) != nil {
		return
	}
	switch d.below(5) {
	case 0:
		change(d, object.Object)
	case 1:
		changeManagers(d, object)
	case 2:
		object.SetLabels(map[string]string{
			pick(d, ownership.Kustomization, ownership.HelmRelease).NameLabel():      pick(d, "apps", "other", ""),
			pick(d, ownership.Kustomization, ownership.HelmRelease).NamespaceLabel(): pick(d, "flux-system", "other", ""),
		})
	case 3:
		object.SetAnnotations(map[string]string{
			pick(d, append(ownership.Controls(), requests...)...): pick(d, ownership.Disabled, ownership.Ignore, ownership.Merge, ownership.IfNotPresent, ""),
		})
	case 4:
		object.Object[pick(d, "data", "stringData", "spec", "status")] = randomValue(d)
	}
	text, err := json.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	raw.Raw = text
}

// change does something to a field or a list item below parent, and returns what parent is then.
func change(d *dice, parent any) any {
	switch p := parent.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(p))
		switch d.below(6) {
		case 0:
			p[pick(d, "name", "a", "é\x00\"]", ".", strings.Repeat("long", 500))] = randomValue(d)
		case 1:
			if len(names) > 0 {
				delete(p, pick(d, names...))
			}
		default:
			if len(names) > 0 {
				name := pick(d, names...)
				p[name] = change(d, p[name])
			}
		}
		return p
	case []any:
		if len(p) == 0 {
			return []any{randomValue(d)}
		}
		i := d.below(len(p))
		switch d.below(6) {
		case 0:
			return append(p, randomValue(d))
		case 1:
			return append(p, runtime.DeepCopyJSONValue(p[i]))
		case 2:
			return slices.Delete(p, i, i+1)
		case 3:
			slices.Reverse(p)
		default:
			p[i] = change(d, p[i])
		}
		return p
	}
	return randomValue(d)
}

// randomValue is a value that a field may get.
func randomValue(d *dice) any {
	switch d.below(14) {
	case 0:
		return "another-secret-value"
	case 1:
		return nil
	case 2:
		return ""
	case 3:
		return int64(d.below(3)) - 1
	case 4:
		return 1.5
	case 5:
		return d.coin()
	case 6:
		return map[string]any{}
	case 7:
		return []any{}
	case 8:
		return map[string]any{"name": pick[any](d, "payments-api", "LOG_LEVEL", "", int64(1), nil), "value": "a-third-secret-value"}
	case 9:
		return []any{randomValue(d), randomValue(d)}
	case 10:
		return strings.Repeat("é\n", 1+1000*d.below(20))
	case 11:
		var deep any = "c2VjcmV0LWluLWRlcHRo"
		for range 3 * d.below(256) {
			deep = map[string]any{"a": deep}
		}
		return deep
	case 12:
		return pick(d, "512Mi", "0.5Gi", "1e3", "1000m", "-0")
	}
	return map[string]any{"a": randomValue(d), "b": randomValue(d)}
}

// changeManagers changes managedFields as updates and applies do, and as nothing does.
func changeManagers(d *dice, object *unstructured.Unstructured) {
	metadata, _ := object.Object["metadata"].(map[string]any)
	list, _ := metadata["managedFields"].([]any)
	if len(list) == 0 {
		return
	}
	i := d.below(len(list))
	entry, ok := list[i].(map[string]any)
	if !ok {
		return
	}
	switch d.below(9) {
	case 0:
		entry["manager"] = pick(d, "kubectl-edit", ownership.KustomizeManager, ownership.HelmManager, ownership.BeforeFirstApply, "me")
	case 1:
		entry["operation"] = pick(d, "Apply", "Update", "")
	case 2:
		entry["subresource"] = pick(d, "", "status", "scale")
	case 3:
		metadata["managedFields"] = slices.Delete(list, i, i+1)
	case 4:
		delete(metadata, "managedFields")
	case 5:
		entry["apiVersion"] = pick[any](d, "v1", "apps/v1beta1", "", nil)
	case 6:
		entry["fieldsV1"] = randomValue(d)
	case 7:
		metadata["managedFields"] = randomValue(d)
	case 8:
		fields, _ := entry["fieldsV1"].(map[string]any)
		key := pick(d, `f:spec`, `f:data`, `k:{"name":"a"}`, `k:{"name":"a","name":"b"}`, `k:{}`, `v:"a"`, `v:1`, `v:1.0`, `v:{"a":[null]}`, `i:0`, `i:-1`, `x:1`, `.`, ``, `k:{`, `f:`)
		for range d.below(5) {
			next, _ := fields[pick(d, append([]string{"f:spec"}, slices.Sorted(maps.Keys(fields))...)...)].(map[string]any)
			if next != nil {
				fields = next
			}
		}
		if fields != nil {
			fields[key] = pick[any](d, map[string]any{}, map[string]any{".": map[string]any{}}, nil, int64(1))
		}
	}
}
