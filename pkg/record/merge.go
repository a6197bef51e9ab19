package record

import (
	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// merge returns the record of the edits of both: counts add up, and the later edit tells the rest.
func merge(a, b v1alpha1.EditRecordSpec) v1alpha1.EditRecordSpec {
	if b.LastTime.Before(&a.LastTime) {
		a, b = b, a
	}
	out := b
	out.Count = a.Count + b.Count
	if a.FirstTime.Before(&out.FirstTime) {
		out.FirstTime = a.FirstTime
	}
	return out
}
