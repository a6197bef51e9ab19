package drift

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// allocated are the fields of a Service that the API server chooses itself where nobody does. It keeps what somebody
// chose when the choice is withdrawn.
var allocated = []string{"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "nodePort", "healthCheckNodePort"}

// unallocated returns the content of a Service without the addresses that live does not have: those that a dry-run
// chooses are not for use, and the next one chooses again.
func unallocated(content map[string]any, live *unstructured.Unstructured) map[string]any {
	for _, field := range []string{"clusterIP", "clusterIPs"} {
		path := fieldpath.MakePathOrDie("spec", field)
		if _, ok := fields.Get(live.Object, path); !ok {
			content, _ = fields.With(content, path, nil).(map[string]any)
		}
	}
	return content
}

func isService(object *unstructured.Unstructured) bool {
	return object.GroupVersionKind().GroupKind() == schema.GroupKind{Kind: "Service"}
}

// declared leaves out of findings about a Service the addresses and ports that a dry-run has chosen and git does not ask
// for: when Flux applies, the API server chooses others.
func declared(want, live *unstructured.Unstructured, found []Finding) []Finding {
	if !isService(want) || live == nil {
		return found
	}
	given := func(field string, value any) bool { return chosen(want, live, field, value) }
	spec := func(f Finding) bool {
		return len(f.Path) > 1 && f.Path[0].FieldName != nil && *f.Path[0].FieldName == "spec"
	}
	found = slices.DeleteFunc(found, func(f Finding) bool {
		if !spec(f) || f.Live != nil {
			return false
		}
		last := f.Path[len(f.Path)-1].FieldName
		return last != nil && given(*last, f.Desired)
	})
	for i := range found {
		if spec(found[i]) {
			found[i].Desired = unchosen(found[i].Desired, given)
		}
	}
	return found
}

// chosen reports whether the value of a field of a Service is one that the API server chooses, neither asked for by git nor
// in use already.
func chosen(want, live *unstructured.Unstructured, field string, value any) bool {
	switch field {
	case "nodePort", "healthCheckNodePort":
		return value != nil && !slices.ContainsFunc(append(nodePorts(want), nodePorts(live)...), func(port any) bool { return fields.Equal(port, value) })
	case "clusterIP", "clusterIPs":
		path := fieldpath.MakePathOrDie("spec", "clusterIP")
		_, asked := fields.Get(want.Object, path)
		_, used := fields.Get(live.Object, path)
		return value != nil && !asked && !used
	}
	return false
}

// unchosen is a value without the fields in it that are given.
func unchosen(value any, given func(field string, value any) bool) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for field, inner := range v {
			if !given(field, inner) {
				out[field] = unchosen(inner, given)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			out = append(out, unchosen(item, given))
		}
		return out
	}
	return value
}

func nodePorts(service *unstructured.Unstructured) []any {
	var out []any
	spec, _ := service.Object["spec"].(map[string]any)
	ports, _ := spec["ports"].([]any)
	for _, item := range append(ports[:len(ports):len(ports)], map[string]any{"nodePort": spec["healthCheckNodePort"]}) {
		if port, ok := item.(map[string]any); ok && port["nodePort"] != nil {
			out = append(out, port["nodePort"])
		}
	}
	return out
}
