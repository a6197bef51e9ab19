package admission

import (
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/fluxcd/pkg/ssa"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// judge judges the changes of one update.
type judge struct {
	request *Request
	facts   *Facts
	// declared is what the owner's entry held before the edit. If foreign, it speaks of another version of the
	// object's API.
	declared *fieldpath.Set
	foreign  bool
	// own is what Flux's next apply makes its own after the edit, others what it leaves to other managers.
	own, others *fieldpath.Set
	// untracked says that managedFields had been wiped: updates leave them empty, and with the next apply the API
	// server puts everything under before-first-apply, which Flux takes over.
	untracked bool
	finder    finder
}

// judge says what a change is, false if it is nothing that git or Flux cares about.
func (j *judge) judge(c fields.Change) (FindingKind, bool) {
	key := metadataKey(c.Path)
	kind := Changed
	if c.After == nil {
		kind = Removed
	}
	_, wanted := j.wanted(c.Path)
	switch {
	case j.harmless(c):
		return "", false
	case control(c.Path) && c.After != nil, j.suspends(c):
		return OptedOut, true
	case tie(c.Path) && adds(c):
		return Tied, byHand(j.request.User) || j.takes(c)
	case key == j.facts.Owner.Kind.NameLabel(), key == j.facts.Owner.Kind.NamespaceLabel():
		return kind, true
	case wanted, holds(j.declared, c.Path), j.foreign && j.declaresBelow(c.Path[0]):
		return kind, true
	case c.After != nil && j.takes(c):
		if len(c.Path) > 3 && annotation(c.Path) == restartedAt {
			return Restarted, true
		}
		return Added, true
	}
	return "", false
}

// takes reports whether Flux makes what the change leaves its own.
func (j *judge) takes(c fields.Change) bool {
	return j.untracked || holds(j.own, c.Path) && !holds(j.others, c.Path)
}

// suspends reports whether the change suspends an object of Flux, with whatever tool: the flux CLI's manager is none
// that Flux takes over from, so the suspension would last.
func (j *judge) suspends(c fields.Change) bool {
	return strings.HasSuffix(j.request.Object.Group, ".toolkit.fluxcd.io") && len(c.Path) == 2 &&
		is(c.Path[0], "spec") && is(c.Path[1], "suspend") && fields.Equal(c.After, true)
}

// wanted returns what git says at path, false where it says nothing or says it in another version of the API.
func (j *judge) wanted(path fieldpath.Path) (any, bool) {
	if j.facts.State == nil {
		return nil, false
	}
	if !is(path[0], "metadata") && j.facts.Desired.GetAPIVersion() != j.request.New.GetAPIVersion() {
		return nil, false
	}
	return j.finder.at(j.facts.Desired.Object, path)
}

// otherVersion reports whether the owner's entry speaks of another version of the API than the request does.
func (j *judge) otherVersion(managers []ownership.Manager) bool {
	for _, m := range managers {
		if m.Name == j.facts.Owner.Kind.Manager() && m.Subresource == "" && m.APIVersion != j.request.New.GetAPIVersion() {
			return true
		}
	}
	return false
}

// declaresBelow reports whether the owner declared anything below a field at the top of the object. Between versions of an
// API no more can be told; metadata is the same in all.
func (j *judge) declaresBelow(top fieldpath.PathElement) bool {
	return !is(top, "metadata") && holds(j.declared, fieldpath.Path{top})
}

func (j *judge) finding(kind FindingKind, c fields.Change) Finding {
	before, after := redact.Change(j.request.Object.GroupKind(), c.Path, c.Before, c.After)
	switch state, status := j.facts.State, j.facts.Status; {
	case state != nil:
		before, after = state.Hidden.Change(before, after)
	case status != nil && status.FromSecrets:
		before, after = redact.Both(before, after)
	}
	return Finding{Kind: kind, Path: c.Path, Old: before, New: after}
}

// stripped divides the fields of an object into those that Flux's next apply makes its own and those that it leaves
// to other managers. People's additions to what Helm manages count as if Flux took them over: they are drift, too.
func stripped(managers []ownership.Manager, facts *Facts) (own, others *fieldpath.Set) {
	taken := takeover(facts)
	return ownership.Partition(managers, func(m ownership.Manager) bool {
		return m.TakenOver(taken) || m.Name == facts.Owner.Kind.Manager() && m.Subresource == ""
	})
}

// takeover lists the managers that Flux takes this object's fields over from; git may say that there are none.
func takeover(facts *Facts) []ssa.FieldManager {
	if facts.State != nil && ownership.Has(facts.Desired, ownership.SSA, ownership.Merge) {
		return nil
	}
	return facts.Installation.Takeover
}

// holds reports whether set has path or something below it. A leaf above path is no atomic field that contains it, for
// fields.Diff does not descend into those: it is an empty map that its manager declared.
func holds(set *fieldpath.Set, path fieldpath.Path) bool {
	if set.Has(path) {
		return true
	}
	for _, element := range path {
		sub, ok := set.Children.Get(element)
		if !ok {
			return false
		}
		set = sub
	}
	return !set.Empty()
}
