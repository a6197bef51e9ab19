package report

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// fleetScans are what four clusters answer: drift, nothing of what was asked for, no connection, and everything in sync
// but what time did not suffice for.
func fleetScans() []Scan {
	return []Scan{
		{Cluster: "arn:aws:eks:eu-west-1:123456789012:cluster/prod-eu", Value: sunday()},
		{Cluster: "dev", Value: &drift.Result{Owners: []drift.OwnerResult{{Owner: owner("apps"), Revision: revision, Reconciled: now}}}},
		{Cluster: "stage", Err: errors.New("unreachable: connection refused")},
		{Cluster: "prod-us", Value: &drift.Result{Owners: []drift.OwnerResult{
			{Owner: owner("apps"), Revision: revision, Reconciled: now.Add(-time.Minute), Interval: 10 * time.Minute, Checked: 20},
		}}, Err: errors.New("orphans were not all looked for within 5m0s")},
	}
}

func TestGoldenOutputOfSeveralClusters(t *testing.T) {
	var text, wide, diff, names, list strings.Builder
	if err := errors.Join(
		Table{Now: now}.Write(&text, fleetScans()...), Table{Now: now, Wide: true}.Write(&wide, fleetScans()...),
		WriteDiff(&diff, fleetScans(), false), Names{}.Write(&names, fleetScans()...), NewDriftReport(fleetScans()...).WriteYAML(&list),
	); err != nil {
		t.Fatal(err)
	}
	golden(t, "fleet.table.txt", text.String())
	golden(t, "fleet.wide.txt", wide.String())
	golden(t, "fleet.diff", diff.String())
	golden(t, "fleet.names.txt", names.String())
	golden(t, "fleet.yaml", list.String())
}

func TestNamesAreArgumentsOfKubectl(t *testing.T) {
	f := func(o drift.Object) drift.Finding { return drift.Finding{Object: o, Kind: drift.Changed} }
	api := object("apps", "Deployment", "shop", "api")
	scan := Scan{Cluster: "it's prod", Value: &drift.Result{Owners: []drift.OwnerResult{
		{Findings: []drift.Finding{f(api), f(api), f(object("", "Namespace", "", "shop"))}},
		{Findings: []drift.Finding{f(object("", "ConfigMap", "shop", "settings"))}},
	}}}
	for _, test := range []struct {
		name      string
		namespace string
		scans     []Scan
		want      string
	}{
		{"all namespaces", "", []Scan{scan}, "deployment.apps/api -n shop\nnamespace/shop\nconfigmap/settings -n shop\n"},
		{"one namespace", "shop", []Scan{scan}, "deployment.apps/api\nnamespace/shop\nconfigmap/settings\n"},
		{"two clusters", "shop", []Scan{scan, {Cluster: "dev", Err: errors.New("x")}}, `deployment.apps/api --context 'it'"'"'s prod'
namespace/shop --context 'it'"'"'s prod'
configmap/settings --context 'it'"'"'s prod'
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			if err := (Names{Namespace: test.namespace}).Write(&out, test.scans...); err != nil || out.String() != test.want {
				t.Errorf("%v, got\n%s", err, &out)
			}
		})
	}
}

// word is a name of up to n characters.
func word(r *rand.Rand, n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789.-äß漢"
	runes := []rune(letters)
	var b strings.Builder
	for range 1 + r.IntN(n) {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return b.String()
}

func TestNoLineIsWiderThan120ColumnsAndPathsKeepTheirEnd(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		name := word(r, 250)
		result := &drift.Result{Owners: []drift.OwnerResult{{Owner: owner(name), Revision: revision, Failure: word(r, 300), Checked: 9, Reconciled: now.Add(-time.Hour)}}}
		ends := make([]string, 1+r.IntN(6))
		for i := range ends {
			ends[i] = "e" + word(r, 12)
			path := fieldpath.MakePathOrDie(word(r, 60), fieldpath.KeyByFields("name", word(r, 253)), word(r, 40), ends[i])
			result.Owners[0].Findings = append(result.Owners[0].Findings, drift.Finding{
				Object: object(word(r, 30), word(r, 63), word(r, 63), word(r, 253)), Kind: drift.Changed, Path: path,
				Desired: word(r, 300), Live: word(r, 300), Manager: word(r, 128), User: word(r, 256), Time: now.Add(-time.Duration(r.IntN(1e9)) * time.Millisecond),
				Verdict: []drift.Verdict{drift.Reverts, drift.Persists, drift.Held}[r.IntN(3)], Holder: word(r, 60),
			})
		}
		scans := []Scan{{Cluster: word(r, 100), Value: result}}
		if r.IntN(2) == 0 {
			scans = append(scans, Scan{Cluster: word(r, 100), Err: errors.New(word(r, 300))})
		}
		var history v1alpha1.EditRecord
		history.Spec = v1alpha1.EditRecordSpec{
			Object: v1alpha1.ObjectReference{Kind: word(r, 63), Namespace: word(r, 63), Name: word(r, 253)}, User: v1alpha1.RecordedUser{Name: word(r, 200)},
			Operation: "UPDATE", Decision: v1alpha1.UnderBreakGlass, BreakGlass: word(r, 60), Count: int64(r.IntN(99999)),
			Fields: []v1alpha1.RecordedField{{Kind: "Changed", Path: word(r, 200) + "." + ends[0], Old: word(r, 200), New: word(r, 200)}},
		}
		records := []Records{{Cluster: scans[0].Cluster, Value: []v1alpha1.EditRecord{history}}, {Cluster: "other"}}[:len(scans)]
		var table, status, edits strings.Builder
		if err := errors.Join(Table{Now: now}.Write(&table, scans...), History{Now: now}.Write(&edits, records...),
			Status{Now: now, Compared: true}.Write(&status, scans...)); err != nil {
			t.Fatal(err)
		}
		for output, text := range map[string]string{"table": table.String(), "history": edits.String(), "status": status.String()} {
			for line := range strings.Lines(text) {
				// A word of a sentence is never broken.
				if n := width(strings.TrimSuffix(line, "\n")); n > tableWidth && strings.Contains(strings.TrimSpace(line), "  ") {
					t.Errorf("seed %d: %s: %d columns: %s", seed, output, n, line)
				}
			}
		}
		for _, end := range ends {
			if !strings.Contains(table.String(), end+"  ") && !strings.Contains(table.String(), fmt.Sprintf("%q]  ", end)[1:]) {
				t.Errorf("seed %d: the table has no path that ends with %q:\n%s", seed, end, &table)
			}
		}
	}
}

func TestWidthsAreThoseOfATerminal(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "äß": 2, "漢字": 4, "e\u0301": 1, "…–→≤": 4} {
		if got := width(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	for _, test := range []struct {
		text string
		n    int
		want string
	}{
		{"abcdefgh", 8, "abcdefgh"}, {"abcdefgh", 5, "ab…gh"}, {"abcdefgh", 1, "…"}, {"漢字漢字", 5, "漢…字"}, {"漢字漢字", 4, "…字"},
	} {
		if got := middleCut(test.text, test.n); got != test.want {
			t.Errorf("%q to %d: %q, want %q", test.text, test.n, got, test.want)
		}
	}
}
