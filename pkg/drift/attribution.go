package drift

import (
	"slices"
	"strings"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// judging is how long after a write's managedFields time its record's may be: the webhook's time limit, and a second,
// because both are cut to seconds.
const judging = 4 * time.Second

// reconciling is how long Flux may take from looking at an object to the end of its reconciliation.
const reconciling = time.Minute

// recordedValue is how many characters of a value the webhook records.
const recordedValue = 120

// Attribute names the users of findings that a record of an edit explains. Records are those of any objects, in any order.
// A finding that no record explains keeps its manager alone.
func Attribute(result *Result, records []v1alpha1.EditRecord) {
	byObject := map[v1alpha1.ObjectReference][]*v1alpha1.EditRecordSpec{}
	for i := range records {
		spec := &records[i].Spec
		if spec.Decision != v1alpha1.Denied && spec.Folded != v1alpha1.FoldedObjects {
			byObject[spec.Object] = append(byObject[spec.Object], spec)
		}
	}
	for _, edits := range byObject {
		slices.SortStableFunc(edits, func(a, b *v1alpha1.EditRecordSpec) int { return b.LastTime.Compare(a.LastTime.Time) })
	}
	for i := range result.Owners {
		owner := &result.Owners[i]
		for n := range owner.Findings {
			f := &owner.Findings[n]
			edits := byObject[v1alpha1.ObjectReference{Group: f.Object.Group, Kind: f.Object.Kind, Namespace: f.Object.Namespace, Name: f.Object.Name}]
			f.explain(edits, owner)
		}
	}
}

// explain takes the user from the latest of the edits that explains the finding. Edits are of the finding's object, the
// newest first.
func (f *Finding) explain(edits []*v1alpha1.EditRecordSpec, owner *OwnerResult) {
	for _, edit := range edits {
		if f.outlived(edit, owner) || !f.by(edit) {
			continue
		}
		f.User = edit.User.Name
		if f.Time.IsZero() {
			f.Time = edit.LastTime.Time
		}
		return
	}
}

// outlived reports whether Flux has undone the edit since: it has reconciled, and would undo what the finding shows.
func (f *Finding) outlived(edit *v1alpha1.EditRecordSpec, owner *OwnerResult) bool {
	return f.Verdict == Reverts && owner.Failure == "" && owner.Reconciled.After(edit.LastTime.Add(reconciling))
}

// by reports whether the edit wrote what the finding shows: by the same manager, at that time or before, and with the
// value that is live.
func (f *Finding) by(edit *v1alpha1.EditRecordSpec) bool {
	deletion := edit.Operation == "DELETE" && edit.Subresource == ""
	switch {
	case f.Kind == Orphaned:
		return false // nobody edited it
	case deletion || f.Kind == Missing:
		return deletion && f.Kind == Missing
	case f.Manager != "" && edit.Manager != "" && f.Manager != edit.Manager:
		return false
	case !f.Time.IsZero() && edit.FirstTime.After(f.Time.Add(judging)):
		return false
	}
	path := fields.Name(f.Path)
	for _, field := range edit.Fields {
		switch {
		case field.Path == path:
			if f.live(field) {
				return true
			}
		// Additions and removals are found at the smallest subtree that is wholly there or gone, which may be a larger
		// one by now.
		case below(field.Path, path), below(path, field.Path):
			if (f.Kind == Removed) == (field.New == "") {
				return true
			}
		}
	}
	return false
}

// live reports whether a recorded field has the live value. Values that are masked tell nothing.
func (f *Finding) live(field v1alpha1.RecordedField) bool {
	if f.Live == nil || field.New == "" {
		return f.Live == nil && field.New == ""
	}
	shown := fields.Show(f.Live, recordedValue)
	return shown == field.New || strings.Contains(shown, redact.Masked) || strings.Contains(field.New, redact.Masked)
}

// below reports whether the field named path is below the one named top.
func below(path, top string) bool {
	rest, ok := strings.CutPrefix(path, top)
	return ok && top != "" && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["))
}
