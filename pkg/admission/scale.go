package admission

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var replicasPath = fieldpath.MakePathOrDie("spec", "replicas")

// scaledParent is the object behind a Scale, where no desired state is at hand: a Scale itself has neither labels nor
// managedFields.
type scaledParent struct{ Workload }

func scaleReach(r *Request, lookups Lookups) reach {
	if _, _, known := lookups.Desired(r.Object); known {
		return nil
	}
	if w, ok := lookups.Workload(r.Object); ok {
		return &scaledParent{w}
	}
	return belowReach(r, lookups)
}

func (s *scaledParent) owner() ownership.Owner { return s.Owner }

func (s *scaledParent) find(r *Request, facts *Facts) (found, error) {
	before, after := replicas(r)
	if fields.Equal(before, after) || facts.abandoned() {
		return found{}, nil
	}
	// The owner may tell Flux to leave the replicas alone.
	parent := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": before}}}
	parent.SetGroupVersionKind(r.Object.GroupKind().WithVersion(""))
	parent.SetNamespace(r.Object.Namespace)
	parent.SetName(r.Object.Name)
	regarded, err := facts.regarded(parent, parent)
	if err != nil {
		return found{}, err
	}
	kind := Changed
	if _, ok := fields.Get(regarded.Object, replicasPath); !ok || !s.Replicas {
		kind = Undeclared
	}
	if kind == Undeclared && !facts.countsAll(r.User) {
		return found{}, nil
	}
	return found{findings: []Finding{{Kind: kind, Path: replicasPath, Old: before, New: after}}}, nil
}

// replicas returns what a Scale asks for, before and after. It leaves zero replicas out.
func replicas(r *Request) (before, after any) {
	before, _ = fields.Get(r.Old.Object, replicasPath)
	after, _ = fields.Get(r.New.Object, replicasPath)
	return orZero(before), orZero(after)
}
