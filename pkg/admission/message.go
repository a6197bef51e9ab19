package admission

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

const (
	// maxFindings bounds what a message and an audit annotation list; the rest is counted.
	maxFindings = 20
	// maxValue bounds, in characters, how much of a value they show.
	maxValue = 120
	// maxName does so for the names of fields: who may write a map's keys writes their names.
	maxName = 300
)

// Message is what the editor reads when the edit is refused.
func (v *Verdict) Message() string {
	if v.refusal != "" {
		return v.refusal
	}
	var b strings.Builder
	b.WriteString(v.headline())
	if v.Declared.File != "" && !v.located() {
		b.WriteString("\n  declared in " + v.Declared.String())
	}
	for _, line := range v.written(true) {
		b.WriteString("\n  " + line)
	}
	b.WriteString("\n" + v.closing)
	if v.emergency != "" {
		text, inGit := strings.CutSuffix(b.String(), " in git.")
		if inGit {
			return text + " in git, or in an emergency:\n  " + v.emergency
		}
		return text + "\nIn an emergency:\n  " + v.emergency
	}
	return b.String()
}

// Warnings are what the editor reads when the edit is admitted, a line each; none if there is nothing to say.
func (v *Verdict) Warnings() []string {
	switch {
	case !v.judged():
		return nil
	case v.Decision == Warned:
		return append(append([]string{v.headline()}, v.lines()...), v.closing)
	case v.Decision == Recorded && restartOnly(v.Findings):
		return []string{v.closing}
	case v.Decision == UnderBreakGlass:
		return []string{fmt.Sprintf("BreakGlass %s admits this edit. %s", v.BreakGlass, v.closing)}
	}
	return nil
}

func (v *Verdict) headline() string {
	if v.reached != "" {
		return v.reached
	}
	var at string
	if v.Revision != "" {
		at = " at " + desired.ShortRevision(v.Revision)
	}
	for _, f := range v.Findings {
		if f.Kind == LookAlike {
			return fmt.Sprintf("%s carries the labels of Flux %s", objectName(v.Object), fluxName(v.Owner))
		}
	}
	return fmt.Sprintf("%s is managed by Flux %s%s", objectName(v.Object), fluxName(v.Owner), at)
}

// located reports whether a finding says where git sets its field.
func (v *Verdict) located() bool {
	return slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Origin.File != "" })
}

// lines says what the edit does, a line a field.
func (v *Verdict) lines() []string { return v.written(false) }

// written is what lines says; with origins, a second line of a field says where git sets it.
func (v *Verdict) written(origins bool) []string {
	var out []string
	for i, f := range v.Findings {
		if i == maxFindings {
			return append(out, fmt.Sprintf("and %d more", len(v.Findings)-i))
		}
		if line := f.line(); line != "" {
			out = append(out, line)
			if origins && f.Origin.File != "" {
				out = append(out, "  set in "+f.Origin.String())
			}
		}
	}
	return out
}

// line is the finding as path: old → new; empty where it is about the whole object.
func (f Finding) line() string {
	switch {
	case f.Note != "":
		return f.Note
	case f.Path == nil:
		return ""
	case f.Kind == Disowned:
		return f.name() + ": removed"
	}
	return fmt.Sprintf("%s: %s → %s", f.name(), show(f.Old), show(f.New))
}

// name is the field's name as people write it.
func (f Finding) name() string { return fields.Cut(fields.Name(f.Path), maxName) }

// show writes a value on one line.
func show(v any) string { return fields.Show(v, maxValue) }

// objectName writes Kind namespace/name.
func objectName(key desired.Key) string {
	if key.Namespace == "" {
		return key.Kind + " " + key.Name
	}
	return key.Kind + " " + key.Namespace + "/" + key.Name
}

// fluxName writes Kind namespace/name.
func fluxName(owner ownership.Owner) string {
	return fmt.Sprintf("%s %s/%s", owner.Kind, owner.Namespace, owner.Name)
}
