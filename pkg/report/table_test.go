package report

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/origin"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func TestALongValueWidensItsOwnRowOnly(t *testing.T) {
	board := drift.Object{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Namespace: "shop", Name: "board"}
	long := strings.Repeat("ä", 5000)
	findings := []drift.Finding{
		{Object: board, Kind: drift.Changed, Path: fieldpath.MakePathOrDie("data", "board.json"), Desired: long, Live: long + "x", Verdict: drift.Reverts, Origin: origin.Origin{File: "shop/board.yaml"}},
		{Object: board, Kind: drift.Changed, Path: fieldpath.MakePathOrDie("data", "title"), Desired: "Orders", Live: "Bestellungen", Verdict: drift.Reverts, Origin: origin.Origin{File: "shop/board.yaml"}},
	}
	result := &drift.Result{Owners: []drift.OwnerResult{{
		Owner: ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: "shop"}, Checked: 1, Findings: findings,
	}}}
	var out strings.Builder
	if err := (Table{Wide: true, Now: time.Unix(0, 0)}).Write(&out, Scan{Value: result}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if !strings.Contains(lines[2], long+"x") {
		t.Error("wide output does not show the whole value")
	}
	header, short := []rune(lines[1]), []rune(lines[3])
	if len(short) > 200 {
		t.Errorf("the row of a short value has %d columns", len(short))
	}
	if at := strings.Index(string(header), "LIVE"); len([]rune(string(header)[:at])) != len([]rune(strings.Split(string(short), "Bestellungen")[0])) {
		t.Errorf("the columns are not aligned:\n%s\n%s", lines[1], lines[3])
	}
}
