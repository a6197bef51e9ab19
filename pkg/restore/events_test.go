package restore

import (
	"fmt"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var _ cache.ReflectorStore = &events{}

func configMap(name, value string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"namespace": "shop", "name": name},
		"data":     map[string]any{"key": value},
	}}
}

// managed is the object as kustomize-controller would have applied it.
func managed(u *unstructured.Unstructured) *unstructured.Unstructured {
	u.SetManagedFields([]metav1.ManagedFieldsEntry{{
		Manager: "kustomize-controller", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:key":{}}}`),
	}})
	return u
}

// recorder is an events whose verdicts are written down.
func recorder(t *testing.T, objects ...*unstructured.Unstructured) (*events, *[]string) {
	t.Helper()
	store := &desired.Store{}
	state := &desired.State{Owner: ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: "shop"}}
	for _, object := range objects {
		state.Objects = append(state.Objects, desired.Object{Unstructured: object})
	}
	if err := store.Set(state); err != nil {
		t.Fatal(err)
	}
	said := &[]string{}
	return &events{
		watched: watched{schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, ownership.Kustomization}, states: states{kustomizations: store}, unbuilt: &unbuilt{}, takeover: ownership.Takeover(nil), log: logr.Discard(),
		differs: func(key desired.Key) { *said = append(*said, key.Name+" differs") },
		settled: func(key desired.Key) { *said = append(*said, key.Name+" settled") },
		asWanted: func(owner ownership.Owner, want, live *unstructured.Unstructured, managers []ownership.Manager) bool {
			return settled(owner.Kind, want, live, managers, ownership.Takeover(nil))
		},
		equal: func(desired.Object, *desired.State, *unstructured.Unstructured) bool { return false },
	}, said
}

func TestEvents(t *testing.T) {
	for _, test := range []struct {
		name  string
		event func(*events) error
		want  []string
	}{
		{"as desired", func(e *events) error { return e.Add(managed(configMap("app", "1"))) }, []string{"app settled"}},
		{"changed", func(e *events) error { return e.Update(managed(configMap("app", "2"))) }, []string{"app differs"}},
		{"owner's entry wiped", func(e *events) error { return e.Update(configMap("app", "1")) }, []string{"app differs"}},
		{"gone or without its labels", func(e *events) error { return e.Delete(managed(configMap("app", "1"))) }, []string{"app differs"}},
		{"not desired", func(e *events) error { return e.Add(configMap("else", "1")) }, nil},
		{"not desired and gone", func(e *events) error { return e.Delete(configMap("else", "1")) }, nil},
		{"desired in another version", func(e *events) error { return e.Add(configMap("old", "2")) }, nil},
		{"a list finds what is missing", func(e *events) error {
			return e.Replace([]any{managed(configMap("app", "2")), configMap("else", "1")}, "7")
		}, []string{"app differs", "gone differs"}},
		{"an empty list finds everything missing", func(e *events) error { return e.Replace(nil, "7") }, []string{"app differs", "gone differs"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			old := configMap("old", "1")
			old.SetAPIVersion("v1beta1")
			e, said := recorder(t, configMap("app", "1"), configMap("gone", "1"), old)
			if test.name == "a list finds what is missing" || test.name == "an empty list finds everything missing" {
				defer func() {
					if !e.synced.Load() {
						t.Error("a list does not make it synced")
					}
				}()
			}
			if err := test.event(e); err != nil {
				t.Fatal(err)
			}
			slices.Sort(*said)
			if !slices.Equal(*said, test.want) {
				t.Errorf("says %v, want %v", *said, test.want)
			}
		})
	}
}

func TestAnObjectProvenEqualIsNotHandedOver(t *testing.T) {
	e, said := recorder(t, configMap("app", "1"))
	e.equal = func(_ desired.Object, _ *desired.State, live *unstructured.Unstructured) bool {
		value, _, err := unstructured.NestedString(live.Object, "data", "key")
		return err == nil && value == "1.0"
	}
	for _, value := range []string{"1.0", "2"} {
		if err := e.Update(managed(configMap("app", value))); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(*said); got != "[app differs]" {
		t.Errorf("says %s, want that only the second value differs", got)
	}
}
