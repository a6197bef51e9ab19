package drift

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// indelible are the empty lists of set that a server-side apply cannot take away: those of a custom resource that its
// schema knows. Who applies one does not own it, so that is what is tried out.
func (p predictor) indelible(ctx context.Context, object *unstructured.Unstructured, set *fieldpath.Set) (*fieldpath.Set, error) {
	if !custom(object) {
		return fieldpath.NewSet(), nil
	}
	empty := emptyLists(set, object)
	owned, err := p.owned(ctx, object, empty)
	if err != nil {
		return nil, err
	}
	return empty.Difference(owned), nil
}

// keys are the members of set that are keys of a map, of which keep has something, but not the key itself: such a key goes
// with all that is below it. Only who applies a key owns it beside what is below; of a field that a schema names it owns
// that alone. managedFields show either for a field, by what an update added, so it is tried out.
// Source: structured-merge-diff, Set.EnsureNamedFieldsAreMembers, and TypedValue.ToFieldSet.
func (p predictor) keys(ctx context.Context, object *unstructured.Unstructured, set, keep *fieldpath.Set) (*fieldpath.Set, error) {
	doubtful := fieldpath.NewSet()
	set.Iterate(func(path fieldpath.Path) {
		if path[len(path)-1].FieldName == nil || keep.Has(path) || subset(keep, path).Empty() {
			return
		}
		if content, _ := fields.Get(object.Object, path); content != nil {
			doubtful.Insert(path.Copy())
		}
	})
	owned, err := p.owned(ctx, object, doubtful)
	if err != nil {
		return nil, err
	}
	return doubtful.Intersection(owned), nil
}

func subset(set *fieldpath.Set, path fieldpath.Path) *fieldpath.Set {
	for _, element := range path {
		set = set.WithPrefix(element)
	}
	return set
}

// owned is what somebody would own who applied the fields in set as the object has them.
func (p predictor) owned(ctx context.Context, object *unstructured.Unstructured, set *fieldpath.Set) (*fieldpath.Set, error) {
	if set.Empty() {
		return set, nil
	}
	before, err := ownership.Managers(object)
	if err != nil {
		return nil, err
	}
	applicable := fields.Distinct(object.Object, ownership.Shape(before))
	var content any = map[string]any{"metadata": map[string]any{"name": object.GetName()}}
	set.Iterate(func(path fieldpath.Path) {
		value, _ := fields.Get(applicable, path)
		content = fields.With(content, path, value)
	})
	trial := &unstructured.Unstructured{}
	trial.Object, _ = content.(map[string]any)
	trial.SetGroupVersionKind(object.GroupVersionKind())
	trial.SetNamespace(object.GetNamespace())
	body, err := trial.MarshalJSON()
	if err != nil {
		return nil, err
	}
	const owner = "gitops-drift"
	if err := p.client.Patch(ctx, trial, client.RawPatch(types.ApplyPatchType, body), client.DryRunAll, client.ForceOwnership, client.FieldOwner(owner)); err != nil {
		return nil, err
	}
	managers, err := ownership.Managers(trial)
	if err != nil {
		return nil, err
	}
	owned := fieldpath.NewSet()
	for _, m := range managers {
		if m.Name == owner {
			owned = owned.Union(m.Fields)
		}
	}
	return owned, nil
}
