package drift

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/fluxcd/pkg/ssa"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// predictor asks the API server what Flux's next apply would make of an object.
type predictor struct {
	client   client.Client
	takeover []ssa.FieldManager
}

// next returns the object as Flux's next apply would leave it. Where desired or live asks for no takeover (ssa: Merge),
// none is made.
func (p predictor) next(ctx context.Context, desired, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	applied := desired.DeepCopy()
	err := p.client.Patch(ctx, applied, client.Apply, client.DryRunAll, client.ForceOwnership, client.FieldOwner(ownership.KustomizeManager)) //nolint:staticcheck // Flux applies unstructured objects by this very call.
	if err != nil {
		return nil, err
	}
	if ownership.Has(desired, ownership.SSA, ownership.Merge) || ownership.Has(live, ownership.SSA, ownership.Merge) {
		return applied, nil
	}
	// The dry-run's managedFields, not the live ones: where they had been wiped, the API server has by now put
	// all fields under before-first-apply, which Flux takes over too.
	managers, err := ownership.Managers(applied)
	if err != nil {
		return nil, err
	}
	own, others := ownership.Split(managers, p.takeover)
	declared, _ := ownership.Declared(managers, ownership.Kustomization)
	content := fields.Remove(applied.Object, own.Difference(declared), declared.Union(others))
	for _, key := range ownership.StrippedAnnotations() {
		unstructured.RemoveNestedField(content, "metadata", "annotations", key)
	}
	for _, key := range ownership.StrippedLabels() {
		unstructured.RemoveNestedField(content, "metadata", "labels", key)
	}
	return p.completed(ctx, applied, content)
}

// without returns the live object as it would be had nobody ever set the fields in set, defaults filled in again.
func (p predictor) without(ctx context.Context, live *unstructured.Unstructured, set, keep *fieldpath.Set) (*unstructured.Unstructured, error) {
	return p.completed(ctx, live, fields.Remove(live.Object, set, keep))
}

// completed returns content as the API server would store it in place of from: removed fields that have defaults
// come back with them.
func (p predictor) completed(ctx context.Context, from *unstructured.Unstructured, content map[string]any) (*unstructured.Unstructured, error) {
	if fields.Equal(from.Object, content) {
		return from, nil
	}
	out := &unstructured.Unstructured{Object: content}
	out = out.DeepCopy()
	out.SetManagedFields(nil)
	if err := p.client.Update(ctx, out, client.DryRunAll, client.FieldOwner(ownership.KustomizeManager)); err != nil {
		return nil, err
	}
	return out, nil
}
