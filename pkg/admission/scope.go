package admission

import (
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
)

// least is the narrowest scope in which a policy's action is for this kind of finding. In narrower scopes such a finding
// is written down, but neither refused nor warned about.
func (k FindingKind) least() v1alpha1.Scope {
	switch k {
	case Restarted, Undeclared, Noted:
		return v1alpha1.All
	case Added, Tied:
		return v1alpha1.Drift
	}
	return v1alpha1.Declared
}

// width orders scopes, the narrowest first. The CRD admits no others; one that it should ever admit is the widest.
func width(scope v1alpha1.Scope) int {
	switch scope {
	case v1alpha1.Declared:
		return 0
	case v1alpha1.Drift, "":
		return 1
	}
	return 2
}

// counts reports whether the action of a policy with this scope is for any of the findings.
func counts(scope v1alpha1.Scope, found []Finding) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return width(scope) >= width(f.Kind.least()) })
}

// countsAll reports whether every change by this user counts, those that git and Flux do not care about included.
func (f *Facts) countsAll(user authenticationv1.UserInfo) bool {
	return f.Managed && f.Policy != nil && width(f.Policy.Spec.Scope) == width(v1alpha1.All) && !policy.Exempts(f.Policy, user)
}

// undeclared adds to what was found of an update what counts only where everything does: changes of fields that git does
// not declare, that Flux is told to ignore, or that a person writes into the status. Controllers' status never counts.
func (j *judge) undeclared(found []Finding, before, after []ownership.Manager) []Finding {
	r := j.request
	if !j.facts.countsAll(r.User) {
		return found
	}
	known := map[string]bool{}
	for _, f := range found {
		known[f.Path.String()] = true
	}
	older, newer := content(r, r.Old), content(r, r.New)
	if r.Subresource == "status" && person(r.User) {
		older["status"], newer["status"] = r.Old.Object["status"], r.New.Object["status"]
	}
	for _, c := range fields.Diff(older, newer, ownership.Shape(before, after)) {
		for _, c := range split(c) {
			if !j.harmless(c) && !known[c.Path.String()] {
				found = append(found, j.finding(Undeclared, c))
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return a.Path.Compare(b.Path) })
	return found
}

// harmless reports whether a change is none that any policy is for: it asks Flux to reconcile, it is kubectl's own note,
// or it sets what git says.
func (j *judge) harmless(c fields.Change) bool {
	key := metadataKey(c.Path)
	if key == corev1.LastAppliedConfigAnnotation || slices.Contains(requests, key) {
		return true
	}
	if c.After == (fields.Null{}) {
		return j.wantsNull(c.Path)
	}
	want, wanted := j.wanted(c.Path)
	return wanted && !j.facts.Desired.Encrypted && matches(c.Path, c.After, want, c.Before == nil)
}

// wantsNull reports whether git says null at path.
func (j *judge) wantsNull(path fieldpath.Path) bool {
	last := len(path) - 1
	if last < 1 || path[last].FieldName == nil {
		return false
	}
	parent, _ := j.wanted(path[:last])
	siblings, _ := parent.(map[string]any)
	want, says := siblings[*path[last].FieldName]
	return says && want == nil
}
