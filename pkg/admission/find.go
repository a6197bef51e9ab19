package admission

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/fluxcd/pkg/ssa/jsondiff"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// restartedAt is what `kubectl rollout restart` sets in the pod template.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// requests are the annotations that ask Flux to reconcile; setting them is using Flux, not editing an object.
var requests = []string{"reconcile.fluxcd.io/requestedAt", "reconcile.fluxcd.io/forceAt", "reconcile.fluxcd.io/resetAt"}

// find lists what an edit does to a managed object, or to one that claims to be managed.
func find(r *Request, facts *Facts) ([]Finding, error) {
	if !facts.Managed {
		return lookAlike(r, facts), nil
	}
	switch {
	case facts.abandoned():
		return nil, nil
	case facts.State != nil && handsOff(facts):
		return nil, nil
	case r.Subresource != "" && r.Operation == admissionv1.Create:
		return nil, nil
	case terminating(r):
		return released(r), nil
	case r.scale():
		return scaled(r, facts)
	case r.Operation == admissionv1.Delete:
		return []Finding{{Kind: Deleted}}, nil
	case r.Operation == admissionv1.Create:
		return created(r, facts)
	case r.Subresource == "resize", r.Subresource == "ephemeralcontainers":
		return noted(r, facts)
	}
	return updated(r, facts)
}

// lookAlike finds a person's object that newly claims an owner. Controllers do copy labels to what they create.
func lookAlike(r *Request, facts *Facts) []Finding {
	if r.New == nil || !person(r.User) {
		return nil
	}
	now, ok := ownership.Claimed(r.New)
	if !ok {
		return nil
	}
	if r.Old != nil {
		if before, ok := ownership.Claimed(r.Old); ok && before == now {
			return nil
		}
	}
	return []Finding{{Kind: LookAlike, Path: fieldpath.MakePathOrDie("metadata", "labels", facts.Owner.Kind.NameLabel()), New: now.Name}}
}

// scaled judges a Scale, which has neither labels nor managedFields, by what git says about the scaled object.
func scaled(r *Request, facts *Facts) ([]Finding, error) {
	if facts.State == nil {
		return nil, nil
	}
	object, err := facts.regarded(facts.Desired.Unstructured, facts.Desired.Unstructured)
	if err != nil {
		return nil, err
	}
	want, declared := fields.Get(object.Object, replicasPath)
	if r.Old == nil || r.New == nil || !declared && !facts.countsAll(r.User) {
		return nil, nil
	}
	before, after := replicas(r)
	if fields.Equal(before, after) || declared && fields.Equal(after, want) {
		return nil, nil
	}
	kind := Changed
	if !declared {
		kind = Undeclared
	}
	return []Finding{{Kind: kind, Path: replicasPath, Old: before, New: after}}, nil
}

func orZero(replicas any) any {
	if replicas == nil {
		return int64(0)
	}
	return replicas
}

// created judges bringing a missing object back: what git declares must be as git says. Flux adds the rest.
func created(r *Request, facts *Facts) ([]Finding, error) {
	_, managers, err := r.managers()
	if err != nil {
		return nil, err
	}
	j := judge{request: r, facts: facts}
	var found []Finding
	for _, c := range fields.Diff(content(r, facts.Desired.Unstructured), content(r, r.New), ownership.Shape(managers)) {
		for _, c := range split(c) {
			switch {
			case control(c.Path) && c.After != nil:
				found = append(found, j.finding(OptedOut, c))
			case c.Before != nil && c.After != nil && !facts.Desired.Encrypted && !restores(c.Path, facts.Desired, c.After, true):
				found = append(found, j.finding(Changed, c))
			}
		}
	}
	return found, nil
}

