package admission

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var autoscalerKind = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}

// autoscaled is a person's HorizontalPodAutoscaler for a workload whose replicas git declares: the two work against each
// other.
type autoscaled struct {
	workload Workload
	target   desired.Key
}

func autoscalerReach(r *Request, lookups Lookups) reach {
	if r.New == nil || r.Subresource != "" || !byHand(r.User) {
		return nil
	}
	target, ok := scaleTarget(r.New)
	if !ok {
		return nil
	}
	if r.Old != nil {
		if before, ok := scaleTarget(r.Old); ok && before == target {
			return nil
		}
	}
	if w, ok := workload(lookups, target); ok && w.Replicas {
		return &autoscaled{w, target}
	}
	return nil
}

func scaleTarget(autoscaler *unstructured.Unstructured) (desired.Key, bool) {
	field := func(name string) string {
		value, _, _ := unstructured.NestedString(autoscaler.Object, "spec", "scaleTargetRef", name)
		return value
	}
	gv, err := schema.ParseGroupVersion(field("apiVersion"))
	key := desired.Key{Group: gv.Group, Kind: field("kind"), Namespace: autoscaler.GetNamespace(), Name: field("name")}
	return key, err == nil && key.Kind != "" && key.Name != ""
}

func (a *autoscaled) owner() ownership.Owner { return a.workload.Owner }

func (a *autoscaled) find(r *Request, facts *Facts) (found, error) {
	if facts.Managed {
		return found{}, nil
	}
	return found{
		findings: []Finding{{Kind: Noted}},
		headline: fmt.Sprintf("%s scales %s, which is managed by Flux %s", objectName(r.Object), objectName(a.target), fluxName(a.workload.Owner)),
		closing:  "Git declares spec.replicas: Flux would set it back whenever the autoscaler changes it. Leave spec.replicas out of the file in git.",
	}, nil
}
