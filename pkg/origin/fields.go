package origin

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// Fields knows where the fields of one object are set. It is for one goroutine.
type Fields struct {
	object *unstructured.Unstructured
	file   string
	root   *node
	at     Origin
	// affixes are those that the build gives to names.
	affixes []string
}

// Object finds the origin of an object as Flux applies it, whose manifest is in file; empty if that is not known. Kustomize
// tells a wrong file where a patch replaced all annotations, so the others are looked through where it is not there.
// It reads and parses the files that lead to the object, and no others, each of them up to a size.
func (s *Sources) Object(file string, applied *unstructured.Unstructured) *Fields {
	out := &Fields{object: applied, file: file}
	if s == nil {
		return out
	}
	o := s.follow(file, applied)
	if o == nil && file != "" {
		o = s.follow("", applied)
	}
	if o != nil {
		out.root, out.at, out.affixes = o.root, o.declared, o.affixes
	}
	return out
}

// follow returns the object of a file, or of any file if it is empty, that became what Flux applies; nil unless there is
// exactly one.
func (s *Sources) follow(file string, applied *unstructured.Unstructured) *object {
	r := newReplay(s, file, applied)
	if o := r.only(applied); o != nil || !r.chosen {
		return o
	}
	// The name in the manifest is another one than was guessed.
	r = newReplay(s, file, applied)
	r.name = ""
	return r.only(applied)
}

// only is the one object that became what Flux applies.
func (r *replay) only(applied *unstructured.Unstructured) *object {
	var found, within []*object
	for _, o := range r.run() {
		if !o.became(applied) {
			continue
		}
		found = append(found, o)
		if o.name().namespace == applied.GetNamespace() {
			within = append(within, o)
		}
	}
	if len(within) > 0 {
		found = within
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

// became reports whether the object that left the build can be the one that Flux applies.
func (o *object) became(applied *unstructured.Unstructured) bool {
	gvk, n := o.gvk(), o.name()
	if gvk.Group != applied.GroupVersionKind().Group || n.kind != applied.GetKind() {
		return false
	}
	written, called := newScalar(n.name, Origin{}), applied.GetName()
	if explains(written, called, nil) {
		return true
	}
	dash := strings.LastIndexByte(called, '-')
	return o.hashed && dash >= 0 && hashed.MatchString(called[dash:]) && explains(written, called[:dash], nil)
}

// Declared is where the object is declared: the first line of its manifest, or the entry of its generator.
func (f *Fields) Declared() Origin {
	if f.at.File == "" {
		return Origin{File: f.file}
	}
	return f.at
}

// Origin is where the field at path is set: the line that, when it is changed, changes the field. Of a map or a list it
// is the line of its key. It is a file alone where the line is in doubt, and zero where nothing is known.
func (f *Fields) Origin(path fieldpath.Path) Origin {
	if f.root == nil || len(path) == 0 {
		return Origin{}
	}
	found := f.find(path)
	if found == nil {
		return Origin{}
	}
	applied, ok := fields.Get(f.object.Object, path)
	switch {
	case !ok:
		return found.written()
	case found.kind == scalar && explains(found, applied, f.affixes), found.kind == mapping && isMap(applied), found.kind == list && isList(applied):
		return found.written()
	}
	return found.written().whole()
}

func isMap(v any) bool  { _, ok := v.(map[string]any); return ok }
func isList(v any) bool { _, ok := v.([]any); return ok }

// written is where the node is; of a map that no line writes by itself, the first line within.
func (n *node) written() Origin {
	if n.at.File != "" || n.kind == scalar {
		return n.at
	}
	for _, f := range n.fields {
		if at := f.value.written(); at.File != "" {
			return at
		}
	}
	return Origin{}
}

func (f *Fields) find(path fieldpath.Path) *node {
	n := f.root
	if name := path[0].FieldName; name != nil && *name == "data" && len(path) == 2 && path[1].FieldName != nil && f.object.GetKind() == "Secret" {
		// Flux applies stringData as data.
		if found := n.follow("stringData", *path[1].FieldName); found != nil {
			return found
		}
	}
	for _, element := range path {
		if n = n.element(element, f.affixes); n == nil {
			return nil
		}
	}
	return n
}

// element is what a part of a path selects.
func (n *node) element(element fieldpath.PathElement, affixes []string) *node {
	switch {
	case element.FieldName != nil:
		return n.get(*element.FieldName)
	case n.kind != list:
		return nil
	case element.Index != nil:
		return n.follow(*element.Index)
	}
	var found []*node
	most := 0
	for _, item := range n.items {
		switch written := item.selectedBy(element, affixes); {
		case written > most:
			found, most = []*node{item}, written
		case written > 0 && written == most:
			found = append(found, item)
		}
	}
	if len(found) != 1 {
		return nil // which one is meant cannot be told
	}
	return found[0]
}

// selectedBy tells how many of the keys of an element an item writes, 0 if it is another item. A key that the item does
// not write has its default there; an item that writes it is the one rather than one that may have it as default.
func (n *node) selectedBy(element fieldpath.PathElement, affixes []string) int {
	if element.Value != nil && n.kind == scalar && explains(n, (*element.Value).Unstructured(), nil) {
		return 1
	}
	if element.Key == nil || n.kind != mapping {
		return 0
	}
	matched := 0
	for _, key := range *element.Key {
		value := n.get(key.Name)
		if value == nil {
			continue
		}
		if !explains(value, key.Value.Unstructured(), affixes) {
			return 0
		}
		matched++
	}
	return matched
}
