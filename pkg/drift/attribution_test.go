package drift

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

func TestAttribute(t *testing.T) {
	now := time.Date(2026, 11, 22, 23, 40, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	path := fieldpath.MakePathOrDie("spec", "replicas")
	deployment := Object{GroupVersionKind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Namespace: "payments", Name: "api"}
	changed := Finding{Object: deployment, Kind: Changed, Path: path, Desired: int64(2), Live: int64(5), Manager: "kubectl-scale", Time: at(0), Verdict: Reverts}
	edit := func(user string, last int, change func(*v1alpha1.EditRecordSpec)) v1alpha1.EditRecord {
		spec := v1alpha1.EditRecordSpec{
			Object: v1alpha1.ObjectReference{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "api"},
			User:   v1alpha1.RecordedUser{Name: user}, Operation: "UPDATE", Decision: v1alpha1.Recorded, Manager: "kubectl-scale",
			Fields: []v1alpha1.RecordedField{{Kind: "Changed", Path: "spec.replicas", Old: "2", New: "5"}}, Count: 1,
			FirstTime: metav1.NewTime(at(last)), LastTime: metav1.NewTime(at(last)),
		}
		if change != nil {
			change(&spec)
		}
		return v1alpha1.EditRecord{Spec: spec}
	}
	with := func(f Finding, change func(*Finding)) Finding {
		change(&f)
		return f
	}
	field := func(kind, path, before, after string) func(*v1alpha1.EditRecordSpec) {
		return func(s *v1alpha1.EditRecordSpec) {
			s.Fields = []v1alpha1.RecordedField{{Kind: kind, Path: path, Old: before, New: after}}
		}
	}
	removed := with(changed, func(f *Finding) { f.Kind, f.Live, f.Manager, f.Time = Removed, nil, "", time.Time{} })
	missing := with(removed, func(f *Finding) { f.Kind, f.Path, f.Desired = Missing, nil, nil })
	deletion := func(s *v1alpha1.EditRecordSpec) { s.Operation, s.Fields, s.Manager = "DELETE", nil, "" }
	for name, test := range map[string]struct {
		finding Finding
		owner   OwnerResult
		records []v1alpha1.EditRecord
		want    string
	}{
		"no record": {finding: changed},
		"the same field, manager, time and value": {changed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, nil)}, "a"},
		"the webhook answered two seconds later":  {changed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 2, nil)}, "a"},
		"the manager wrote another field since":   {changed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", -3600, nil)}, "a"},
		"an edit after what is live":              {changed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 30, nil)}, ""},
		"the latest of several": {changed, OwnerResult{}, []v1alpha1.EditRecord{
			edit("a", -60, nil), edit("b", -30, nil), edit("late", 30, nil)}, "b"},
		"a refused edit": {changed, OwnerResult{}, []v1alpha1.EditRecord{
			edit("a", 0, func(s *v1alpha1.EditRecordSpec) { s.Decision = v1alpha1.Denied })}, ""},
		"an exempt edit": {changed, OwnerResult{}, []v1alpha1.EditRecord{
			edit("a", 0, func(s *v1alpha1.EditRecordSpec) { s.Decision = v1alpha1.Exempted })}, "a"},
		"an edit tried again later": {changed, OwnerResult{}, []v1alpha1.EditRecord{
			edit("a", 300, func(s *v1alpha1.EditRecordSpec) { s.FirstTime = metav1.NewTime(at(0)) })}, "a"},
		"another object": {changed, OwnerResult{}, []v1alpha1.EditRecord{
			edit("a", 0, func(s *v1alpha1.EditRecordSpec) { s.Object.Name = "web" })}, ""},
		"another manager": {changed, OwnerResult{}, []v1alpha1.EditRecord{
			edit("a", 0, func(s *v1alpha1.EditRecordSpec) { s.Manager = "kubectl-edit" })}, ""},
		"another field":                          {changed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, field("Changed", "spec.replicasMax", "2", "5"))}, ""},
		"another value: somebody wrote it since": {changed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", -60, field("Changed", "spec.replicas", "2", "4"))}, ""},
		"masked values tell nothing":             {with(changed, func(f *Finding) { f.Live = "*** (differs)" }), OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, field("Changed", "spec.replicas", "", "***"))}, "a"},
		"a field below the recorded one":         {changed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, field("Added", "spec", "", `{"replicas":5}`))}, "a"},
		"a field above the recorded one":         {changed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, field("Added", "spec.replicas.deeper", "", "5"))}, "a"},
		"nobody knows the manager":               {with(changed, func(f *Finding) { f.Manager, f.Time = "", time.Time{} }), OwnerResult{}, []v1alpha1.EditRecord{edit("a", -60, nil)}, "a"},
		"Flux has undone that edit since":        {changed, OwnerResult{Reconciled: at(0)}, []v1alpha1.EditRecord{edit("a", -3600, nil)}, ""},
		"Flux fails since":                       {changed, OwnerResult{Reconciled: at(0), Failure: "no"}, []v1alpha1.EditRecord{edit("a", -3600, nil)}, "a"},
		"Flux never undoes it":                   {with(changed, func(f *Finding) { f.Verdict = Persists }), OwnerResult{Reconciled: at(0)}, []v1alpha1.EditRecord{edit("a", -3600, nil)}, "a"},
		"removed":                                {removed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, field("Removed", "spec.replicas", "2", ""))}, "a"},
		"removed with what is around it":         {removed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, field("Removed", "spec", "2", ""))}, "a"},
		"removed, but the edit only changed it":  {removed, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, nil)}, ""},
		"deleted":                                {missing, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, deletion)}, "a"},
		"deleted, and not by the change before":  {missing, OwnerResult{}, []v1alpha1.EditRecord{edit("a", 0, nil)}, ""},
		"deleted again after Flux put it back":   {missing, OwnerResult{Reconciled: at(0)}, []v1alpha1.EditRecord{edit("a", -3600, deletion)}, ""},
		"an edit of one of many objects": {changed, OwnerResult{}, []v1alpha1.EditRecord{
			edit("a", 0, func(s *v1alpha1.EditRecordSpec) { s.Folded = v1alpha1.FoldedObjects })}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			test.owner.Findings = []Finding{test.finding}
			result := &Result{Owners: []OwnerResult{test.owner}}
			Attribute(result, test.records)
			got := result.Owners[0].Findings[0]
			if got.User != test.want {
				t.Errorf("the user is %q, want %q", got.User, test.want)
			}
			if got.User != "" && got.Time.IsZero() {
				t.Error("no time")
			}
		})
	}
}
