package origin

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// object is one manifest on its way through the layers.
type object struct {
	root *node
	// declared is the first line of the document, or the entry of the generator.
	declared Origin
	// names are those that it had before, oldest first; patches may name it by any of them.
	names []name
	// affixes are those that the build gives to names.
	affixes []string
	// hashed says that kustomize may append a hash of the content to its name.
	hashed bool
}

type name struct {
	kind, namespace, name string
}

func (o *object) gvk() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(o.root.get("apiVersion").scalar(), o.root.get("kind").scalar())
}

func (o *object) name() name {
	return name{o.root.get("kind").scalar(), o.root.follow("metadata", "namespace").scalar(), o.root.follow("metadata", "name").scalar()}
}

// rename notes the present name before it changes.
func (o *object) rename() {
	if now := o.name(); len(o.names) == 0 || o.names[len(o.names)-1] != now {
		o.names = append(o.names, now)
	}
}

// original is the name in the manifest.
func (o *object) original() name {
	if len(o.names) > 0 {
		return o.names[0]
	}
	return o.name()
}

func effective(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return namespace
}

// called reports whether a strategic merge patch names the object, by a name that it has or had.
func (o *object) called(patch *node) bool {
	gvk := schema.FromAPIVersionAndKind(patch.get("apiVersion").scalar(), patch.get("kind").scalar())
	if own := o.gvk(); gvk.Group != own.Group || gvk.Version != own.Version {
		return false
	}
	wanted, namespace := patch.follow("metadata", "name").scalar(), patch.follow("metadata", "namespace").scalar()
	for _, n := range append([]name{o.name()}, o.names...) {
		if n.kind == gvk.Kind && n.name == wanted && effective(n.namespace) == effective(namespace) {
			return true
		}
	}
	return false
}

// selected reports whether a target selects the object (resmap.Select): by its first or present name, and by what it
// carries now.
func (o *object) selected(target *node) bool {
	selector := selectorOf(target)
	regex, err := types.NewSelectorRegex(&selector)
	if err != nil {
		return false
	}
	first, now, gvk := o.original(), o.name(), o.gvk()
	return (regex.MatchNamespace(effective(first.namespace)) || regex.MatchNamespace(effective(now.namespace))) &&
		(regex.MatchName(first.name) || regex.MatchName(now.name)) &&
		regex.MatchGvk(resid.Gvk{Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind}) &&
		o.carries(selector)
}

// carries reports whether labels and annotations match.
func (o *object) carries(selector types.Selector) bool {
	for name, text := range map[string]string{"labels": selector.LabelSelector, "annotations": selector.AnnotationSelector} {
		if text == "" {
			continue
		}
		parsed, err := labels.Parse(text)
		if err != nil || !parsed.Matches(labels.Set(o.root.follow("metadata", name).values())) {
			return false
		}
	}
	return true
}

func selectorOf(target *node) types.Selector {
	s := types.Selector{LabelSelector: target.get("labelSelector").scalar(), AnnotationSelector: target.get("annotationSelector").scalar()}
	s.Group, s.Version, s.Kind = target.get("group").scalar(), target.get("version").scalar(), target.get("kind").scalar()
	s.Name, s.Namespace = target.get("name").scalar(), target.get("namespace").scalar()
	return s
}
