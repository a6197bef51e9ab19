package admission

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/go-logr/logr"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Keys of the audit annotations; the API server puts the webhook's name and a slash before them.
const (
	AuditDecision   = "decision"
	AuditPolicy     = "policy"
	AuditBreakGlass = "break-glass"
	AuditOwner      = "owner"
	AuditRevision   = "revision"
	AuditFields     = "fields"
	AuditError      = "error"
)

// maxAudit bounds an audit annotation, in bytes. The API server sets no limit for one, but cuts events off, annotations
// and all, where they get too large for the backend that keeps them.
const maxAudit = 8 << 10

// AuditAnnotations are the evidence that the API server keeps in its audit log, of refused requests too. Every verdict
// leaves some; requests that passed were not judged, and leave none.
func (v *Verdict) AuditAnnotations() map[string]string {
	if v.Decision == Passed {
		return nil
	}
	out := map[string]string{AuditDecision: string(v.Decision)}
	set := func(key, value string) {
		if value != "" {
			out[key] = bounded(value)
		}
	}
	set(AuditOwner, v.owner())
	set(AuditPolicy, v.Policy)
	set(AuditBreakGlass, v.BreakGlass)
	set(AuditRevision, v.Revision)
	set(AuditFields, strings.Join(v.summary(), "\n"))
	return out
}

// owner writes the owner as Kind/namespace/name; empty for edits of no owner's object.
func (v *Verdict) owner() string {
	if v.Owner == (ownership.Owner{}) {
		return ""
	}
	return v.Owner.String()
}

// evident reports whether the verdict is on an edit that did something, or was refused.
func (v *Verdict) evident() bool { return v.judged() || v.Decision == Denied }

// bounded cuts text between two characters.
func bounded(text string) string {
	if len(text) <= maxAudit {
		return text
	}
	const ellipsis = "…"
	cut := maxAudit - len(ellipsis)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}

// summary is the lines of the message, and a word for findings about the whole object.
func (v *Verdict) summary() []string {
	if len(v.Findings) == 1 && v.Findings[0].line() == "" {
		return []string{string(v.Findings[0].Kind)}
	}
	return v.lines()
}

// logged is a finding as the log shows it. Values of Secrets are masked.
type logged struct {
	Kind  FindingKind `json:"kind"`
	Field string      `json:"field,omitempty"`
	Old   string      `json:"old,omitempty"`
	New   string      `json:"new,omitempty"`
}

// MarshalLog lets loggers write a finding as an object.
func (f Finding) MarshalLog() any {
	return logged{Kind: f.Kind, Field: f.name(), Old: showIf(f.Old), New: showIf(f.New)}
}

// MarshalJSON writes a finding as the log shows it.
func (f Finding) MarshalJSON() ([]byte, error) { return json.Marshal(f.MarshalLog()) }

func showIf(v any) string {
	if v == nil {
		return ""
	}
	return show(v)
}

// log writes one line for an edit that was judged. A dry-run changes nothing and is no edit, so it is only logged for
// who looks closely.
func (v *Verdict) log(log logr.Logger, r *Request) {
	if !v.evident() {
		return
	}
	level := 0
	if r.DryRun {
		level = 1
	}
	found := v.Findings[:min(len(v.Findings), maxFindings)]
	log.V(level).Info("edit of a managed object", "decision", v.Decision, "policy", v.Policy, "breakGlass", v.BreakGlass, "operation", r.Operation,
		"object", objectName(v.Object), "group", v.Object.Group, "subresource", r.Subresource,
		"owner", v.owner(), "revision", v.Revision, "user", r.User.Username, "groups", r.User.Groups,
		"manager", v.writer(r), "findings", found, "count", len(v.Findings), "dryRun", r.DryRun)
}

// writer is the field manager that the editor gave, as far as the new object shows it: the entry that is new or whose
// time moved. Within the second of the same manager's last write none has moved; then it is the one that holds the
// first field that changed. Empty where it cannot be told.
func (v *Verdict) writer(r *Request) string {
	if r.Old == nil || r.New == nil {
		return ""
	}
	before, after, err := r.managers()
	if err != nil {
		return ""
	}
	for _, m := range after {
		if !contains(before, m) {
			return m.Name
		}
	}
	for _, f := range v.Findings {
		if m, ok := ownership.Last(after, v.Owner.Kind, f.Path); ok && f.Path != nil && f.New != nil {
			return m.Name
		}
	}
	return ""
}

// contains reports whether managers has m with no fewer fields at the same time. An entry that only lost fields to
// somebody else is not the writer's.
func contains(managers []ownership.Manager, m ownership.Manager) bool {
	for _, b := range managers {
		if b.Name == m.Name && b.Operation == m.Operation && b.Subresource == m.Subresource && b.APIVersion == m.APIVersion {
			return m.Fields.Difference(b.Fields).Empty() && (m.Time.Equal(b.Time) || !m.Fields.Equals(b.Fields))
		}
	}
	return false
}
