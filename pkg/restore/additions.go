package restore

import (
	"context"
	"slices"
	"time"

	"github.com/fluxcd/pkg/ssa/jsondiff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/record"
)

// Additions is what becomes of fields that somebody added and that Flux leaves in place.
type Additions int

// What becomes of them.
const (
	// Left: they stay, as under Flux.
	Left Additions = iota
	// Removed: they are taken away, unless the owner's ignore rules name them.
	Removed
	// RemovedIfRecorded: of them, those that a record of an edit shows to be by somebody whom the policy does not exempt. Who
	// wrote the others is not known, and it may have been a controller that is.
	RemovedIfRecorded
)

// stripper is the field manager that removes additions. Flux takes over from none of its name.
const stripper = client.FieldOwner("gitops-drift")

const (
	// recording is how long an edit's record may take to be written after the edit was seen, recordPause the time between two looks for it.
	recording   = 15 * time.Second
	recordPause = 2 * time.Second
)

// strip takes away from an object what somebody added and Flux leaves in place. It reports whether that was anything, and
// whether a record that has yet to be written may show more of it.
func (l *Loop) strip(ctx context.Context, as client.Client, o *outcome, policy drift.Policy, rule Additions) (stripped, pending bool, err error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(o.kind)
	if err := l.clients.own.Get(ctx, client.ObjectKeyFromObject(o.want), live); err != nil {
		return false, false, client.IgnoreNotFound(err)
	}
	found, err := drift.NewChecker(as).Check(ctx, o.state, *o.want, live, policy)
	if err != nil {
		return false, false, err
	}
	managers, err := ownership.Managers(live)
	if err != nil {
		return false, false, err
	}
	found = slices.DeleteFunc(found, func(f drift.Finding) bool { return f.Kind != drift.Added || f.Verdict != drift.Persists })
	if rule == RemovedIfRecorded && len(found) > 0 {
		if found, pending, err = l.recorded(ctx, o, found); err != nil {
			return false, false, err
		}
	}
	unseen, err := ignored(live, policy.Ignore)
	if err != nil {
		return false, false, err
	}
	added := fieldpath.NewSet()
	for _, f := range found {
		value, _ := fields.Get(live.Object, f.Path)
		if left, seen := fields.Get(unseen.Object, f.Path); seen && fields.Equal(left, value) {
			leaves(added, f.Path, f.Live)
		}
	}
	if added.Empty() {
		return false, pending, nil
	}
	next := (&unstructured.Unstructured{Object: fields.Remove(live.Object, added, others(managers, added))}).DeepCopy()
	// Of the version that was compared.
	if err := as.Update(ctx, next, stripper); err != nil {
		return false, pending, err
	}
	return next.GetResourceVersion() != live.GetResourceVersion(), pending, nil
}

// others are the fields that anybody holds, without those of set and below.
func others(managers []ownership.Manager, set *fieldpath.Set) *fieldpath.Set {
	out := fieldpath.NewSet()
	for _, m := range managers {
		m.Fields.Iterate(func(path fieldpath.Path) {
			for i := range path {
				if set.Has(path[:i+1]) {
					return
				}
			}
			out.Insert(path.Copy())
		})
	}
	return out
}

// leaves adds to set what a finding names: of a map that was added as a whole its fields, so that what is not compared stays.
func leaves(set *fieldpath.Set, path fieldpath.Path, value any) {
	inner, ok := value.(map[string]any)
	if !ok || len(inner) == 0 || path[len(path)-1].FieldName == nil {
		set.Insert(path)
		return
	}
	for name, v := range inner {
		leaves(set, append(path.Copy(), fieldpath.FieldNameElement(name)), v)
	}
}

// ignored is a live object without what the owner's ignore rules name.
func ignored(live *unstructured.Unstructured, rules []jsondiff.IgnoreRule) (*unstructured.Unstructured, error) {
	compiled, err := jsondiff.CompileIgnoreRules(rules)
	if err != nil {
		return nil, err
	}
	out := live.DeepCopy()
	for selector, paths := range compiled {
		if !selector.MatchUnstructured(live) {
			continue
		}
		if slices.Contains(paths, jsondiff.IgnorePathRoot) {
			return &unstructured.Unstructured{Object: map[string]any{}}, nil
		}
		if err := jsondiff.ApplyPatchToUnstructured(out, jsondiff.GenerateRemovePatch(paths...)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// recorded are the findings that records show to be by somebody whom the policy does not exempt. Pending says that more
// records may come.
func (l *Loop) recorded(ctx context.Context, o *outcome, found []drift.Finding) (shown []drift.Finding, pending bool, err error) {
	records, err := record.List(ctx, l.clients.own, o.key.Namespace)
	if err != nil {
		return nil, false, err
	}
	records = slices.DeleteFunc(records, func(r v1alpha1.EditRecord) bool { return r.Spec.Decision == v1alpha1.Exempted })
	result := &drift.Result{Owners: []drift.OwnerResult{{Owner: o.state.Owner, Findings: found}}}
	drift.Attribute(result, records)
	for _, f := range result.Owners[0].Findings {
		if f.User != "" {
			shown = append(shown, f)
		} else {
			pending = pending || time.Since(o.drift.since) < recording
		}
	}
	return shown, pending, nil
}

// tighten has the objects looked at of which policy wants additions removed since it was called last.
func (l *Loop) tighten() {
	if l.options.Additions == nil {
		return
	}
	now := map[desired.Key]Additions{}
	var keys []desired.Key
	for owner, state := range l.known {
		for _, want := range state.Packed {
			rule := l.additions(owner, want.Key)
			if rule == Left {
				continue
			}
			now[want.Key] = rule
			if l.strict[want.Key] != rule {
				keys = append(keys, want.Key)
			}
		}
	}
	l.strict = now
	l.suspect(unchecked, keys...)
}
