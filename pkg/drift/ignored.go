package drift

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// ignores reports whether one of the rules of a Kustomization's spec.ignore is about the object.
func ignores(rules []jsondiff.IgnoreRule, object *unstructured.Unstructured) (bool, error) {
	compiled, err := jsondiff.CompileIgnoreRules(rules)
	if err != nil {
		return false, fmt.Errorf("spec.ignore cannot be read, so Flux applies nothing: %w", err)
	}
	for selector := range compiled {
		if selector.MatchUnstructured(object) {
			return true, nil
		}
	}
	return false, nil
}

// sees reports whether two states of an object differ in more than what the rules name.
func (p predictor) sees(before, after *unstructured.Unstructured) (bool, error) {
	if len(p.ignore) == 0 {
		return true, nil
	}
	compiled, err := jsondiff.CompileIgnoreRules(p.ignore)
	if err != nil {
		return false, err
	}
	before, after = before.DeepCopy(), after.DeepCopy()
	for selector, paths := range compiled {
		if !selector.MatchUnstructured(after) {
			continue
		}
		patch := jsondiff.GenerateRemovePatch(paths...)
		for _, object := range []*unstructured.Unstructured{before, after} {
			if err := jsondiff.ApplyPatchToUnstructured(object, patch); err != nil {
				return false, err
			}
		}
	}
	return drifted(before, after), nil
}

// payload is what Flux applies in place of desired where ignore rules are about it, nil if it applies nothing: of the fields
// that they name and that differ, those that another applier owns are left out, and the others get the live values. What
// git does not declare, and somebody from whom Flux takes over does, is neither. Flux's own code says so, run on the live
// object and on the outcome of the dry-run of desired.
func (p predictor) payload(ctx context.Context, desired, live, applied *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	trial := &rehearsal{live: live, applied: applied}
	options := ssa.DefaultApplyOptions()
	options.DriftIgnoreRules = p.ignore
	options.Cleanup = ssa.ApplyCleanupOptions{FieldManagers: p.takeover}
	if len(p.takeover) > 0 {
		options.Cleanup.Annotations, options.Cleanup.Labels = ownership.StrippedAnnotations(), ownership.StrippedLabels()
	}
	manager := ssa.NewResourceManager(trial, nil, ssa.Owner{Field: p.kind.Manager(), Group: p.kind.Group()})
	if _, err := manager.Apply(ctx, desired.DeepCopy(), options); err != nil {
		return nil, fmt.Errorf("Flux cannot apply it under the rules of spec.ignore: %w", err)
	}
	return trial.payload, nil
}

// rehearsal is a client that has the live object and the outcome of the dry-run already, and keeps what is applied then.
type rehearsal struct {
	client.Client
	live, applied, payload *unstructured.Unstructured
}

// Get implements client.Client.
func (r *rehearsal) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	return answer(r.live, into)
}

// Patch implements client.Client.
func (r *rehearsal) Patch(_ context.Context, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
	var options client.PatchOptions
	options.ApplyOptions(opts)
	switch {
	case len(options.DryRun) > 0:
		return answer(r.applied, object)
	case patch.Type() == types.ApplyPatchType:
		r.payload = &unstructured.Unstructured{}
		into, ok := object.(*unstructured.Unstructured)
		if !ok {
			return fmt.Errorf("%T is not asked for here", object)
		}
		into.DeepCopyInto(r.payload)
		return nil
	}
	// Labels, annotations and managedFields are taken away before.
	body, err := patch.Data(object)
	if err != nil {
		return err
	}
	operations := jsondiff.GenerateRemovePatch()
	if err := json.Unmarshal(body, &operations); err != nil {
		return err
	}
	cleaned := r.live.DeepCopy()
	if err := jsondiff.ApplyPatchToUnstructured(cleaned, operations); err != nil {
		return err
	}
	return answer(cleaned, object)
}
