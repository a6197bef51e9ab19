package drift

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func settings(data map[string]any, entries ...metav1.ManagedFieldsEntry) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "settings", "namespace": "shop"}, "data": data,
	}}
	u.SetManagedFields(entries)
	return u
}

func entry(manager string, operation metav1.ManagedFieldsOperationType, set string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: operation, APIVersion: "v1", FieldsType: "FieldsV1",
		Time: &metav1.Time{Time: time.Unix(1000, 0)}, FieldsV1: metav1.NewFieldsV1(set),
	}
}

func TestSettled(t *testing.T) {
	want := settings(map[string]any{"a": "1"})
	flux := func(set string) metav1.ManagedFieldsEntry {
		return entry("kustomize-controller", metav1.ManagedFieldsOperationApply, set)
	}
	ours := flux(`{"f:data":{"f:a":{}}}`)
	for _, test := range []struct {
		name string
		live *unstructured.Unstructured
		want bool
	}{
		{"as applied", settings(map[string]any{"a": "1"}, ours), true},
		{"a field added by an operator", settings(map[string]any{"a": "1", "b": "2"}, ours, entry("operator", metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:b":{}}}`)), true},
		{"a field added by kubectl", settings(map[string]any{"a": "1", "b": "2"}, ours, entry("kubectl-edit", metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:b":{}}}`)), false},
		{"a changed value", settings(map[string]any{"a": "2"}, ours), false},
		{"no entry of Flux", settings(map[string]any{"a": "1"}), false},
		// Several fields beyond git, so that the first does not end the walk through the set by being the last.
		{"Flux's entry holds what git no longer declares", settings(map[string]any{"a": "1", "x": "1", "y": "2", "z": "3"},
			flux(`{"f:data":{"f:a":{},"f:x":{},"f:y":{},"f:z":{}},"f:metadata":{"f:labels":{"f:old":{}}}}`)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			managers, err := ownership.Managers(test.live)
			if err != nil {
				t.Fatal(err)
			}
			if got := Settled(want, test.live, managers, ownership.Takeover(nil)); got != test.want {
				t.Errorf("settled is %t", got)
			}
		})
	}
}

func TestSettledTakesNullAsAValue(t *testing.T) {
	want := settings(map[string]any{"a": "1", "b": nil})
	for _, test := range []struct {
		name string
		b    any
		set  string
		want bool
	}{
		{"kept as null", nil, `{"f:data":{"f:a":{},"f:b":{}}}`, true},
		{"left out by the schema", nil, `{"f:data":{"f:a":{}}}`, true},
		{"set by an operator", "2", `{"f:data":{"f:a":{}}}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			live := settings(map[string]any{"a": "1", "b": test.b},
				entry("kustomize-controller", metav1.ManagedFieldsOperationApply, test.set),
				entry("operator", metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:b":{}}}`))
			managers, err := ownership.Managers(live)
			if err != nil {
				t.Fatal(err)
			}
			if got := Settled(want, live, managers, ownership.Takeover(nil)); got != test.want {
				t.Errorf("settled is %t", got)
			}
		})
	}
}

func TestSettledKnowsTheProtocolOfAPort(t *testing.T) {
	service := func(ports ...any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "dns", "namespace": "shop"},
			"spec": map[string]any{"ports": ports},
		}}
	}
	port := func(number int64, protocol string) any {
		out := map[string]any{"port": number}
		if protocol != "" {
			out["protocol"] = protocol
		}
		return out
	}
	const tcp, udp = `"k:{\"port\":53,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}`, `"k:{\"port\":53,\"protocol\":\"UDP\"}":{".":{},"f:port":{}}`
	for _, test := range []struct {
		name       string
		want, live []any
		declared   string
		settled    bool
	}{
		{"left to the default", []any{port(53, "")}, []any{port(53, "TCP")}, tcp, true},
		{"once UDP in git, now left to the default", []any{port(53, "")}, []any{port(53, "UDP")}, udp, false},
		{"one written, one not", []any{port(53, ""), port(53, "UDP")}, []any{port(53, "TCP"), port(53, "UDP")}, tcp + "," + udp, true},
		{"a name that only the other protocol has", []any{map[string]any{"port": int64(53), "protocol": "UDP", "name": "dns"}, port(53, "")},
			[]any{map[string]any{"port": int64(53), "protocol": "UDP", "name": "dns"}, map[string]any{"port": int64(53), "protocol": "TCP", "name": "old"}},
			`"k:{\"port\":53,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{}}`, false},
		{"TCP no longer in git", []any{port(53, "UDP")}, []any{port(53, "UDP")}, tcp + "," + udp, false},
		{"another port", []any{port(54, "")}, []any{port(54, "TCP")}, tcp, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			live := service(test.live...)
			live.SetManagedFields([]metav1.ManagedFieldsEntry{
				entry("kustomize-controller", metav1.ManagedFieldsOperationApply, `{"f:spec":{"f:ports":{`+test.declared+`}}}`)})
			managers, err := ownership.Managers(live)
			if err != nil {
				t.Fatal(err)
			}
			if got := Settled(service(test.want...), live, managers, ownership.Takeover(nil)); got != test.settled {
				t.Errorf("settled is %t", got)
			}
		})
	}
}

