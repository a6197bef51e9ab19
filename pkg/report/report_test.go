package report

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/origin"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var now = time.Date(2026, 11, 22, 23, 52, 0, 0, time.UTC)

const revision = "main@sha1:3f2c9e1d0b7a4f6e8c5d2a1b0c9d8e7f6a5b4c3d"

// golden compares with a file of testdata, which UPDATE_GOLDEN=1 writes again.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func owner(name string) ownership.Owner {
	return ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: name}
}

func object(group, kind, namespace, name string) drift.Object {
	return drift.Object{GroupVersionKind: schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, Namespace: namespace, Name: name}
}

// sunday is what a scan finds on the night of the design: every kind of finding, verdict and trouble.
func sunday() *drift.Result {
	payments := object("apps", "Deployment", "payments", "payments-api")
	settings := object("", "ConfigMap", "payments", "settings")
	token := object("", "Secret", "payments", "token")
	container := fieldpath.KeyByFields("name", "payments-api")
	template := fieldpath.MakePathOrDie("spec", "template", "spec", "containers", container)
	at := func(path fieldpath.Path, more ...any) fieldpath.Path {
		return append(path.Copy(), fieldpath.MakePathOrDie(more...)...)
	}
	find := func(o drift.Object, kind drift.Kind, path fieldpath.Path, desired, live any, manager string, ago time.Duration, verdict drift.Verdict) drift.Finding {
		f := drift.Finding{Object: o, Owner: owner("apps"), Revision: revision, Kind: kind, Path: path, Desired: desired, Live: live, Manager: manager, Verdict: verdict}
		if ago > 0 {
			f.Time = now.Add(-ago)
		}
		f.Origin.File = "apps/payments-api/base/" + strings.ToLower(o.Kind) + ".yaml"
		if kind == drift.Changed || kind == drift.Removed {
			f.Origin.Line = 10 + len(path)
		}
		return f
	}
	scaled := find(payments, drift.Changed, fieldpath.MakePathOrDie("spec", "replicas"), int64(2), int64(5), "kubectl", 0, drift.Reverts)
	scaled.Subresource = "scale"
	held := find(object("", "ConfigMap", "catalog", "settings"), drift.Changed, fieldpath.MakePathOrDie("data", "level"), "info", "debug", "kubectl-edit", time.Hour, drift.Held)
	held.Owner, held.Holder = owner("catalog"), "the Kustomization is suspended"
	gone := find(object("rbac.authorization.k8s.io", "ClusterRole", "", "reader"), drift.Missing, nil, nil, nil, "", 0, drift.Reverts)
	gone.Owner, gone.Origin = owner("infrastructure"), origin.Origin{}
	return &drift.Result{Owners: []drift.OwnerResult{
		{
			Owner: owner("apps"), Revision: revision, Reconciled: now.Add(-4 * time.Minute), Interval: 10 * time.Minute, Checked: 20,
			Findings: []drift.Finding{
				find(payments, drift.Removed, fieldpath.MakePathOrDie("metadata", "annotations", "contoso.com/owner"), "payments", nil, "", 0, drift.Reverts),
				scaled,
				find(payments, drift.Added, at(template, "env", fieldpath.KeyByFields("name", "DEBUG")),
					nil, map[string]any{"name": "DEBUG", "value": "1"}, "kubectl-patch", 3*time.Minute, drift.Reverts),
				find(payments, drift.Added, at(template, "env", fieldpath.KeyByFields("name", "TRACE")),
					nil, map[string]any{"name": "TRACE", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}}}, "pipeline", 5*time.Hour, drift.Persists),
				find(payments, drift.Changed, at(template, "resources", "limits", "memory"), "512Mi", "1Gi", "kubectl-edit", 12*time.Minute, drift.Reverts),
				find(settings, drift.Changed, fieldpath.MakePathOrDie("data", "banner"), "hello", "\x1b]0;owned\a\u202eevil\nsecond line", "kubectl-edit", time.Second, drift.Reverts),
				find(settings, drift.Changed, fieldpath.MakePathOrDie("data", "address"), "https://payments.prod-eu.contoso.com/v1", "https://payments.prod-us.contoso.com/v1?a=1&b=<2>", "kubectl-edit", time.Second, drift.Reverts),
				find(settings, drift.Added, fieldpath.MakePathOrDie("metadata", "finalizers", fieldpath.ValueElement(value.NewValueInterface("x/lock"))), nil, "x/lock", "kubectl-edit", time.Second, drift.Reverts),
				find(token, drift.Changed, fieldpath.MakePathOrDie("data", "password"), "***", "*** (differs)", "kubectl-patch", time.Minute, drift.Reverts),
			},
			Documents: []drift.Documents{
				{Object: settings,
					Git:  map[string]any{"kind": "ConfigMap", "data": map[string]any{"banner": "hello", "same": "x"}},
					Live: map[string]any{"kind": "ConfigMap", "data": map[string]any{"banner": "\x1b]0;owned\a\u202eevil\nsecond line", "same": "x"}}},
				{Object: token,
					Git:  map[string]any{"kind": "Secret", "data": map[string]any{"password": "***"}},
					Live: map[string]any{"kind": "Secret", "data": map[string]any{"password": "*** (differs)"}}},
			},
		},
		{
			Owner: owner("catalog"), Revision: revision, Reconciled: now.Add(-26 * time.Hour), Interval: 10 * time.Minute, Suspended: true, Checked: 7,
			Findings: []drift.Finding{held},
		},
		{
			Owner: owner("infrastructure"), Revision: revision, Reconciled: now.Add(-time.Minute), Interval: time.Hour, Checked: 3,
			Failure:  "health check failed: deployment \x1b[31mcontroller\nmore lines",
			Findings: []drift.Finding{gone},
			Documents: []drift.Documents{{Object: gone.Object,
				Git: map[string]any{"kind": "ClusterRole", "metadata": map[string]any{"name": "reader"}}}},
			Unproven: []drift.ObjectError{{Object: object("", "ConfigMap", "payments", "x"), Err: errors.New("forbidden")}},
		},
		{Owner: owner("tenants"), Err: errors.New("its source GitRepository flux-system/tenants has no artifact yet")},
	}}
}

