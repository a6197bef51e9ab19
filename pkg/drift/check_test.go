package drift

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// TestWhatChangesWhileItIsComparedIsComparedAgain has an object to which a controller writes after it was listed.
func TestWhatChangesWhileItIsComparedIsComparedAgain(t *testing.T) {
	object := func(version, stamp, size string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "example.com/v1", "kind": "Gizmo", "spec": map[string]any{"size": size},
		}}
		u.SetNamespace("shop")
		u.SetName("lid")
		u.SetResourceVersion(version)
		u.SetAnnotations(map[string]string{"example.com/stamp": stamp})
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{
			Manager: ownership.KustomizeManager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "example.com/v1",
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:size":{}}}`),
		}})
		return u
	}
	now := object("8", "now", "1")
	c := interceptor.NewClient(fake.NewClientBuilder().WithScheme(runtime.NewScheme()).Build(), interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
			into.(*unstructured.Unstructured).Object = now.DeepCopy().Object
			return nil
		},
		// The API server takes both sizes for the same.
		Patch: func(_ context.Context, _ client.WithWatch, into client.Object, _ client.Patch, _ ...client.PatchOption) error {
			into.(*unstructured.Unstructured).Object = now.DeepCopy().Object
			return nil
		},
	})
	want := object("", "", "1000m")
	want.SetAnnotations(nil)
	want.SetManagedFields(nil)
	state := &desired.State{Owner: ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: "apps"}}
	found, err := NewChecker(c).Check(t.Context(), state, desired.Object{Unstructured: want}, object("7", "then", "1"), Policy{})
	if err != nil || len(found) > 0 {
		t.Errorf("found %+v, %v", found, err)
	}
}