// The annotation may be the only one of the object, and then be found with the map that holds it.
func TestARequestToReconcileIsNoDrift(t *testing.T) {
	for name, own := range map[string]map[string]any{"alone": {}, "beside git's own": {"team": "shop"}} {
		t.Run(name, func(t *testing.T) {
			before := settings(map[string]any{"a": "1"})
			asked := settings(map[string]any{"a": "1"})
			annotations := map[string]any{"reconcile.fluxcd.io/requestedAt": "now", "reconcile.fluxcd.io/forceAt": "now"}
			for key, value := range own {
				annotations[key] = value
				before.SetAnnotations(map[string]string{key: value.(string)})
			}
			asked.Object["metadata"].(map[string]any)["annotations"] = annotations
			if found := diff(asked, before, ownership.Shape()); len(found) > 0 {
				t.Errorf("found %v", found)
			}
			if len(asked.GetAnnotations()) != len(own)+2 {
				t.Error("the live object itself lost its requests")
			}
		})
	}
}

func TestAFingerprintLastsWhileNothingThatFluxLooksAtChanges(t *testing.T) {
	base := func() *unstructured.Unstructured {
		return settings(map[string]any{"a": "1"}, entry("kustomize-controller", metav1.ManagedFieldsOperationApply, `{"f:data":{"f:a":{}}}`))
	}
	of := func(want, live *unstructured.Unstructured) Fingerprint {
		f, err := FingerprintOf(want, live)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	want := settings(map[string]any{"a": "01"})
	first := of(want, base())
	for name, change := range map[string]func(*unstructured.Unstructured){
		"status":           func(u *unstructured.Unstructured) { u.Object["status"] = map[string]any{"ready": true} },
		"resource version": func(u *unstructured.Unstructured) { u.SetResourceVersion("7") },
		"a manager's time": func(u *unstructured.Unstructured) {
			entries := u.GetManagedFields()
			entries[0].Time = &metav1.Time{Time: time.Unix(2000, 0)}
			u.SetManagedFields(entries)
		},
		"a status manager": func(u *unstructured.Unstructured) {
			e := entry("kube-controller-manager", metav1.ManagedFieldsOperationUpdate, `{"f:status":{}}`)
			e.Subresource = "status"
			u.SetManagedFields(append(u.GetManagedFields(), e))
		},
	} {
		live := base()
		change(live)
		if of(want, live) != first {
			t.Errorf("it does not outlast a change of the %s", name)
		}
	}
	for name, change := range map[string]func(*unstructured.Unstructured){
		"a value":       func(u *unstructured.Unstructured) { u.Object["data"] = map[string]any{"a": "2"} },
		"a label":       func(u *unstructured.Unstructured) { u.SetLabels(map[string]string{"a": "b"}) },
		"a new owner":   func(u *unstructured.Unstructured) { u.SetManagedFields(nil) },
		"an annotation": func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{"a": "b"}) },
	} {
		live := base()
		change(live)
		if of(want, live) == first {
			t.Errorf("it outlasts %s", name)
		}
	}
	if of(settings(map[string]any{"a": "1"}), base()) == first {
		t.Error("it outlasts a change in git")
	}
}

func TestUndoneNamesWhatFluxPutBackAndNothingElse(t *testing.T) {
	before := settings(map[string]any{"a": "2", "b": "x"},
		entry("kustomize-controller", metav1.ManagedFieldsOperationApply, `{"f:data":{"f:c":{}}}`),
		entry("kubectl-edit", metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:a":{},"f:b":{}}}`))
	after := settings(map[string]any{"a": "1", "c": "1", "d": "by an operator"},
		entry("kustomize-controller", metav1.ManagedFieldsOperationApply, `{"f:data":{"f:a":{},"f:c":{}}}`),
		entry("operator", metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:d":{}}}`))
	found, err := Undone(ownership.Kustomization, before, after)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range found {
		got[fields.Name(f.Path)] = f.Manager
	}
	want := map[string]string{"data.a": "kubectl-edit", "data.b": "kubectl-edit", "data.c": ""}
	if len(got) != len(want) {
		t.Fatalf("undone are %v, want %v", got, want)
	}
	for name, manager := range want {
		if m, ok := got[name]; !ok || m != manager {
			t.Errorf("%s was changed by %q, want %q", name, m, manager)
		}
	}
}
