package record

import (
	"unicode/utf8"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// The limits of the EditRecord CRD, in characters and items.
const (
	maxFields    = 20
	maxGroups    = 64
	maxGroup     = 256
	maxText      = 1024
	maxName      = 253
	maxKind      = 63
	maxNamespace = 63
)

// Fit shortens what does not fit into an EditRecord. It changes spec and the slices in it.
func Fit(spec *v1alpha1.EditRecordSpec) {
	for _, s := range []struct {
		text  *string
		limit int
	}{
		{&spec.Object.Group, maxName}, {&spec.Object.Kind, maxKind}, {&spec.Object.Namespace, maxNamespace}, {&spec.Object.Name, maxName},
		{&spec.Owner, maxText}, {&spec.Revision, maxText}, {&spec.User.Name, maxText},
		{&spec.Subresource, maxName}, {&spec.Manager, maxName}, {&spec.Policy, maxName}, {&spec.BreakGlass, maxName},
	} {
		*s.text = shorten(*s.text, s.limit)
	}
	if len(spec.User.Groups) > maxGroups {
		spec.User.Groups = append(spec.User.Groups[:maxGroups-1:maxGroups-1], "…")
	}
	for i, group := range spec.User.Groups {
		spec.User.Groups[i] = shorten(group, maxGroup)
	}
	if more := len(spec.Fields) - maxFields; more > 0 {
		spec.Fields, spec.MoreFields = spec.Fields[:maxFields:maxFields], spec.MoreFields+int32(more)
	}
	for i := range spec.Fields {
		f := &spec.Fields[i]
		f.Kind = shorten(f.Kind, maxKind)
		f.Path, f.Note = shorten(f.Path, maxText), shorten(f.Note, maxText)
		f.Old, f.New = shorten(f.Old, maxText), shorten(f.New, maxText)
	}
}

// shorten cuts s to limit characters, the last of which then is an ellipsis.
func shorten(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