func table(t *testing.T, result *drift.Result, options Table) string {
	t.Helper()
	var out strings.Builder
	options.Now = now
	if err := options.Write(&out, Scan{Value: result}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGoldenOutput(t *testing.T) {
	golden(t, "sunday.table.txt", table(t, sunday(), Table{}))
	golden(t, "sunday.wide.txt", table(t, sunday(), Table{Wide: true}))
	golden(t, "sunday.color.txt", strings.ReplaceAll(table(t, sunday(), Table{Color: true}), "\x1b", "ESC"))
	var diff, js, yaml strings.Builder
	if err := WriteDiff(&diff, []Scan{{Value: sunday()}}, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "sunday.diff", diff.String())
	list := NewDriftReport(Scan{Value: sunday()})
	if err := errors.Join(list.WriteJSON(&js), list.WriteYAML(&yaml)); err != nil {
		t.Fatal(err)
	}
	golden(t, "sunday.json", js.String())
	golden(t, "sunday.yaml", yaml.String())
}

func TestNothingOfOthersReachesTheTerminalRaw(t *testing.T) {
	hostile := "a\x1b[2Jb\rc\a\x7fd\u202ee\u009bf"
	f := drift.Finding{Object: object("", "ConfigMap", "shop", hostile), Owner: owner("apps"), Kind: drift.Changed, Verdict: drift.Held, Holder: hostile,
		Path:    fieldpath.MakePathOrDie("l", fieldpath.KeyByFields("name", hostile), "data", hostile, fieldpath.ValueElement(value.NewValueInterface(hostile))),
		Desired: hostile, Live: map[string]any{hostile: []any{hostile}}, Manager: hostile, Subresource: hostile, Origin: origin.Origin{File: hostile, Line: 1}}
	result := &drift.Result{Owners: []drift.OwnerResult{{Owner: owner(hostile), Revision: hostile, Failure: hostile, Checked: 1, Findings: []drift.Finding{f},
		Documents: []drift.Documents{{Object: f.Object, Git: map[string]any{"a": hostile, hostile: "x"}, Live: map[string]any{"a": "b", hostile: hostile}}}}}}
	var diff, list strings.Builder
	if err := errors.Join(WriteDiff(&diff, []Scan{{Value: result}}, false), NewDriftReport(Scan{Value: result}).WriteYAML(&list)); err != nil {
		t.Fatal(err)
	}
	// For programs the value is what it is.
	var read DriftReport
	if err := yaml.Unmarshal([]byte(list.String()), &read); err != nil || read.Items[0].Desired != hostile {
		t.Errorf("YAML: %v, %q", err, read.Items[0].Desired)
	}
	for name, text := range map[string]string{
		"table": table(t, result, Table{}), "wide": table(t, result, Table{Wide: true}), "diff": diff.String(),
	} {
		if i := strings.IndexAny(text, "\x1b\r\a\x7f\u202e\u009b"); i >= 0 {
			t.Errorf("%s: raw control character in %q", name, text[max(0, i-20):i+3])
		}
	}
}

func TestTheLastSentenceIsTheAnswer(t *testing.T) {
	field := func(verdict drift.Verdict, name string) drift.Finding {
		return drift.Finding{Object: object("", "ConfigMap", "shop", name), Kind: drift.Changed, Verdict: verdict}
	}
	missing := drift.Finding{Object: object("", "ConfigMap", "shop", "m"), Kind: drift.Missing, Verdict: drift.Reverts}
	trouble := drift.ObjectError{Err: errors.New("x")}
	failed := drift.OwnerResult{Err: errors.New("x")}
	for _, test := range []struct {
		name   string
		owners []drift.OwnerResult
		want   string
	}{
		{"one object", []drift.OwnerResult{{Checked: 1}}, "In sync: 1 object of 1 owner equal git."},
		{"many", []drift.OwnerResult{{Checked: 2}, {Checked: 3}}, "In sync: 5 objects of 2 owners equal git."},
		{"one field", []drift.OwnerResult{{Checked: 2, Findings: []drift.Finding{field(drift.Reverts, "a")}}}, "1 field of 1 object differs from git."},
		{"two fields of one object", []drift.OwnerResult{{Checked: 2, Findings: []drift.Finding{field(drift.Reverts, "a"), field(drift.Persists, "a")}}},
			"2 fields of 1 object differ from git; Flux will never revert 1 of them."},
		{"two objects", []drift.OwnerResult{{Checked: 2, Findings: []drift.Finding{field(drift.Held, "a"), field(drift.Held, "b")}}},
			"2 fields of 2 objects differ from git; Flux is held off 2 of them."},
		{"missing", []drift.OwnerResult{{Checked: 2, Findings: []drift.Finding{missing}}}, "1 object is missing."},
		{"missing and different", []drift.OwnerResult{{Checked: 2, Findings: []drift.Finding{field(drift.Reverts, "a"), missing, missing}}},
			"1 field of 1 object differs from git and 2 objects are missing."},
		{"an object failed", []drift.OwnerResult{{Checked: 3, Unproven: []drift.ObjectError{trouble}}}, "No drift in 2 objects of 1 owner, but 1 object could not be checked."},
		{"an owner failed", []drift.OwnerResult{{Checked: 3}, failed}, "No drift in 3 objects of 1 owner, but 1 owner could not be checked."},
		{"both failed", []drift.OwnerResult{{Checked: 3, Unproven: []drift.ObjectError{trouble, trouble}}, failed},
			"No drift in 1 object of 1 owner, but 2 objects and 1 owner could not be checked."},
		{"all failed", []drift.OwnerResult{failed, failed}, "Nothing could be checked."},
		{"the only object failed", []drift.OwnerResult{{Checked: 1, Unproven: []drift.ObjectError{trouble}}}, "Nothing could be checked."},
		{"drift and failures", []drift.OwnerResult{{Checked: 2, Findings: []drift.Finding{field(drift.Reverts, "a")}}, failed},
			"1 field of 1 object differs from git; 1 owner could not be checked."},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := strings.Split(strings.TrimSuffix(table(t, &drift.Result{Owners: test.owners}, Table{}), "\n"), "\n")
			if got := lines[len(lines)-1]; got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestFluxWillActByTheEndOfItsInterval(t *testing.T) {
	for _, test := range []struct {
		name    string
		owner   drift.OwnerResult
		finding drift.Finding
		want    string
	}{
		{"in time", drift.OwnerResult{Reconciled: now.Add(-4 * time.Minute), Interval: 10 * time.Minute}, drift.Finding{Verdict: drift.Reverts}, "revert in ≤6m"},
		{"late", drift.OwnerResult{Reconciled: now.Add(-time.Hour), Interval: 10 * time.Minute}, drift.Finding{Verdict: drift.Reverts}, "revert any moment"},
		{"never reconciled", drift.OwnerResult{Interval: 10 * time.Minute}, drift.Finding{Verdict: drift.Reverts}, "revert any moment"},
		{"missing", drift.OwnerResult{Reconciled: now, Interval: time.Minute}, drift.Finding{Kind: drift.Missing, Verdict: drift.Reverts}, "recreate in ≤1m"},
		{"failing", drift.OwnerResult{Reconciled: now, Interval: time.Minute, Failure: "x"}, drift.Finding{Verdict: drift.Reverts}, "revert once it works again"},
		{"persisting", drift.OwnerResult{}, drift.Finding{Verdict: drift.Persists}, "never revert"},
		{"held", drift.OwnerResult{}, drift.Finding{Verdict: drift.Held, Holder: "git says so"}, "not act: git says so"},
	} {
		if got := (Table{Now: now}).will(test.owner, test.finding).String(); got != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}
