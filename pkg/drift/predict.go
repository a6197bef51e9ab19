package drift

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/fluxcd/pkg/ssa"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// predictor asks the API server what Flux's next apply would make of an object.
type predictor struct {
	client client.Client
	// takeover is empty where desired or live asks for none (ssa: Merge).
	takeover []ssa.FieldManager
}

// prediction is what Flux's next applies make of an object.
type prediction struct {
	// next is the object afterwards; the live object itself where Flux changes nothing.
	next *unstructured.Unstructured
	// managers are the managers of the live object. Where its managedFields had been wiped, they are what the API server
	// makes of that at the next apply: everything under before-first-apply.
	managers []ownership.Manager
	// applied are the managers right after Flux's apply, before it loses what it took over; Flux's entry among them
	// declares exactly what git does.
	applied []ownership.Manager
}

// next predicts what Flux's next apply leaves of live, and the one after that where the first only makes the API
// server note again who owns what. Flux applies only where its dry-run differs from the live object or where it takes
// something over (fluxcd/pkg/ssa, ResourceManager.ApplyAll).
func (p predictor) next(ctx context.Context, desired, live *unstructured.Unstructured, managers []ownership.Manager) (prediction, error) {
	body, err := desired.MarshalJSON()
	if err != nil {
		return prediction{}, err
	}
	applied := desired.DeepCopy()
	err = p.client.Patch(ctx, applied, client.RawPatch(types.ApplyPatchType, body),
		client.DryRunAll, client.ForceOwnership, client.FieldOwner(ownership.KustomizeManager))
	if err != nil {
		return prediction{}, err
	}
	after, err := ownership.Managers(applied)
	if err != nil {
		return prediction{}, err
	}
	if len(managers) == 0 {
		managers = after
	}
	takes := p.takesOver(live)
	if !takes && fields.Equal(compared(live), compared(applied)) {
		return prediction{next: live, managers: managers, applied: after}, nil
	}
	own, others := ownership.Split(after, p.takeover)
	declared, _ := ownership.Declared(after, ownership.Kustomization)
	content := fields.Remove(applied.Object, own.Difference(declared), declared.Union(others))
	if takes {
		for _, key := range ownership.StrippedAnnotations() {
			unstructured.RemoveNestedField(content, "metadata", "annotations", key)
		}
		for _, key := range ownership.StrippedLabels() {
			unstructured.RemoveNestedField(content, "metadata", "labels", key)
		}
	}
	next, err := p.completed(ctx, applied, content)
	return prediction{next: next, managers: managers, applied: after}, err
}

// takesOver reports whether Flux rewrites the object's managedFields or strips metadata before it applies.
func (p predictor) takesOver(live *unstructured.Unstructured) bool {
	if len(p.takeover) == 0 {
		return false
	}
	if stripped(live) {
		return true
	}
	patches, err := ssa.PatchReplaceFieldsManagers(live, p.takeover, ownership.KustomizeManager)
	return err != nil || len(patches) > 0
}

// stripped reports whether the object carries metadata that kustomize-controller removes.
func stripped(live *unstructured.Unstructured) bool {
	return len(ssa.PatchRemoveAnnotations(live, ownership.StrippedAnnotations())) > 0 ||
		len(ssa.PatchRemoveLabels(live, ownership.StrippedLabels())) > 0
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
