package main

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// typeName is a TYPE/NAME argument.
type typeName struct{ resource, name string }

func parseObjects(args []string) ([]typeName, error) {
	var out []typeName
	for _, arg := range args {
		resource, name, found := strings.Cut(arg, "/")
		switch {
		case !found || resource == "" || name == "":
			return nil, fmt.Errorf("%q does not name an object; write TYPE/NAME, for example deployment/api", arg)
		case strings.Contains(name, "/"):
			return nil, fmt.Errorf("%q has too many parts; write TYPE/NAME, and give the namespace with -n", arg)
		}
		out = append(out, typeName{resource, name})
	}
	return out, nil
}

// filter returns the selection of the wanted objects, all if none is named, in namespace, all if it is empty. Types
// are resolved as kubectl does, short names included.
func filter(wanted []typeName, namespace string, mapper meta.RESTMapper) (func(drift.Object) bool, error) {
	type kindName struct {
		schema.GroupKind
		name string
	}
	chosen := map[kindName]bool{}
	for _, w := range wanted {
		gvr, gr := schema.ParseResourceArg(strings.ToLower(w.resource))
		if gvr == nil {
			gvr = &schema.GroupVersionResource{Group: gr.Group, Resource: gr.Resource}
		}
		kind, err := mapper.KindFor(*gvr)
		if err != nil && gvr.Version != "" {
			kind, err = mapper.KindFor(gr.WithVersion(""))
		}
		if meta.IsNoMatchError(err) {
			return nil, fmt.Errorf("the cluster has no resource type %q", w.resource)
		}
		if err != nil {
			return nil, fmt.Errorf("look up resource type %q: %w", w.resource, err)
		}
		chosen[kindName{kind.GroupKind(), w.name}] = true
	}
	if len(chosen) == 0 && namespace == "" {
		return nil, nil
	}
	return func(o drift.Object) bool {
		return (namespace == "" || o.Namespace == namespace) && (len(chosen) == 0 || chosen[kindName{o.GroupKind(), o.Name}])
	}, nil
}
