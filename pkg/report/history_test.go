package report

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

func TestHistory(t *testing.T) {
	now := time.Date(2026, 11, 22, 23, 40, 0, 0, time.UTC)
	ago := func(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }
	api := v1alpha1.ObjectReference{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "payments-api"}
	oncall := v1alpha1.RecordedUser{Name: "oncall@contoso.com"}
	records := []v1alpha1.EditRecord{
		{Spec: v1alpha1.EditRecordSpec{
			Object: api, User: oncall, Operation: "UPDATE", Decision: v1alpha1.Denied, Count: 3, FirstTime: ago(time.Hour), LastTime: ago(time.Minute),
			Owner: "Kustomization/flux-system/apps", Revision: "main@sha1:3f2c9e1f2c9e1f2c9e1f2c9e1f2c9e1f2c9e1f2c", Manager: "kubectl-set", Policy: "enforce",
			Fields: []v1alpha1.RecordedField{
				{Kind: "Changed", Path: "spec.template.spec.containers[name=payments-api].resources.limits.memory", Old: "512Mi", New: "1Gi"},
				{Kind: "Added", Path: `metadata.annotations["example.com/a.b[c]"]`, New: "a value that is far too long for a table"},
			},
		}},
		{Spec: v1alpha1.EditRecordSpec{
			Object: api, User: oncall, Operation: "DELETE", Decision: v1alpha1.Recorded, FluxWill: v1alpha1.Reverts, Count: 1,
			FirstTime: ago(2 * time.Hour), LastTime: ago(2 * time.Hour), Owner: "Kustomization/flux-system/apps",
		}},
		{Spec: v1alpha1.EditRecordSpec{
			Object: v1alpha1.ObjectReference{Kind: "Namespace", Name: "pay\x1b[31m"}, User: oncall, Operation: "UPDATE", Subresource: "finalize",
			Decision: v1alpha1.UnderBreakGlass, BreakGlass: "incident", Folded: v1alpha1.FoldedObjects, Count: 9_812, MoreFields: 4,
			FirstTime: ago(72 * time.Hour), LastTime: ago(48 * time.Hour), Owner: "Kustomization/flux-system/apps",
			Fields: []v1alpha1.RecordedField{
				{Kind: "Changed", Path: "a", Old: "1", New: "2"}, {Kind: "Changed", Path: "b", Old: "1", New: "2"},
				{Kind: "Changed", Path: "c", Old: "1", New: "2"}, {Kind: "Changed", Path: "d", Old: "1", New: "2"},
			},
		}},
	}
	for name, test := range map[string]struct {
		history History
		records []v1alpha1.EditRecord
		want    string
	}{
		"none": {History{Now: now}, nil, "No edits are recorded.\n"},
		"table": {History{Now: now}, records, `LAST USER EDIT OBJECT FIELD CHANGE COUNT
1m ago oncall@…toso.com update denied payments/deploy/payments-api …limits.memory 512Mi → 1Gi 3
 …"example.com/a.b[c]"] – → a va…able
2h ago oncall@…toso.com delete admitted payments/deploy/payments-api (the object) – 1
2d ago oncall@…toso.com update f…incident namespace/pay\x1b[31m a 1 → 2 9812
 b 1 → 2
 c 1 → 2
 and 5 more
 and other objects
`},
		"wide": {History{Now: now, Wide: true}, records[:2], `LAST USER EDIT OBJECT FIELD CHANGE COUNT SINCE MANAGER FLUX WILL POLICY OWNER REVISION
1m ago oncall@contoso.com update denied payments/deployment/payments-api spec.template.spec.containers[name=payments-api].resources.limits.memory 512Mi → 1Gi 3 1h ago kubectl-set – enforce Kustomization/flux-system/apps main@sha1:3f2c9e1
 metadata.annotations["example.com/a.b[c]"] – → a value that is far too long for a table
2h ago oncall@contoso.com delete admitted payments/deployment/payments-api (the object) – 1 2h ago – reverts – Kustomization/flux-system/apps –
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := test.history.Write(&out, Records{Value: test.records}); err != nil {
				t.Fatal(err)
			}
			if got := squeeze(out.String()); got != squeeze(test.want) {
				t.Errorf("got\n%s\nwant\n%s\nwhole\n%s", got, squeeze(test.want), &out)
			}
		})
	}
}

// squeeze makes each run of blanks one.
func squeeze(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}

func TestThePathKeepsItsEnd(t *testing.T) {
	for name, want := range map[string]string{
		"spec.replicas": "spec.replicas",
		"spec.template.spec.containers[name=api].ports[containerPort=80,protocol=TCP].name": "…spec.containers[api].ports[80,TCP].name",
		`metadata.annotations["a.b/c]d"]`:                             `metadata.annotations["a.b/c]d"]`,
		`spec.list[name="a,b"].x`:                                     `spec.list[name="a,b"].x`,
		"a." + strings.Repeat("x", 60):                                "…" + strings.Repeat("x", 43),
		`metadata.annotations["` + strings.Repeat(`\"`, 40) + `end"]`: "…" + strings.Repeat(`\"`, 19) + `end"]`,
		"": "",
	} {
		if got := pathEnd(shortPath(name), 44); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
