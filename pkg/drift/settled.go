package drift

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/fluxcd/pkg/ssa"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Settled reports whether the objects alone prove that Flux's next apply changes nothing: Flux's applied entry
// declares nothing that git does not, every desired value is live as it is written, and nobody that Flux takes over
// from holds anything beyond it. False proves nothing: quantities may be written differently, lists completed.
func Settled(desired, live *unstructured.Unstructured, managers []ownership.Manager, takeover []ssa.FieldManager) bool {
	declared, ok := ownership.Declared(managers, ownership.Kustomization)
	if !ok || !fields.Contains(compared(live), filledIn(desired), ownership.Shape(managers)) {
		return false
	}
	if len(takeover) > 0 && stripped(live) || lacksNulls(desired, live) || !namesAll(desired, declared) {
		return false
	}
	for _, m := range managers {
		if m.TakenOver(takeover) && !within(m.Fields, declared) {
			return false
		}
	}
	return true
}

// Extended reports whether somebody holds fields of the live object that neither git declares nor a controller of the cluster
// wrote, so that there may be additions that Flux leaves in place. False proves that there are none.
func Extended(kind ownership.Kind, desired, live *unstructured.Unstructured, managers []ownership.Manager) bool {
	foreign, _ := predictor{kind: kind}.foreign(desired, live, prediction{next: live, managers: managers, applied: managers})
	return !foreign.Empty()
}

// lacksNulls reports whether the live object lacks a null that desired has, where that makes a difference.
func lacksNulls(desired, live *unstructured.Unstructured) bool {
	return custom(desired) && !fields.HasNulls(compared(live), compared(desired))
}

// custom reports whether the API server reads the kind without a Go type, so that nulls and empty lists are what
// somebody wrote.
func custom(object *unstructured.Unstructured) bool {
	return !scheme.Scheme.Recognizes(object.GroupVersionKind())
}

// structs are the fields of Kubernetes' own kinds that Flux declares empty where git leaves them out, because it reads
// these kinds into Go types (fluxcd/pkg/ssa/normalize). They are written field by field, and the API server fills them in.
var structs = map[schema.GroupKind]fieldpath.Path{
	{Kind: "Namespace"}:                  fieldpath.MakePathOrDie("spec"),
	{Group: "apps", Kind: "Deployment"}:  fieldpath.MakePathOrDie("spec", "strategy"),
	{Group: "apps", Kind: "StatefulSet"}: fieldpath.MakePathOrDie("spec", "updateStrategy"),
	{Group: "apps", Kind: "DaemonSet"}:   fieldpath.MakePathOrDie("spec", "updateStrategy"),
}

// filledIn is the compared part of desired without such a field, if it is empty.
func filledIn(desired *unstructured.Unstructured) map[string]any {
	content := compared(desired)
	path, ok := structs[desired.GroupVersionKind().GroupKind()]
	if !ok {
		return content
	}
	if v, ok := fields.Get(content, path); !ok || !fields.Equal(v, map[string]any{}) {
		return content
	}
	content, _ = fields.With(content, path, nil).(map[string]any)
	return content
}

func within(set, declared *fieldpath.Set) bool { return set.Difference(declared).Empty() }

// namesAll reports whether desired has all the fields.
func namesAll(desired *unstructured.Unstructured, declared *fieldpath.Set) bool {
	all := true
	declared.Iterate(func(path fieldpath.Path) { // Not All: leaving a range over it early panics.
		all = all && names(desired, path)
	})
	return all
}

// names reports whether desired has the field, be it as null: in schemaless parts null is a value that Flux declares.
func names(desired *unstructured.Unstructured, path fieldpath.Path) bool {
	workload := slices.Contains([]string{"", "apps", "batch"}, desired.GroupVersionKind().Group)
	var current any = desired.Object
	for _, element := range path {
		switch parent := current.(type) {
		case map[string]any:
			if element.FieldName == nil {
				return false
			}
			next, ok := parent[*element.FieldName]
			if !ok {
				return false
			}
			current = next
		case []any:
			next, ok := fields.Get(parent, fieldpath.Path{element})
			if !ok && workload {
				next, ok = portWithoutProtocol(parent, element)
			}
			if !ok {
				return false
			}
			current = next
		default:
			return false
		}
	}
	return true
}

// portWithoutProtocol finds a port that is written without a protocol by the key that the API server gives it: it
// completes the keys of Kubernetes' own ports with TCP and nothing else.
func portWithoutProtocol(list []any, element fieldpath.PathElement) (any, bool) {
	if element.Key == nil || len(*element.Key) != 2 {
		return nil, false
	}
	var number *value.Field
	for i, key := range *element.Key {
		switch key.Name {
		case "port", "containerPort":
			number = &(*element.Key)[i]
		case "protocol":
			if key.Value.Unstructured() != "TCP" {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	for _, item := range list {
		port, ok := item.(map[string]any)
		if _, has := port["protocol"]; ok && !has && number != nil && fields.Equal(port[number.Name], number.Value.Unstructured()) {
			return port, true
		}
	}
	return nil, false
}
