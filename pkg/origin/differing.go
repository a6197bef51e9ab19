package origin

import (
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// Differing is where git sets what is another value in other, which stands at path in another state of the object. It differs from
// Origin for maps and lists that are compared as a whole, such as arguments or the rules of an Ingress: it is the line of
// the first value within that other does not have. Masked values of Secrets do not tell whether they differ.
func (f *Fields) Differing(path fieldpath.Path, other any) Origin {
	if at := f.Origin(f.first(path, other)); at.Line != 0 {
		return at
	}
	return f.Origin(path)
}

// first extends path to the first value that other does not have.
func (f *Fields) first(path fieldpath.Path, other any) fieldpath.Path {
	applied, _ := fields.Get(f.object.Object, path)
	switch value := applied.(type) {
	case map[string]any:
		o, ok := other.(map[string]any)
		if !ok {
			return path
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			switch {
			case masked(o[name]):
				return path
			case !fields.Equal(value[name], o[name]):
				return f.first(append(path.Copy(), fieldpath.FieldNameElement(name)), o[name])
			}
		}
	case []any:
		o, ok := other.([]any)
		if !ok {
			return path
		}
		for i := range value {
			element := append(path.Copy(), fieldpath.PathElement{Index: &i})
			switch {
			case i >= len(o):
				return element
			case masked(o[i]):
				return path
			case !fields.Equal(value[i], o[i]):
				return f.first(element, o[i])
			}
		}
	}
	return path
}

func masked(v any) bool {
	text, ok := v.(string)
	return ok && strings.HasPrefix(text, redact.Masked)
}
