package drift

import (
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// persisting are the fields that somebody added and that Flux's next apply leaves in place: they are in its outcome, and
// would not be, had nobody ever set them.
func (p predictor) persisting(ctx context.Context, want, live *unstructured.Unstructured, outcome prediction) ([]Finding, error) {
	foreign, keep := p.foreign(want, live, outcome)
	if foreign.Empty() {
		return nil, nil
	}
	bare, err := p.without(ctx, outcome.next, foreign, keep)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, change := range diff(outcome.next, bare, outcome.shape()) {
		for _, path := range untouched(live.Object, change.Path, change.Before) {
			value, _ := fields.Lookup(live.Object, path)
			f := newFinding(live, path, value, nil)
			f.attribute(p.kind, outcome.managers)
			f.Verdict = Persists
			found = append(found, f)
		}
	}
	return found, nil
}

// foreign are the fields of live that somebody holds beyond Flux and the cluster's controllers, whose fields are to be
// kept.
func (p predictor) foreign(want, live *unstructured.Unstructured, outcome prediction) (foreign, keep *fieldpath.Set) {
	foreign, keep = fieldpath.NewSet(), p.declared(outcome.applied)
	for _, m := range outcome.managers {
		if p.steady(m) {
			keep = keep.Union(m.Fields)
		} else {
			foreign = foreign.Union(m.Fields)
		}
	}
	// What others hold as git has it is git's, though Flux's entry lost it and there is nothing to apply again.
	agreed := fieldpath.NewSet()
	foreign.Iterate(func(path fieldpath.Path) {
		asked, ok := fields.Get(want.Object, path)
		is, there := fields.Get(live.Object, path)
		if ok && there && fields.Equal(asked, is) {
			agreed.Insert(path.Copy())
		}
	})
	keep = keep.Union(agreed)
	mine := keep.Union(emptyLists(foreign.Union(unowned(live)), want))
	return speaking(foreign.Union(secretData(live)).Union(unowned(live)).Difference(mine), live), keep
}

// secretData are all keys of a Secret's data, of which managedFields may know nothing: who applies stringData is noted
// as its owner, and what the API server makes of it, data, belongs to nobody. It never fills in a key by itself.
func secretData(live *unstructured.Unstructured) *fieldpath.Set {
	out := fieldpath.NewSet()
	if live.GroupVersionKind().GroupKind() == (schema.GroupKind{Kind: "Secret"}) {
		data, _ := live.Object["data"].(map[string]any)
		for key := range data {
			out.Insert(fieldpath.MakePathOrDie("data", key))
		}
	}
	return out
}

// unowned are the empty lists of a custom resource: where its schema knows the list, managedFields note none, whoever
// wrote it. Built-in kinds have no empty lists.
func unowned(live *unstructured.Unstructured) *fieldpath.Set {
	out := fieldpath.NewSet()
	if !custom(live) {
		return out
	}
	var walk func(path fieldpath.Path, v any)
	walk = func(path fieldpath.Path, v any) {
		switch x := v.(type) {
		case map[string]any:
			for name, inner := range x {
				walk(append(path.Copy(), fieldpath.FieldNameElement(name)), inner)
			}
		case []any:
			if len(x) == 0 {
				out.Insert(path)
			}
		}
	}
	walk(nil, compared(live))
	return out
}

// speaking is the part of set that is in the compared part of live.
func speaking(set *fieldpath.Set, live *unstructured.Unstructured) *fieldpath.Set {
	out, content := fieldpath.NewSet(), compared(live)
	set.Iterate(func(path fieldpath.Path) {
		if _, ok := fields.Lookup(content, path); ok {
			out.Insert(path)
		}
	})
	return out
}

// untouched are the paths, at or below path, where live already has what is there in value. The others are findings
// already, with the other verdict.
func untouched(live any, path fieldpath.Path, value any) []fieldpath.Path {
	was, ok := fields.Lookup(live, path)
	if !ok {
		return nil
	}
	if isNull(was) && (value == nil || isNull(value)) || fields.Equal(was, value) {
		return []fieldpath.Path{path}
	}
	inner, _ := value.(map[string]any)
	var out []fieldpath.Path
	for _, name := range slices.Sorted(maps.Keys(inner)) {
		below := append(path.Copy(), fieldpath.FieldNameElement(name))
		out = append(out, untouched(live, below, inner[name])...)
	}
	return out
}

func isNull(v any) bool {
	_, null := v.(fields.Null)
	return null
}