func updated(r *Request, facts *Facts) ([]Finding, error) {
	before, after, err := r.managers()
	if err != nil {
		return nil, err
	}
	j := judge{request: r, facts: facts}
	var had bool
	j.declared, had = ownership.Declared(before, facts.Owner.Kind)
	j.foreign = had && j.otherVersion(before)
	j.own, j.others = stripped(after, facts)
	j.untracked = len(after) == 0 && len(takeover(facts)) > 0

	older, err := facts.regarded(r.Old, r.New)
	if err != nil {
		return nil, err
	}
	newer, err := facts.regarded(r.New, r.New)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, c := range fields.DiffNulls(content(r, older), content(r, newer), ownership.Shape(before, after)) {
		for _, c := range split(c) {
			if kind, ok := j.judge(c); ok {
				found = append(found, j.finding(kind, c))
			}
		}
	}
	if _, has := ownership.Declared(after, facts.Owner.Kind); had && !has {
		found = append(found, Finding{Kind: Disowned, Path: fieldpath.MakePathOrDie("metadata", "managedFields",
			fieldpath.KeyByFields("manager", facts.Owner.Kind.Manager()))})
	}
	return j.undeclared(found, before, after), nil
}

// content is the part of an object that an edit can change: all but what names it and what the API server keeps.
// Status has its own subresource; a write to it can change metadata too, and of such a write only that counts.
func content(r *Request, object *unstructured.Unstructured) map[string]any {
	out := map[string]any{}
	if r.Subresource != "status" {
		for k, v := range object.Object {
			if k != "apiVersion" && k != "kind" {
				out[k] = v
			}
		}
	}
	metadata, _ := object.Object["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, field := range []string{"labels", "annotations", "finalizers", "ownerReferences"} {
		if v, ok := metadata[field]; ok {
			kept[field] = v
		}
	}
	out["metadata"] = kept
	return out
}

// regarded returns object without the fields that the owner tells Flux to leave alone. The rules that select subject
// apply.
func (f *Facts) regarded(object, subject *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if f.Status == nil || len(f.Status.Ignore) == 0 {
		return object, nil
	}
	object = object.DeepCopy()
	for i, rule := range f.Status.Ignore {
		// As in CompileIgnoreRules, the last rule without a selector stands for all of them.
		if rule.Selector == nil && slices.ContainsFunc(f.Status.Ignore[i+1:], func(later jsondiff.IgnoreRule) bool { return later.Selector == nil }) {
			continue
		}
		// One by one, for rules that take items out of the same list depend on their order.
		compiled, err := jsondiff.CompileIgnoreRules(f.Status.Ignore[i : i+1])
		if err != nil {
			return nil, fmt.Errorf("spec.ignore of %s: %w", f.Owner, err)
		}
		for selector, paths := range compiled {
			if !selector.MatchUnstructured(subject) {
				continue
			}
			if err := jsondiff.ApplyPatchToUnstructured(object, jsondiff.GenerateRemovePatch(paths...)); err != nil {
				return nil, fmt.Errorf("spec.ignore of %s: %w", f.Owner, err)
			}
		}
	}
	return object, nil
}

// split divides a change of a whole map of labels or annotations into its keys, for each has a meaning of its own.
func split(c fields.Change) []fields.Change {
	n := len(c.Path)
	if n < 2 || !is(c.Path[n-2], "metadata") || !is(c.Path[n-1], "labels") && !is(c.Path[n-1], "annotations") {
		return []fields.Change{c}
	}
	before, _ := c.Before.(map[string]any)
	after, _ := c.After.(map[string]any)
	changes := fields.Diff(before, after, nil)
	for i := range changes {
		changes[i].Path = append(c.Path.Copy(), changes[i].Path...)
	}
	return changes
}

func is(element fieldpath.PathElement, name string) bool {
	return element.FieldName != nil && *element.FieldName == name
}

// annotation returns the key if path is an annotation of the object or of its pod template.
func annotation(path fieldpath.Path) string {
	n := len(path)
	if n < 3 || !is(path[n-3], "metadata") || !is(path[n-2], "annotations") || path[n-1].FieldName == nil {
		return ""
	}
	return *path[n-1].FieldName
}

// metadataKey returns the key if path is an annotation or a label of the object itself.
func metadataKey(path fieldpath.Path) string {
	if len(path) != 3 || !is(path[0], "metadata") || !is(path[1], "annotations") && !is(path[1], "labels") || path[2].FieldName == nil {
		return ""
	}
	return *path[2].FieldName
}

// control reports whether path is an annotation or label that steers Flux.
func control(path fieldpath.Path) bool {
	return slices.Contains(ownership.Controls(), metadataKey(path))
}
