package ownership

import (
	"strings"
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

func TestAnUnreadableEntryIsTheSameErrorEachTimeAndQuotesNothing(t *testing.T) {
	object := object(t, `metadata: {managedFields: [{manager: broken, operation: Apply, fieldsV1: {"f:data": {hunter2: {}, swordfish: {}}}}]}`)
	_, first := Managers(object)
	if first == nil || !strings.Contains(first.Error(), `"broken"`) || strings.Contains(first.Error(), "hunter2") {
		t.Fatalf("got %v", first)
	}
	for range 20 {
		if _, err := Managers(object); err == nil || err.Error() != first.Error() {
			t.Errorf("got %v after %v", err, first)
		}
	}
}

func TestEntriesThatAreKnownAreNotDecodedAgain(t *testing.T) {
	before := object(t, manyManagers)
	known, err := Managers(before)
	if err != nil {
		t.Fatal(err)
	}
	after := before.DeepCopy()
	entries := after.GetManagedFields()
	entries[0].FieldsV1 = metav1.NewFieldsV1(`{"f:spec":{"f:paused":{}}}`)
	after.SetManagedFields(entries)
	managers, err := Managers(after, known...)
	if err != nil {
		t.Fatal(err)
	}
	if managers[0].Fields == known[0].Fields || !managers[0].Fields.Has(fieldpath.MakePathOrDie("spec", "paused")) {
		t.Errorf("the changed entry is %s", managers[0].Fields)
	}
	for i := 1; i < len(managers); i++ {
		if managers[i].Fields != known[i].Fields {
			t.Errorf("entry %d was decoded again", i)
		}
	}
}

func TestManagersOfTypedObjects(t *testing.T) {
	want, err := Managers(object(t, manyManagers))
	if err != nil {
		t.Fatal(err)
	}
	managers, err := Managers(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{ManagedFields: object(t, manyManagers).GetManagedFields()}})
	if err != nil || len(managers) != len(want) {
		t.Fatalf("got %v, %v", managers, err)
	}
	for i, m := range managers {
		if m.Name != want[i].Name || !m.Fields.Equals(want[i].Fields) || !m.Time.Equal(want[i].Time) {
			t.Errorf("got %v, want %v", m, want[i])
		}
	}
}
