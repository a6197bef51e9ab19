package ownership

import (
	"strings"

	"github.com/fluxcd/pkg/ssa"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// BeforeFirstApply is the manager to which the API server gives all fields of an object without managedFields at the
// next apply.
const BeforeFirstApply = "before-first-apply"

// Takeover lists the managers whose fields kustomize-controller makes its own before it applies, so that what they
// added and git does not declare is removed. Extra are the controller's --override-manager values.
// Source: kustomize-controller 1.9, KustomizationReconciler.apply.
func Takeover(extra []string) []ssa.FieldManager {
	managers := []ssa.FieldManager{
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
		{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
		{Name: BeforeFirstApply, OperationType: metav1.ManagedFieldsOperationUpdate},
		{Name: KustomizeManager, OperationType: metav1.ManagedFieldsOperationUpdate},
	}
	for _, name := range extra {
		managers = append(managers,
			ssa.FieldManager{Name: name, OperationType: metav1.ManagedFieldsOperationApply},
			ssa.FieldManager{Name: name, OperationType: metav1.ManagedFieldsOperationUpdate})
	}
	return managers
}

// StrippedAnnotations are removed by kustomize-controller from every object that it applies.
func StrippedAnnotations() []string {
	return []string{corev1.LastAppliedConfigAnnotation, KustomizeGroup + "/checksum", "fluxcd.io/sync-checksum"}
}

// StrippedLabels are removed by kustomize-controller from every object that it applies.
func StrippedLabels() []string { return []string{"fluxcd.io/sync-gc-mark"} }

// TakenOver reports whether kustomize-controller takes over this manager's fields; entries of a subresource are
// never taken over, so a `kubectl scale` of a field that git does not declare stays.
func (m Manager) TakenOver(takeover []ssa.FieldManager) bool {
	if m.Subresource != "" {
		return false
	}
	for _, t := range takeover {
		if m.Operation != t.OperationType {
			continue
		}
		if t.ExactMatch && m.Name == t.Name || !t.ExactMatch && strings.HasPrefix(m.Name, t.Name) {
			return true
		}
	}
	return false
}

// Split divides the fields of an object for kustomize-controller's next apply: what will be its own before it applies
// (its applied entry and everything it takes over), and what the remaining managers hold and therefore keep.
func Split(managers []Manager, takeover []ssa.FieldManager) (own, others *fieldpath.Set) {
	return Partition(managers, func(m Manager) bool { return m.applied(KustomizeManager) || m.TakenOver(takeover) })
}

// Partition unites the fields of the managers that are in, and those of the others.
func Partition(managers []Manager, in func(Manager) bool) (ins, others *fieldpath.Set) {
	var sets [2][]*fieldpath.Set
	for _, m := range managers {
		side := 1
		if in(m) {
			side = 0
		}
		sets[side] = append(sets[side], m.Fields)
	}
	return fields.Union(sets[0]...), fields.Union(sets[1]...)
}
