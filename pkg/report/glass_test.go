package report

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// someGlasses are an active one that the policy shortens, one that is closed and one whose time is over.
func someGlasses() []v1alpha1.BreakGlass {
	glass := func(name, object string, age, lasts time.Duration) v1alpha1.BreakGlass {
		return v1alpha1.BreakGlass{
			ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-age))},
			Spec: v1alpha1.BreakGlassSpec{
				Object:      v1alpha1.ObjectReference{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: object},
				RequestedBy: "oncall@contoso.com", Reason: "pods are killed\x1b[31m", Ticket: "INC-1", Duration: metav1.Duration{Duration: lasts},
			},
		}
	}
	active := glass("payments-api-1", "payments-api", 12*time.Minute, time.Hour)
	active.Status.Expires = &metav1.Time{Time: now.Add(18 * time.Minute)}
	active.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionHeld, Status: metav1.ConditionTrue}}
	longer := glass("worker-1", "worker", time.Minute, time.Hour)
	longer.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionHeld, Status: metav1.ConditionFalse}}
	closed := glass("payments-api-2", "payments-api", time.Hour, 2*time.Hour)
	closed.Spec.Closed, closed.Status.EndedBy, closed.Status.Ended = true, v1alpha1.Closed, &metav1.Time{Time: now.Add(-30 * time.Minute)}
	over := glass("payments-api-3", "payments-api", 3*time.Hour, time.Hour)
	return []v1alpha1.BreakGlass{longer, active, closed, over}
}

func TestBreakGlassesSayHowLongTheyLast(t *testing.T) {
	var out strings.Builder
	if err := WriteGlasses(&out, now, Glasses{Value: someGlasses()}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a reason can steer the terminal")
	}
	for i, want := range []string{"NAME", "59m left", "18m left", "closed 30m ago", "expired 2h ago"} {
		if line := strings.Split(out.String(), "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("line %d is %q, want %q", i, line, want)
		}
	}
}

func TestStatusSaysWhatIsHeldForHowLong(t *testing.T) {
	api := object("apps", "Deployment", "payments", "payments-api")
	settings := object("", "ConfigMap", "payments", "settings")
	held := drift.OwnerResult{Owner: owner("apps"), Revision: revision, Reconciled: now, Interval: time.Hour, Findings: []drift.Finding{
		{Object: api, Verdict: drift.Held, Holder: "BreakGlass payments-api-1 is active"},
		{Object: settings, Verdict: drift.Held, Holder: "the object says x=y"},
	}}
	scan := Scan{Value: &drift.Result{Owners: []drift.OwnerResult{held}, Glasses: someGlasses()}}
	for _, compared := range []bool{true, false} {
		var out strings.Builder
		if err := (Status{Now: now, Compared: compared}).Write(&out, scan); err != nil {
			t.Fatal(err)
		}
		if want := "payments-api 18m left"; !strings.Contains(out.String(), want) {
			t.Errorf("compared: %v\n%s", compared, out.String())
		}
	}
	report := (Status{Now: now}).Report(scan)
	if holds := report.Items[0].Holds; len(holds) != 2 || holds[0].BreakGlass != "payments-api-1" || !holds[0].Until.Time.Equal(now.Add(18*time.Minute)) {
		t.Errorf("holds are %+v", holds)
	}
}
