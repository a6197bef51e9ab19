package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Status writes how clusters are for people: a line for each cluster, in wide output one for each owner.
type Status struct {
	// Wide has a line for each owner.
	Wide bool
	// Color uses terminal colours.
	Color bool
	// Compared says that the scans compared objects; else nothing is said of drift.
	Compared bool
	// Stale is how long ago an owner may have been reconciled; 0 is its own interval.
	Stale time.Duration
	// Now is the moment to which ages are counted.
	Now time.Time
}

// The columns of both tables, but the first. The last one has no title: it says what is wrong.
var statusColumns = []column{
	{title: "REVISION", good: 26, least: 14, cut: middleCut},
	{title: "RECONCILED"},
	{title: "SUSPENDED", good: 24, least: 14, cut: middleCut},
	{title: "DRIFT"},
	{title: "HELD", good: 30, least: 18, cut: lineCut},
	{title: "", good: 20, least: 12, cut: lineCut},
}

var clusterColumns = append([]column{
	{title: "CLUSTER", good: 24, least: 10, cut: middleCut},
	{title: "OWNERS"},
}, statusColumns...)

var ownerColumns = append([]column{
	{title: "CLUSTER"},
	{title: "OWNER"},
}, statusColumns...)

// Write writes the table.
func (s Status) Write(w io.Writer, scans ...Scan) error {
	columns, limit := slices.Clone(clusterColumns), tableWidth
	if s.Wide {
		columns, limit = slices.Clone(ownerColumns), 0
	}
	var rows [][]cell
	errs, bad := map[int]string{}, map[int]bool{} // by row
	for _, scan := range scans {
		switch {
		case scan.Value == nil:
			errs[len(rows)] = firstLine(scan.Err.Error())
			rows = append(rows, append([]cell{{text: orDash(scan.Cluster)}, {text: absent}}, make([]cell, len(statusColumns))...))
		case s.Wide:
			for i := range scan.Value.Owners {
				owner := &scan.Value.Owners[i]
				row := append([]cell{{text: scan.Cluster}, {text: owner.Owner.String()}}, s.owner(owner)...)
				bad[len(rows)] = row[len(row)-1].text != ""
				rows = append(rows, row)
			}
		default:
			row := append([]cell{{text: orDash(scan.Cluster)}, {text: fmt.Sprint(Count(scan).Owners)}}, s.cluster(scan.Value)...)
			bad[len(rows)] = row[len(row)-1].text != ""
			rows = append(rows, row)
		}
	}
	drop := func(i int) {
		columns = slices.Delete(columns, i, i+1)
		for n := range rows {
			rows[n] = slices.Delete(rows[n], i, i+1)
		}
	}
	if !s.Compared {
		if s.Wide || !s.anyHolds(scans) {
			drop(6)
		}
		drop(5)
	}
	if s.Wide && len(scans) < 2 {
		drop(0)
	}
	lines := lineUp(columns, rows, limit)
	at := strings.Index(lines[0], "REVISION")
	var b strings.Builder
	for n, line := range lines {
		if err, ok := errs[n-1]; ok {
			line += strings.Repeat(" ", max(at-width(line), 1)) + printable(err)
			if !s.Wide {
				line = lineCut(line, tableWidth)
			}
		}
		if s.Color && (bad[n-1] || errs[n-1] != "") {
			line = "\x1b[33m" + line + "\x1b[0m"
		}
		b.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cluster are the cells of the status columns of a cluster.
func (s Status) cluster(result *drift.Result) []cell {
	sum := s.sum(result)
	suspended := cell{text: absent}
	switch {
	case sum.suspended > 0 && sum.since.IsZero():
		suspended = cell{text: fmt.Sprint(sum.suspended)}
	case sum.suspended > 0:
		suspended = cell{text: fmt.Sprintf("%d for %s", sum.suspended, ago(s.Now, sum.since))}
	}
	return []cell{{text: sum.revision()}, {text: s.since(sum.reconciled)}, suspended, {text: objects(sum.drifted)}, {text: s.held(result, sum.held)}, {text: sum.trouble()}}
}

// owner are the cells of the status columns of an owner.
func (s Status) owner(owner *drift.OwnerResult) []cell {
	drifted, held := touched(owner)
	row := []cell{{text: appliedRevision(owner.Revision)}, {text: s.since(owner.Reconciled)}, {text: s.suspension(owner)}, {text: objects(drifted)}, {text: objects(held)}}
	var troubles []string
	if owner.Gone {
		row[0], row[1] = cell{text: absent}, cell{text: absent}
		troubles = append(troubles, "gone: deleted without pruning, or applying from another cluster")
	}
	if owner.Failure != "" {
		troubles = append(troubles, "failing: "+firstLine(owner.Failure))
	}
	if expected, stale := owner.Stale(s.Now, s.Stale); stale {
		troubles = append(troubles, "stale: expected within "+short(expected))
	}
	if owner.Err != nil {
		if drifted == 0 {
			row[3] = cell{text: "unknown"}
		}
		troubles = append(troubles, "not checked: "+firstLine(owner.Err.Error()))
	} else if n := len(owner.Unproven); n > 0 {
		troubles = append(troubles, plural(n, "object")+" could not be checked")
	}
	return append(row, cell{text: strings.Join(troubles, "; ")})
}

func (s Status) suspension(owner *drift.OwnerResult) string {
	if !owner.Suspended {
		return absent
	}
	by := owner.Suspension
	out := "yes"
	if !by.Since.IsZero() {
		out = ago(s.Now, by.Since) + " ago"
	}
	switch {
	case by.User != "":
		out += " by " + by.User
	case by.Manager != "":
		out += " with " + by.Manager
	}
	return out
}

func (s Status) since(reconciled time.Time) string {
	if reconciled.IsZero() {
		return "never"
	}
	return ago(s.Now, reconciled) + " ago"
}

// summary sums the owners of a cluster up.
type summary struct {
	revisions map[string]int
	// reconciled is when the last of them was.
	reconciled        time.Time
	suspended, active int
	since             time.Time // the first known suspension
	drifted           int
	held              int // by others than BreakGlasses
	failing           []string
	stale             []string
	oldest            *drift.OwnerResult // of the stale ones
	expected          time.Duration      // of the oldest
	failed            int
	unproven          int
}

func (s Status) sum(result *drift.Result) summary {
	sum := summary{revisions: map[string]int{}}
	for i := range result.Owners {
		owner := &result.Owners[i]
		drifted, held := touched(owner)
		sum.drifted, sum.held = sum.drifted+drifted, sum.held+held-underGlass(owner)
		if owner.Gone {
			continue
		}
		if owner.Owner.Kind == ownership.Kustomization { // that of a HelmRelease is the version of its chart
			sum.revisions[owner.Revision]++
		}
		if owner.Reconciled.After(sum.reconciled) {
			sum.reconciled = owner.Reconciled
		}
		if owner.Failure != "" {
			sum.failing = append(sum.failing, owner.Owner.Name)
		}
		if owner.Err != nil {
			sum.failed++
		}
		sum.unproven += len(owner.Unproven)
		if owner.Suspended {
			sum.suspended++
			if since := owner.Suspension.Since; !since.IsZero() && (sum.since.IsZero() || since.Before(sum.since)) {
				sum.since = since
			}
			continue
		}
		sum.active++
		if expected, stale := owner.Stale(s.Now, s.Stale); stale {
			sum.stale = append(sum.stale, owner.Owner.Name)
			if sum.oldest == nil || owner.Reconciled.Before(sum.oldest.Reconciled) {
				sum.oldest, sum.expected = owner, expected
			}
		}
	}
	return sum
}

// commonest is the revision that most owners have; of equals, the first.
func (s summary) commonest() string {
	most, count := "", 0
	for _, revision := range slices.Sorted(maps.Keys(s.revisions)) {
		if n := s.revisions[revision]; n > count {
			most, count = revision, n
		}
	}
	return most
}

// revision names the commonest, and how many others there are.
func (s summary) revision() string {
	if len(s.revisions) == 0 {
		return absent
	}
	out := appliedRevision(s.commonest())
	if others := len(s.revisions) - 1; others > 0 {
		out += fmt.Sprintf(" (%d more)", others)
	}
	return out
}

// trouble says what is wrong with a cluster beside its drift.
func (s summary) trouble() string {
	var out []string
	if len(s.failing) > 0 {
		out = append(out, "failing: "+names(s.failing))
	}
	if len(s.stale) > 0 {
		text := "stale: expected within " + short(s.expected)
		if len(s.stale) < s.active {
			text = "stale: " + names(s.stale)
		}
		out = append(out, text)
	}
	var unchecked []string
	if s.unproven > 0 {
		unchecked = append(unchecked, plural(s.unproven, "object"))
	}
	if s.failed > 0 {
		unchecked = append(unchecked, plural(s.failed, "owner"))
	}
	if len(unchecked) > 0 {
		out = append(out, strings.Join(unchecked, " and ")+" could not be checked")
	}
	return strings.Join(out, "; ")
}

// names lists a few.
func names(list []string) string {
	if more := len(list) - 2; more > 0 {
		return fmt.Sprintf("%s, %s and %d more", list[0], list[1], more)
	}
	return strings.Join(list, ", ")
}

// touched are how many objects of an owner have findings, and findings that Flux is held off.
func touched(owner *drift.OwnerResult) (drifted, held int) {
	all, off := map[drift.Object]bool{}, map[drift.Object]bool{}
	for _, f := range owner.Findings {
		if !f.Drift() {
			continue
		}
		all[f.Object] = true
		if f.Verdict == drift.Held {
			off[f.Object] = true
		}
	}
	return len(all), len(off)
}

func objects(n int) string {
	if n == 0 {
		return absent
	}
	return plural(n, "object")
}

// short writes a duration without the units that are zero: 10m, 1h30m.
func short(d time.Duration) string {
	out := d.Round(time.Second).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(out, zero) {
			out = out[:len(out)-2]
		}
	}
	return out
}
