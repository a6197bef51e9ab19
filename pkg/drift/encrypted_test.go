package drift

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func TestOfAnEncryptedSecretKeysAndMetadataAreCompared(t *testing.T) {
	secret := func(labels, data map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "a", "labels": labels}, "data": data,
		}}
	}
	want := secret(map[string]any{"kept": "x", "changed": "git", "gone": "x"}, map[string]any{"password": "ENC[AES256_GCM,x]", "lost": "ENC[AES256_GCM,y]", "sops_mac": "z"})
	live := secret(map[string]any{"kept": "x", "changed": "hand", "foreign": "x"}, map[string]any{"password": "c3dvcmRmaXNo", "added": "c3dvcmRmaXNo", "left": "c3dvcmRmaXNo"})
	manager := func(name string, paths ...fieldpath.Path) ownership.Manager {
		return ownership.Manager{Name: name, Operation: metav1.ManagedFieldsOperationUpdate, Fields: fieldpath.NewSet(paths...)}
	}
	managers := []ownership.Manager{
		manager("kubectl-edit", fieldpath.MakePathOrDie("metadata", "labels", "changed"), fieldpath.MakePathOrDie("data", "added")),
		manager("operator", fieldpath.MakePathOrDie("data", "left")),
	}
	var got []string
	for _, f := range readable(want, live, managers, Policy{Takeover: ownership.Takeover(nil)}) {
		got = append(got, fmt.Sprintf("%s %s %s %s", f.Kind, fields.Name(f.Path), f.Verdict, f.Manager))
		if text := fmt.Sprint(f.Desired, f.Live); strings.Contains(text, "ENC") || strings.Contains(text, "c3dv") {
			t.Errorf("%s shows a value: %s", fields.Name(f.Path), text)
		}
	}
	slices.Sort(got)
	expected := []string{
		"Added data.added Reverts kubectl-edit", "Added data.left Persists operator",
		"Changed metadata.labels.changed Reverts kubectl-edit", "Removed data.lost Reverts ", "Removed metadata.labels.gone Reverts ",
	}
	if !slices.Equal(got, expected) {
		t.Errorf("got %q", got)
	}
}
