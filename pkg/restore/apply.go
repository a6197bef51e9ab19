package restore

import (
	"context"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// apply applies one object as kustomize-controller 1.9 does (KustomizationReconciler.apply), so that Flux finds
// nothing to do afterwards. Only force is left out: what it takes to delete objects is more than this loop should have, so
// an immutable field that differs is an error (see Immutable). It reports whether it changed anything.
func apply(ctx context.Context, c client.Client, ks *kustomizev1.Kustomization, want *unstructured.Unstructured, takeover []ssa.FieldManager) (bool, error) {
	manager := ssa.NewResourceManager(c, nil, ssa.Owner{Field: ownership.KustomizeManager, Group: ownership.KustomizeGroup})
	options := ssa.DefaultApplyOptions()
	options.ExclusionSelector = map[string]string{
		ownership.Reconcile: ownership.Disabled,
		ownership.SSA:       ownership.Ignore,
	}
	options.IfNotPresentSelector = map[string]string{ownership.SSA: ownership.IfNotPresent}
	options.DriftIgnoreRules = drift.PolicyOf(ks, nil).Ignore
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations:   ownership.StrippedAnnotations(),
		Labels:        ownership.StrippedLabels(),
		FieldManagers: takeover,
		Exclusions:    map[string]string{ownership.SSA: ownership.Merge},
	}
	// A copy: states are shared and immutable.
	change, err := manager.Apply(ctx, want.DeepCopy(), options)
	if err != nil {
		return false, err
	}
	return change.Action == ssa.CreatedAction || change.Action == ssa.ConfiguredAction, nil
}
