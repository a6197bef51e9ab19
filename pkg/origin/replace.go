package origin

import (
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/kustomize/kyaml/utils"
)

// replace copies values between fields as the replacements of a layer say. What was copied keeps the place that it was
// copied from: who changes that line changes both.
func (r *replay) replace(l *layer, objects []*object) {
	for _, entry := range l.replacements {
		for _, replacement := range r.replacement(l, entry) {
			source := filled(replacement.get("sourceValue"))
			if from := replacement.get("source"); from != nil {
				source = sourceOf(from, objects)
			}
			for _, target := range items(replacement.get("targets")) {
				for _, o := range objects {
					if o.replaced(target) {
						o.write(target, source)
					}
				}
			}
		}
	}
}

// replacement reads the entry itself, or the file that it names.
func (r *replay) replacement(l *layer, entry *node) []*node {
	file := entry.get("path").scalar()
	if file == "" {
		return []*node{entry}
	}
	content, _ := r.sources.read(join(l.dir, file))
	root := text{content: content, file: join(l.dir, file)}.first()
	switch {
	case root == nil:
		return nil
	case root.kind == list:
		return root.items
	}
	return []*node{root}
}

// sourceOf is the value that a source selects, nil if it is not there.
func sourceOf(from *node, objects []*object) *node {
	path := from.get("fieldPath").scalar()
	if path == "" {
		path = types.DefaultReplacementFieldPath
	}
	for _, o := range objects {
		if !o.is(from) {
			continue
		}
		value := o.root
		for _, step := range utils.SmarterPathSplitter(path, ".") {
			value = value.child(step)
		}
		if value == nil {
			return nil
		}
		value = value.copy()
		if delimiter := from.follow("options", "delimiter").scalar(); delimiter != "" {
			parts := strings.Split(value.scalar(), delimiter)
			at, ok := index(orZero(from.follow("options", "index").scalar()), len(parts))
			if !ok || at == len(parts) {
				return nil
			}
			value.text = parts[at]
		}
		return value
	}
	return nil
}

func orZero(text string) string {
	if text == "" {
		return "0"
	}
	return text
}

// is reports whether the object has, or had, what a source asks for; what it leaves out matches everything.
func (o *object) is(from *node) bool {
	gvk := o.gvk()
	wanted := selectorOf(from).ResId
	for _, n := range append([]name{o.name()}, o.names...) {
		id := resid.NewResIdWithNamespace(resid.Gvk{Group: gvk.Group, Version: gvk.Version, Kind: n.kind}, n.name, n.namespace)
		if id.IsSelectedBy(wanted) {
			return true
		}
	}
	return false
}

func (o *object) replaced(target *node) bool {
	chosen := selectorOf(target.get("select"))
	regex, err := types.NewTargetSelectorRegex(&types.TargetSelector{Select: &chosen, Reject: rejects(target)})
	if err != nil || !o.carries(chosen) {
		return false
	}
	gvk := o.gvk()
	var ids []resid.ResId
	for _, n := range append([]name{o.name()}, o.names...) {
		ids = append(ids, resid.NewResIdWithNamespace(resid.Gvk{Group: gvk.Group, Version: gvk.Version, Kind: n.kind}, n.name, n.namespace))
	}
	if regex.RejectsAny(ids) {
		return false
	}
	for _, reject := range rejects(target) {
		if (reject.LabelSelector != "" || reject.AnnotationSelector != "") && o.carries(*reject) {
			return false
		}
	}
	for _, id := range ids {
		if regex.Selects(id) {
			return true
		}
	}
	return false
}

func rejects(target *node) []*types.Selector {
	var out []*types.Selector
	for _, reject := range items(target.get("reject")) {
		selector := selectorOf(reject)
		out = append(out, &selector)
	}
	return out
}

// write sets the fields that a target names. A source of which nothing is known leaves fields of which nothing is known.
func (o *object) write(target, source *node) {
	paths := texts(target.get("fieldPaths"))
	if len(paths) == 0 {
		paths = []string{types.DefaultReplacementFieldPath}
	}
	for _, path := range paths {
		steps := utils.SmarterPathSplitter(path, ".")
		each(o.root, steps, isTrue(target.follow("options", "create")), func(old *node, within bool) *node {
			switch {
			case within:
				// A part of the text of old, which is written elsewhere.
				return &node{text: anything, at: old.at.whole()}
			case source == nil:
				return &node{text: anything}
			}
			value := source.copy()
			if delimiter := target.follow("options", "delimiter").scalar(); delimiter != "" {
				value.text = spliced(old.scalar(), value.text, delimiter, orZero(target.follow("options", "index").scalar()))
			}
			return value
		})
	}
}

// spliced puts a value among the parts of another, or before or after them.
func spliced(old, value, delimiter, at string) string {
	parts := strings.Split(old, delimiter)
	i, ok := index(at, len(parts))
	switch {
	case strings.HasPrefix(at, "-"):
		parts = append([]string{value}, parts...)
	case !ok || i == len(parts):
		parts = append(parts, value)
	default:
		parts[i] = value
	}
	return strings.Join(parts, delimiter)
}

// each replaces every value at a path, in which * stands for all items and fields. Where the path goes on within the
// text of a value, that value is replaced.
func each(n *node, path []string, create bool, replace func(old *node, within bool) *node) {
	if n == nil || len(path) == 0 {
		return
	}
	step, rest := path[0], path[1:]
	if n.kind == mapping && step != "*" && n.get(step) == nil && create {
		made := &node{}
		if len(rest) > 0 {
			made.kind = mapping
		}
		n.set(step, made)
	}
	next := func(value *node) *node {
		switch {
		case len(rest) == 0:
			return replace(value, false)
		case value.kind == scalar:
			return replace(value, true)
		}
		each(value, rest, create, replace)
		return value
	}
	for i, f := range n.fields {
		if step == "*" || f.name == step {
			n.fields[i].value = next(f.value)
		}
	}
	for i, item := range n.items {
		if step == "*" || n.child(step) == item {
			n.items[i] = next(item)
		}
	}
}
