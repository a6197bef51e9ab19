package drift

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Suspension is who suspended an owner, and when. What is not known is empty.
type Suspension struct {
	// Manager is the field manager that set spec.suspend, as it called itself.
	Manager string
	// User is who that was, as the API server authenticated them, where a record of the edit says so.
	User string
	// Since is when the owner was suspended. Without a User it is the latest that it can have been: when the manager last
	// changed any of its fields.
	Since time.Time
}

var suspendField = fieldpath.MakePathOrDie("spec", "suspend")

// SuspensionOf is what managedFields tell of a suspended object of Flux's: an owner, or a source.
func SuspensionOf(owner metav1.Object) Suspension {
	managers, err := ownership.Managers(owner)
	if err != nil {
		return Suspension{}
	}
	var out Suspension
	for _, m := range managers {
		if ownership.Holds(m.Fields, suspendField) && !m.Time.Before(out.Since) {
			out.Manager, out.Since = m.Name, m.Time
		}
	}
	return out
}

// AttributeSuspensions names the users who suspended owners, from the records of edits, in any order.
func AttributeSuspensions(result *Result, records []v1alpha1.EditRecord) {
	for i := range result.Owners {
		owner := &result.Owners[i]
		if owner.Suspended {
			owner.Suspension.Attribute(v1alpha1.ObjectReference{
				Group: owner.Owner.Kind.Group(), Kind: string(owner.Owner.Kind), Namespace: owner.Owner.Namespace, Name: owner.Owner.Name,
			}, records)
		}
	}
}

// Attribute names the user who suspended the object, from the records of edits, in any order.
func (s *Suspension) Attribute(object v1alpha1.ObjectReference, records []v1alpha1.EditRecord) {
	var last *v1alpha1.EditRecordSpec
	for n := range records {
		edit := &records[n].Spec
		if edit.Object == object && s.from(edit) && (last == nil || last.LastTime.Before(&edit.LastTime)) {
			last = edit
		}
	}
	if last != nil {
		s.User, s.Since = last.User.Name, last.LastTime.Time
	}
}

// from reports whether an edit of the object suspended it, and no later than what is suspended now was.
func (s *Suspension) from(edit *v1alpha1.EditRecordSpec) bool {
	if edit.Decision == v1alpha1.Denied || edit.Subresource != "" ||
		edit.Manager != s.Manager || edit.FirstTime.After(s.Since.Add(judging)) {
		return false
	}
	for _, field := range edit.Fields {
		if field.Path == "spec.suspend" && field.New == "true" {
			return true
		}
	}
	return false
}
