package origin

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// schemaOf knows how the lists of a kind are merged, as the struct tags of Kubernetes' own types say it; nil for kinds
// that Kubernetes does not have, whose lists kustomize replaces.
func schemaOf(gvk schema.GroupVersionKind) strategicpatch.LookupPatchMeta {
	object, err := scheme.Scheme.New(gvk)
	if err != nil {
		return nil
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(object)
	if err != nil {
		return nil
	}
	return meta
}

// merge applies a strategic merge patch as kustomize does (kyaml/yaml/merge2); it returns nil where the patch deletes
// base. What comes from the patch keeps the patch's places.
func merge(base, patch *node, meta strategicpatch.LookupPatchMeta) *node {
	if base == nil || base.kind != mapping || patch.kind != mapping {
		return clean(patch.copy())
	}
	switch directive(patch) {
	case "delete":
		return nil
	case "replace":
		return clean(patch.copy())
	}
	for _, f := range patch.fields {
		if strings.HasPrefix(f.name, "$") {
			continue
		}
		old := base.get(f.name)
		switch {
		case f.value.kind == scalar && f.value.null, directive(f.value) == "delete":
			base.remove(f.name)
		case f.value.kind == scalar || old == nil:
			base.set(f.name, clean(f.value.copy()))
		case f.value.kind == list && old.kind == list:
			base.set(f.name, mergeList(old, f.value, f.name, meta))
		default:
			if merged := merge(old, f.value, inStruct(meta, f.name)); merged != nil {
				base.set(f.name, merged)
			} else {
				base.remove(f.name)
			}
		}
	}
	return base
}

func inStruct(meta strategicpatch.LookupPatchMeta, name string) strategicpatch.LookupPatchMeta {
	if meta == nil {
		return nil
	}
	sub, _, err := meta.LookupPatchMetadataForStruct(name)
	if err != nil {
		return nil
	}
	return sub
}

// mergeList merges the items that have the same merge keys. Those of the patch come first, in its order. Lists without
// keys are replaced.
func mergeList(base, patch *node, name string, meta strategicpatch.LookupPatchMeta) *node {
	if meta == nil {
		return clean(patch.copy())
	}
	items, how, err := meta.LookupPatchMetadataForSlice(name)
	if err != nil || !slices.Contains(how.GetPatchStrategies(), "merge") {
		return clean(patch.copy())
	}
	if slices.ContainsFunc(patch.items, func(item *node) bool { return directive(item) == "replace" && len(item.fields) == 1 }) {
		return clean(patch.copy())
	}
	out := &node{kind: list, at: base.at}
	left := slices.Clone(base.items)
	for _, item := range patch.items {
		at := slices.IndexFunc(left, func(old *node) bool { return sameItem(old, item, how.GetPatchMergeKey()) })
		if at < 0 {
			if directive(item) != "delete" {
				out.items = append(out.items, clean(item.copy()))
			}
			continue
		}
		old := left[at]
		left = slices.Delete(left, at, at+1)
		if merged := mergeItem(old, item, items); merged != nil {
			out.items = append(out.items, merged)
		}
	}
	out.items = append(out.items, left...)
	return out
}

// mergeItem merges two items that are one. Kustomize does not replace single items, whatever a patch says.
func mergeItem(old, item *node, meta strategicpatch.LookupPatchMeta) *node {
	if directive(item) == "replace" {
		item = item.copy()
		item.remove("$patch")
	}
	return merge(old, item, meta)
}

// sameItem reports whether two items of a list are one: equal scalars, or maps with equal keys. The key of ports is
// their number and their protocol.
func sameItem(a, b *node, key string) bool {
	if key == "" {
		return a.kind == scalar && b.kind == scalar && a.text == b.text
	}
	x, y := a.get(key), b.get(key)
	if x == nil || y == nil || x.scalar() != y.scalar() {
		return false
	}
	if key == "containerPort" || key == "port" {
		p, q := a.get("protocol"), b.get("protocol")
		return p == nil || q == nil || p.scalar() == q.scalar()
	}
	return true
}

func directive(n *node) string { return n.get("$patch").scalar() }

// clean takes the directives, nulls and deleted items out of a part of a patch that is added as it is.
func clean(n *node) *node {
	switch {
	case n == nil:
		return nil
	case n.kind == mapping:
		kept := n.fields[:0]
		for _, f := range n.fields {
			if strings.HasPrefix(f.name, "$") || f.value.kind == scalar && f.value.null {
				continue
			}
			kept = append(kept, field{f.name, clean(f.value)})
		}
		n.fields = kept
	case n.kind == list:
		kept := n.items[:0]
		for _, item := range n.items {
			if directive(item) == "delete" || directive(item) == "replace" && len(item.fields) == 1 {
				continue
			}
			kept = append(kept, clean(item))
		}
		n.items = kept
	}
	return n
}
