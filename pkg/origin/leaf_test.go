package origin_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// leaf is a declared field.
type leaf struct {
	object desired.Object
	path   fieldpath.Path
	// name is the last field name on the path, text the value as people write it.
	name, text string
}

// hash is what kustomize appends to the name of a generated object.
var hash = regexp.MustCompile(`-[2456789bcdfghkmt]{10}\b`)

// leaves are all declared fields by the name of object and field. An object is the same in another namespace, unless two
// are called alike.
func leaves(state *desired.State) map[string]leaf {
	called := func(object desired.Object) string {
		return object.GetKind() + " " + hash.ReplaceAllString(object.GetName(), "")
	}
	alike := map[string]int{}
	for _, object := range state.Objects {
		alike[called(object)]++
	}
	out := map[string]leaf{}
	for _, object := range state.Objects {
		prefix := called(object)
		if alike[prefix] > 1 {
			prefix += " in " + object.GetNamespace()
		}
		for name, leaf := range leavesOf(object) {
			out[prefix+" "+name] = leaf
		}
	}
	return out
}

func leavesOf(object desired.Object) map[string]leaf {
	out := map[string]leaf{}
	var walk func(path fieldpath.Path, value any)
	walk = func(path fieldpath.Path, value any) {
		switch v := value.(type) {
		case map[string]any:
			for name, inner := range v {
				walk(append(path.Copy(), fieldpath.FieldNameElement(name)), inner)
			}
		case []any:
			for i, item := range v {
				walk(append(path.Copy(), element(path, i, item)), item)
			}
		default:
			if v == nil || identity(path) {
				return // Flux writes creationTimestamp as null
			}
			name := ""
			if last := path[len(path)-1].FieldName; last != nil {
				name = *last
			}
			out[hash.ReplaceAllString(fields.Name(path), "")] = leaf{object, path, name, hash.ReplaceAllString(fmt.Sprint(v), "")}
		}
	}
	walk(nil, object.Object)
	return out
}

// identity reports whether a field names the object or an item, so that a change makes another one of it; or is a label
// or annotation of Flux or kustomize.
func identity(path fieldpath.Path) bool {
	last := path[len(path)-1]
	if len(path) > 1 && path[len(path)-2].Key != nil && last.FieldName != nil {
		for _, key := range *path[len(path)-2].Key {
			if key.Name == *last.FieldName {
				return true
			}
		}
	}
	switch name := fields.Name(path); name {
	case "apiVersion", "kind", "metadata.name", "metadata.namespace":
		return true
	default:
		return strings.HasPrefix(name, `metadata.labels["kustomize.toolkit.fluxcd.io/`) ||
			strings.HasPrefix(name, `metadata.annotations["kustomize.toolkit.fluxcd.io/`) || strings.HasPrefix(name, `metadata.annotations["config.kubernetes.io/`)
	}
}

// keys are those of associative lists.
var keys = map[string][]string{
	"containers": {"name"}, "initContainers": {"name"}, "env": {"name"}, "volumes": {"name"}, "volumeMounts": {"mountPath"},
	"ports": {"containerPort", "protocol"}, "topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"}, "versions": {"name"},
}

// element names an item as managedFields do, by its keys or its index.
func element(path fieldpath.Path, i int, item any) fieldpath.PathElement {
	m, ok := item.(map[string]any)
	last := path[len(path)-1].FieldName
	if !ok || last == nil || keys[*last] == nil {
		return fieldpath.PathElement{Index: &i}
	}
	names := slices.Clone(keys[*last])
	if _, service := m["port"]; service && *last == "ports" {
		names = []string{"port", "protocol"}
	}
	var pairs []any
	for _, name := range names {
		v, ok := m[name]
		if !ok && name == "protocol" {
			v, ok = "TCP", true
		}
		if !ok {
			return fieldpath.PathElement{Index: &i}
		}
		pairs = append(pairs, name, v)
	}
	element, err := fieldpath.MakePath(fieldpath.KeyByFields(pairs...))
	if err != nil {
		return fieldpath.PathElement{Index: &i}
	}
	return element[0]
}
