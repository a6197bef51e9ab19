package drift

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/jsondiff"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// predictor asks the API server what Flux's next apply would make of an object.
type predictor struct {
	client client.Client
	// kind is that of the owner.
	kind ownership.Kind
	// takeover is empty where desired or live asks for none (ssa: Merge).
	takeover []ssa.FieldManager
	// ignore are the rules of a Kustomization's spec.ignore.
	ignore []jsondiff.IgnoreRule
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
	// unseen says that Flux does not look at the differences between the live object and next, so it applies nothing.
	unseen bool
	// wanted is what git asks for where ignore rules let Flux apply something else; nil where they do not.
	wanted *unstructured.Unstructured
}

// next predicts what Flux's next apply leaves of live, and the one after that where the first only makes the API
// server note again who owns what. Flux applies only where its dry-run differs from the live object or where it takes
// something over (fluxcd/pkg/ssa, ResourceManager.ApplyAll).
func (p predictor) next(ctx context.Context, desired, live *unstructured.Unstructured, managers []ownership.Manager) (prediction, error) {
	applied, after, err := p.apply(ctx, desired, live)
	if err != nil {
		return prediction{}, err
	}
	if len(managers) == 0 {
		managers = after
	}
	takes := p.takesOver(live)
	if !takes && !drifted(live, applied) {
		return prediction{next: applied, managers: managers, applied: after, unseen: true}, nil
	}
	out := prediction{managers: managers, applied: after}
	if out.next, err = p.pruned(ctx, desired, live, applied, after, takes); err != nil || len(p.ignore) == 0 {
		return out, err
	}
	ignored, err := ignores(p.ignore, applied)
	if err != nil || !ignored {
		return out, err
	}
	payload, err := p.payload(ctx, desired, live, applied)
	if out.unseen = payload == nil; err != nil || out.unseen {
		return out, err
	}
	if applied, after, err = p.apply(ctx, payload, live); err != nil {
		return prediction{}, err
	}
	out.wanted = out.next
	out.next, err = p.pruned(ctx, payload, live, applied, after, takes)
	return out, err
}

// ownName is what nobody can take away with the last label or annotation.
var ownName = fieldpath.NewSet(fieldpath.MakePathOrDie("metadata", "name"))

// errNull says that Flux cannot take out again what somebody added to a map that git has empty.
var errNull = apierrors.NewBadRequest("a map that git has empty becomes null when Flux takes out what was added to it, and the schema has no null there; " +
	"take it out by hand")

// pruned is what remains of the outcome of an apply of desired, after which managers are as they are, when Flux has lost
// what it took over and does not declare.
func (p predictor) pruned(ctx context.Context, desired, live, applied *unstructured.Unstructured, after []ownership.Manager, takes bool) (*unstructured.Unstructured, error) {
	own, others := ownership.Split(after, p.takeover)
	declared, _ := ownership.Declared(after, ownership.Kustomization)
	lost := own.Difference(declared)
	stay, err := p.indelible(ctx, applied, lost)
	if err != nil {
		return nil, err
	}
	whole, err := p.keys(ctx, applied, lost, others)
	if err != nil {
		return nil, err
	}
	keep := ownName.Union(declared).Union(others.RecursiveDifference(whole))
	content := fields.Prune(applied.Object, lost.Difference(emptyLists(own, desired).Union(stay)), keep)
	if takes {
		content = strip(content)
	}
	if isService(live) {
		content = unallocated(content, live)
	}
	next, err := p.completed(ctx, applied, content)
	if err != nil {
		return nil, err
	}
	// Of an update the API server drops nulls that the schema does not have; of an apply it refuses them. In metadata it drops
	// all.
	ruled := maps.Clone(content)
	delete(ruled, "metadata")
	if custom(applied) && !fields.HasNulls(next.Object, ruled) {
		return nil, errNull
	}
	// A map that git has empty and that lost what it had became null, if the API server takes that; the apply after it
	// makes it empty again.
	refilled, changed := fields.WithEmpties(next.Object, desired.Object, ownership.Shape(after))
	if !changed {
		return next, nil
	}
	content, _ = refilled.(map[string]any)
	if seen, err := p.sees(next, &unstructured.Unstructured{Object: content}); err != nil || !seen {
		return next, err
	}
	return p.completed(ctx, next, content)
}

