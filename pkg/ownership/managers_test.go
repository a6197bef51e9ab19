package ownership

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

func TestDeclared(t *testing.T) {
	entry := func(manager string, operation metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, Subresource: subresource, APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)}
	}
	const replicas = `{"f:spec":{"f:replicas":{}}}`
	path := fieldpath.MakePathOrDie("spec", "replicas")
	for name, test := range map[string]struct {
		kind  Kind
		entry metav1.ManagedFieldsEntry
		want  bool
	}{
		"an apply of kustomize-controller":       {Kustomization, entry(KustomizeManager, metav1.ManagedFieldsOperationApply, "", replicas), true},
		"an update in its name":                  {Kustomization, entry(KustomizeManager, metav1.ManagedFieldsOperationUpdate, "", replicas), false},
		"its status":                             {Kustomization, entry(KustomizeManager, metav1.ManagedFieldsOperationApply, "status", replicas), false},
		"another manager":                        {Kustomization, entry("kubectl", metav1.ManagedFieldsOperationApply, "", replicas), false},
		"an apply of helm-controller":            {HelmRelease, entry(HelmManager, metav1.ManagedFieldsOperationApply, "", replicas), true},
		"an update of Helm without server-side":  {HelmRelease, entry(HelmManager, metav1.ManagedFieldsOperationUpdate, "", replicas), true},
		"helm-controller's entry, another owner": {Kustomization, entry(HelmManager, metav1.ManagedFieldsOperationApply, "", replicas), false},
	} {
		object := &unstructured.Unstructured{}
		object.SetManagedFields([]metav1.ManagedFieldsEntry{test.entry})
		managers, err := Managers(object)
		if err != nil {
			t.Fatal(err)
		}
		declared, ok := Declared(managers, test.kind)
		if ok != test.want || declared.Has(path) != test.want {
			t.Errorf("%s: got %v %v, want %v", name, ok, declared, test.want)
		}
		if managers[0].APIVersion != "apps/v1" {
			t.Errorf("%s: the version is %q", name, managers[0].APIVersion)
		}
	}
}
