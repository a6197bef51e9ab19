package main

import (
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// typeName is a TYPE/NAME argument.
type typeName struct{ resource, name string }

func (t typeName) String() string { return t.resource + "/" + t.name }

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

// selection chooses objects and remembers which of the wanted ones it met. It may be used concurrently.
type selection struct {
	namespace string
	wanted    []typeName
	kinds     []schema.GroupKind // of wanted
	mu        sync.Mutex
	met       []bool // of wanted
}

// newSelection selects the wanted objects, all if none is named, in namespace, all if it is empty. Types are resolved
// as kubectl does, short names included.
func newSelection(wanted []typeName, namespace string, mapper meta.RESTMapper) (*selection, error) {
	s := &selection{namespace: namespace, wanted: wanted, met: make([]bool, len(wanted))}
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
			return nil, fmt.Errorf("the cluster has no resource type %q; kubectl api-resources lists those that it has", w.resource)
		}
		if err != nil {
			return nil, fmt.Errorf("look up resource type %q: %w", w.resource, err)
		}
		s.kinds = append(s.kinds, kind.GroupKind())
	}
	return s, nil
}

// has reports whether the object is selected.
func (s *selection) has(o drift.Object) bool {
	if s.namespace != "" && o.Namespace != s.namespace {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := len(s.wanted) == 0
	for i, w := range s.wanted {
		if w.name == o.Name && s.kinds[i] == o.GroupKind() {
			s.met[i], found = true, true
		}
	}
	return found
}

// unmet are the wanted objects that no owner has.
func (s *selection) unmet() []typeName {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []typeName
	for i, met := range s.met {
		if !met {
			out = append(out, s.wanted[i])
		}
	}
	return out
}
