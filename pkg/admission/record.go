package admission

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// record is the verdict on one edit as a record of it. Values of Secrets are masked, as in the findings.
func (v *Verdict) record(r *Request, facts *Facts, now time.Time) v1alpha1.EditRecordSpec {
	out := v1alpha1.EditRecordSpec{
		Object: v1alpha1.ObjectReference{
			Group: v.Object.Group, Kind: v.Object.Kind, Namespace: v.Object.Namespace, Name: v.Object.Name,
		},
		Owner:       v.owner(),
		Revision:    v.Revision,
		User:        v1alpha1.RecordedUser{Name: r.User.Username, Groups: slices.Clone(r.User.Groups)},
		Operation:   string(r.Operation),
		Subresource: r.Subresource,
		Manager:     v.writer(r),
		Decision:    v1alpha1.Decision(v.Decision),
		Policy:      v.Policy,
		BreakGlass:  v.BreakGlass,
		Count:       1,
		FirstTime:   metav1.Time{Time: now},
		LastTime:    metav1.Time{Time: now},
	}
	if v.Admitted() {
		out.FluxWill = v.fluxWill(r, facts)
	}
	for _, f := range v.Findings {
		if f.Path == nil && f.Kind == Deleted {
			continue // the operation says it
		}
		out.Fields = append(out.Fields, v1alpha1.RecordedField{
			Kind: string(f.Kind), Path: fields.Name(f.Path), Old: showIf(f.Old), New: showIf(f.New), Note: f.Note,
		})
	}
	return out
}

// fluxWill is what Flux does about an edit once it is admitted, empty where that is not known: of objects that no owner
// declares, of what is about more than the
// object, and of releases, whose drift correction the webhook does not look at.
func (v *Verdict) fluxWill(r *Request, facts *Facts) v1alpha1.FluxVerdict {
	if v.Owner.Kind != ownership.Kustomization {
		return ""
	}
	persists := true
	for _, f := range v.Findings {
		switch f.Kind {
		case OptedOut:
			return v1alpha1.Held
		case Added:
			persists = persists && !strips(r, facts, f.Path)
		case Changed, Removed, Disowned, Deleted, Restarted:
			persists = false
		case Undeclared, Tied:
		default:
			return ""
		}
	}
	if facts.Status != nil && facts.Status.Suspended {
		return v1alpha1.Held
	}
	if r.Old != nil && !r.scale() {
		if _, out := ownership.OptOut(r.Old); out {
			return v1alpha1.Held
		}
	}
	if persists {
		return v1alpha1.Persists
	}
	return v1alpha1.Reverts
}

// strips reports whether Flux's next apply removes what was added at path: it takes it over from its manager.
func strips(r *Request, facts *Facts, path fieldpath.Path) bool {
	if r.New == nil || r.scale() {
		return false
	}
	_, managers, err := r.managers()
	if err != nil || len(managers) == 0 {
		return true
	}
	own, others := stripped(managers, facts)
	return holds(own, path) && !holds(others, path)
}
