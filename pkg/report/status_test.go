package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

const other = "main@sha1:91ab00c00b7a4f6e8c5d2a1b0c9d8e7f6a5b4c3d"

// statusScans are what five clusters answer.
func statusScans() []Scan {
	at := func(name, revision string, ago time.Duration) drift.OwnerResult {
		return drift.OwnerResult{Owner: owner(name), Revision: revision, Reconciled: now.Add(-ago), Interval: 10 * time.Minute, Checked: 10}
	}
	api, settings := object("apps", "Deployment", "payments", "payments-api"), object("", "ConfigMap", "payments", "settings")
	drifted := at("apps", revision, 40*time.Second)
	drifted.Findings = []drift.Finding{{Object: api, Verdict: drift.Reverts}, {Object: api, Verdict: drift.Persists}, {Object: settings, Verdict: drift.Held}}
	release := at("ingress", "4.12.0", time.Minute)
	release.Owner = ownership.Owner{Kind: ownership.HelmRelease, Namespace: "ingress", Name: "ingress"}
	byUser, byManager, unknown := at("catalog", revision, 3*time.Hour), at("infrastructure", other, 26*time.Hour), at("tenants", revision, time.Hour)
	byUser.Suspended, byUser.Suspension = true, drift.Suspension{User: "oncall@contoso.com", Manager: "kubectl-patch", Since: now.Add(-2 * time.Hour)}
	byManager.Suspended, byManager.Suspension = true, drift.Suspension{Manager: "flux", Since: now.Add(-25 * time.Hour)}
	unknown.Suspended = true
	failing := at("infrastructure", other, time.Minute)
	failing.Failure = "health check failed: deployment \x1b[31mcontroller\nmore lines"
	unread := at("tenants", revision, time.Minute)
	unread.Err = errors.New("its source GitRepository flux-system/tenants has no artifact yet")
	unproven := at("apps", revision, time.Minute)
	unproven.Unproven = []drift.ObjectError{{Object: api, Err: errors.New("forbidden")}}
	gone := drift.OwnerResult{Owner: owner("old"), Gone: true, Findings: []drift.Finding{{Object: settings, Kind: drift.Orphaned, Verdict: drift.Persists}}}
	never := drift.OwnerResult{Owner: owner("new"), Interval: time.Hour}
	return []Scan{
		{Cluster: "prod-eu", Value: &drift.Result{Owners: []drift.OwnerResult{drifted, byUser, byManager, release, unknown}}},
		{Cluster: "prod-ap", Value: &drift.Result{Owners: []drift.OwnerResult{at("apps", other, 47*time.Minute), at("infrastructure", other, 50*time.Minute)}}},
		{Cluster: "prod-us", Value: &drift.Result{Owners: []drift.OwnerResult{unproven, failing, gone, unread}}},
		{Cluster: "dev", Value: &drift.Result{Owners: []drift.OwnerResult{at("apps", revision, 11*time.Minute), never, at("tenants", revision, 47*time.Minute)}}},
		{Cluster: "stage", Err: errors.New("unreachable: connection refused")},
	}
}

func TestGoldenStatus(t *testing.T) {
	for name, status := range map[string]Status{
		"status.table.txt":   {Compared: true},
		"status.owners.txt":  {},
		"status.wide.txt":    {Compared: true, Wide: true},
		"status.color.txt":   {Compared: true, Color: true},
		"status.limited.txt": {Compared: true, Stale: 30 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			status.Now = now
			var out strings.Builder
			if err := status.Write(&out, statusScans()...); err != nil {
				t.Fatal(err)
			}
			golden(t, name, strings.ReplaceAll(out.String(), "\x1b", "ESC"))
		})
	}
	var list strings.Builder
	if err := WriteYAML(&list, Status{Now: now, Compared: true}.Report(statusScans()...)); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.yaml", list.String())
}

func TestAloneAClusterHasNoColumnInTheTableOfOwners(t *testing.T) {
	var out strings.Builder
	if err := (Status{Now: now, Wide: true}).Write(&out, statusScans()[0]); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "OWNER ") {
		t.Errorf("got\n%s", &out)
	}
}

func TestWhatIsToBeSeenTo(t *testing.T) {
	well := drift.OwnerResult{Owner: owner("apps"), Reconciled: now, Interval: time.Minute}
	for name, test := range map[string]struct {
		change func(*drift.OwnerResult)
		stale  time.Duration
		want   bool
	}{
		"all is well": {func(*drift.OwnerResult) {}, 0, false},
		"drift":       {func(o *drift.OwnerResult) { o.Findings = []drift.Finding{{Kind: drift.Changed}} }, 0, true},
		"what git excepts": {func(o *drift.OwnerResult) {
			o.Findings = []drift.Finding{{Kind: drift.OptedOut, Desired: "x", Live: "x"}}
		}, 0, false},
		"a failure":         {func(o *drift.OwnerResult) { o.Failure = "x" }, 0, true},
		"a little late":     {func(o *drift.OwnerResult) { o.Reconciled = now.Add(-119 * time.Second) }, 0, false},
		"late":              {func(o *drift.OwnerResult) { o.Reconciled = now.Add(-121 * time.Second) }, 0, true},
		"late, but allowed": {func(o *drift.OwnerResult) { o.Reconciled = now.Add(-time.Hour) }, 2 * time.Hour, false},
		"too late":          {func(o *drift.OwnerResult) { o.Reconciled = now.Add(-31 * time.Second) }, 30 * time.Second, true},
		"never reconciled":  {func(o *drift.OwnerResult) { o.Reconciled = time.Time{} }, 0, true},
		"suspended":         {func(o *drift.OwnerResult) { o.Suspended, o.Reconciled = true, time.Time{} }, 0, false},
	} {
		changed := well
		test.change(&changed)
		scan := Scan{Value: &drift.Result{Owners: []drift.OwnerResult{changed}}}
		if got := (Status{Now: now, Stale: test.stale}).Wrong(scan, Scan{Err: errors.New("x")}); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