// apply makes Flux's server-side apply by dry-run and returns its outcome and the managers afterwards. Where the object is
// not the live one any more, the error is a conflict: what others changed meanwhile is nothing that Flux would do.
func (p predictor) apply(ctx context.Context, desired, live *unstructured.Unstructured) (*unstructured.Unstructured, []ownership.Manager, error) {
	body, err := desired.MarshalJSON()
	if err != nil {
		return nil, nil, err
	}
	applied := desired.DeepCopy()
	err = p.client.Patch(ctx, applied, client.RawPatch(types.ApplyPatchType, body),
		client.DryRunAll, client.ForceOwnership, client.FieldOwner(p.kind.Manager()))
	if err != nil {
		return nil, nil, err
	}
	// A dry-run leaves the version as it is.
	if applied.GetResourceVersion() != live.GetResourceVersion() {
		resource := schema.GroupResource{Group: live.GroupVersionKind().Group, Resource: strings.ToLower(live.GetKind())}
		return nil, nil, apierrors.NewConflict(resource, live.GetName(), errors.New("it changed while it was compared; ask again"))
	}
	managers, err := ownership.Managers(applied)
	return applied, managers, err
}

// emptyLists are the fields of set that git declares as an empty list: Flux's entry does not name them where a schema
// knows the list, and they stay nevertheless.
func emptyLists(set *fieldpath.Set, desired *unstructured.Unstructured) *fieldpath.Set {
	out := fieldpath.NewSet()
	set.Iterate(func(path fieldpath.Path) {
		v, _ := fields.Get(desired.Object, path)
		if list, ok := v.([]any); ok && len(list) == 0 {
			out.Insert(path.Copy())
		}
	})
	return out
}

// drifted reports whether Flux sees a difference: of metadata it compares labels and annotations alone.
// Source: fluxcd/pkg/ssa, ResourceManager.hasDrifted.
func drifted(live, applied *unstructured.Unstructured) bool {
	sides := [2]map[string]any{compared(live), compared(applied)}
	for _, side := range sides {
		metadata, _ := side["metadata"].(map[string]any)
		delete(metadata, "finalizers")
		delete(metadata, "ownerReferences")
	}
	return !apiequality.Semantic.DeepEqual(sides[0], sides[1]) // which tells nulls from absent fields
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

// strip returns content without the metadata that kustomize-controller removes.
func strip(content map[string]any) map[string]any {
	for field, keys := range map[string][]string{"annotations": ownership.StrippedAnnotations(), "labels": ownership.StrippedLabels()} {
		for _, key := range keys {
			if _, ok, _ := unstructured.NestedFieldNoCopy(content, "metadata", field, key); ok {
				content, _ = fields.With(content, fieldpath.MakePathOrDie("metadata", field, key), nil).(map[string]any)
			}
		}
	}
	return content
}

// stripped reports whether the object carries metadata that kustomize-controller removes.
func stripped(live *unstructured.Unstructured) bool {
	return len(ssa.PatchRemoveAnnotations(live, ownership.StrippedAnnotations())) > 0 ||
		len(ssa.PatchRemoveLabels(live, ownership.StrippedLabels())) > 0
}

// without returns the object as it would be had nobody ever set the fields in set, defaults filled in again where the
// API server accepts such an object.
func (p predictor) without(ctx context.Context, object *unstructured.Unstructured, set, keep *fieldpath.Set) (*unstructured.Unstructured, error) {
	content := fields.Remove(object.Object, set, ownName.Union(keep))
	out, err := p.completed(ctx, object, content)
	if apierrors.IsInvalid(err) {
		out, err = &unstructured.Unstructured{Object: content}, nil
	}
	if err != nil || !isService(object) {
		return out, err
	}
	sticky := fieldpath.NewSet()
	set.Iterate(func(path fieldpath.Path) {
		if last := path[len(path)-1].FieldName; last != nil && slices.Contains(allocated, *last) {
			sticky.Insert(path.Copy())
		}
	})
	return &unstructured.Unstructured{Object: fields.Remove(out.Object, sticky, keep)}, nil
}

// completed returns content as the API server would store it in place of from: removed fields that have defaults
// come back with them.
func (p predictor) completed(ctx context.Context, from *unstructured.Unstructured, content map[string]any) (*unstructured.Unstructured, error) {
	if apiequality.Semantic.DeepEqual(from.Object, content) {
		return from, nil
	}
	out := &unstructured.Unstructured{Object: content}
	out = out.DeepCopy()
	out.SetManagedFields(nil)
	if err := p.client.Update(ctx, out, client.DryRunAll, client.FieldOwner(p.kind.Manager())); err != nil {
		return nil, err
	}
	return out, nil
}
