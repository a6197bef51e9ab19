package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// Table writes the findings of a scan for people.
type Table struct {
	// Wide shows whole paths and values and the file in git.
	Wide bool
	// Color uses terminal colours.
	Color bool
	// Now is the moment to which ages are counted.
	Now time.Time
}

// Write writes one block for each owner with findings, and the sentence that answers the question at the end. Of several
// scans a column names the cluster.
func (t Table) Write(w io.Writer, scans ...Scan) error {
	var b, beside strings.Builder
	for _, scan := range scans {
		if scan.Value == nil {
			continue
		}
		cluster := ""
		if len(scans) > 1 {
			cluster = scan.Cluster
		}
		beside.WriteString(t.beside(cluster, scan.Value))
		for _, owner := range scan.Value.Owners {
			if len(owner.Findings) > 0 || owner.Suspended || owner.Failure != "" || owner.ByHand != "" {
				t.owner(&b, cluster, owner)
			}
		}
	}
	b.WriteString(wrap(t.answer(scans), tableWidth) + "\n")
	b.WriteString(beside.String())
	_, err := io.WriteString(w, b.String())
	return err
}

// findingColumns are the columns of a table of findings.
var findingColumns = []column{
	{title: "CLUSTER", good: 14, least: 9, cut: middleCut},
	{title: "OBJECT", good: 34, least: 24, cut: objectCut},
	{title: "FIELD", good: 26, least: 22, cut: pathEnd},
	{title: "GIT", good: 14, least: 6, cut: middleCut},
	{title: "LIVE", good: 14, least: 6, cut: middleCut},
	{title: "CHANGED BY", good: 24, least: 15, cut: middleCut},
	{title: "FLUX WILL", good: 27, least: 24, cut: willCut},
	{title: "DECLARED IN"},
}

// owner writes the block of one owner; cluster is its name where there are several.
func (t Table) owner(b *strings.Builder, cluster string, owner drift.OwnerResult) {
	header, limit := printable(t.header(cluster, owner)), 0
	columns := findingColumns
	if !t.Wide {
		header, limit = lineCut(header, tableWidth), tableWidth-len(gap)
		columns = columns[:len(columns)-1]
	}
	if cluster == "" {
		columns = columns[1:]
	}
	rows := make([][]cell, 0, len(owner.Findings))
	for _, f := range owner.Findings {
		row := t.row(owner, f)
		if cluster != "" {
			row = append([]cell{{text: cluster}}, row...)
		}
		rows = append(rows, row)
	}
	fmt.Fprintf(b, "%s\n", t.bold(header))
	if owner.ByHand != "" {
		fmt.Fprintf(b, "%s%s\n", gap, t.alarm(printable(byHand(owner))))
	}
	if len(rows) == 0 {
		return
	}
	for n, line := range lineUp(columns, rows, limit) {
		line = gap + line
		if n > 0 && owner.Findings[n-1].Verdict == drift.Persists {
			line = t.alarm(line)
		}
		b.WriteString(line + "\n")
	}
}

func (t Table) header(cluster string, owner drift.OwnerResult) string {
	name := fmt.Sprintf("%s %s/%s", owner.Owner.Kind, owner.Owner.Namespace, owner.Owner.Name)
	if cluster != "" {
		name += " in " + cluster
	}
	if owner.Gone {
		return name + "  not in this cluster: deleted without pruning, or applying from another cluster"
	}
	out := name + gap + comparedRevision(owner)
	if owner.Compared != "" {
		out += fmt.Sprintf(" (%s)", appliedRevision(owner.Revision)+" is applied")
	}
	if !owner.Reconciled.IsZero() {
		out += fmt.Sprintf("  reconciled %s ago", t.since(owner.Reconciled))
	}
	if owner.Suspended {
		out += "  suspended"
	}
	switch owner.Correction {
	case drift.Nothing:
		out += "  drift detection off"
	case drift.Warning:
		out += "  drift detection only warns"
	case drift.Patch, drift.Upgrade:
	}
	if owner.Failure != "" {
		out += "  failing: " + firstLine(owner.Failure)
	}
	return out
}

// byHand says what somebody did to a release and what Flux does about it.
func byHand(owner drift.OwnerResult) string {
	if owner.Suspended {
		return owner.ByHand + "."
	}
	return owner.ByHand + ". Flux upgrades the release at its next reconciliation."
}

func (t Table) row(owner drift.OwnerResult, f drift.Finding) []cell {
	field, git, live := shortPath(fields.Name(f.Path)), shortValue(f.Path, f.Desired), shortValue(f.Path, f.Live)
	if t.Wide {
		field, git, live = fields.Name(f.Path), wholeValue(f.Desired), wholeValue(f.Live)
	}
	switch f.Kind {
	case drift.Missing:
		field, git, live = "(the object)", "declared", "missing"
	case drift.Orphaned:
		field, git, live = "(the object)", absent, "left behind"
	default:
		if f.Kind == drift.Added && f.Path == nil {
			field, git, live = "(the object)", absent, "there"
		}
	}
	row := []cell{{text: f.Object.String()}, {text: field}, {text: git}, {text: live}, t.changedBy(f), t.will(owner, f)}
	if t.Wide {
		row = append(row, cell{text: orDash(f.Origin.String())})
	}
	return row
}

// agoRoom and withinRoom are the columns that times take while they go by.
const (
	agoRoom    = len(" 59m ago")
	withinRoom = len("59m")
)

// changedBy names the user where a record tells, else the field manager; both in wide output.
func (t Table) changedBy(f drift.Finding) cell {
	manager := f.Manager
	if f.Subresource != "" {
		manager += "/" + f.Subresource
	}
	who := manager
	switch {
	case f.User != "" && manager != "" && t.Wide:
		who = fmt.Sprintf("%s (%s)", f.User, manager)
	case f.User != "":
		who = f.User
	case manager == "":
		return cell{text: absent}
	}
	if f.Time.IsZero() {
		return cell{text: who}
	}
	return cell{text: who, tail: fmt.Sprintf(" %s ago", t.since(f.Time)), room: agoRoom}
}

// will says what Flux will do, and by when. Flux reconciles within the interval after the last time.
func (t Table) will(owner drift.OwnerResult, f drift.Finding) cell {
	switch f.Verdict {
	case drift.Persists:
		if f.Kind == drift.Orphaned {
			return cell{text: "never remove"}
		}
		if t.Wide && f.Reason != "" {
			return cell{text: "never revert: " + f.Reason}
		}
		return cell{text: "never revert"}
	case drift.Held:
		return cell{text: "not act: " + f.Holder}
	case drift.Pending:
		switch {
		case f.Kind == drift.Missing:
			return cell{text: "create once in git"}
		case f.Kind == drift.Added && f.Path == nil:
			return cell{text: "delete once in git"}
		}
		return cell{text: "change once in git"}
	case drift.Reverts:
	}
	verb := "revert"
	if f.Kind == drift.Missing {
		verb = "recreate"
	}
	if owner.Failure != "" {
		return cell{text: verb + " once it works again"}
	}
	left := owner.Interval - t.Now.Sub(owner.Reconciled)
	if owner.Reconciled.IsZero() || left <= 0 {
		return cell{text: verb + " any moment"}
	}
	return cell{text: verb + " in ≤", tail: atMost(left), room: withinRoom}
}

// atMost is a time as people say it, rounded up.
func atMost(d time.Duration) string {
	for _, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d > unit {
			return duration.ShortHumanDuration((d + unit - 1).Truncate(unit))
		}
	}
	return duration.ShortHumanDuration((d + time.Second - 1).Truncate(time.Second))
}

func (t Table) since(then time.Time) string { return ago(t.Now, then) }

// ago is how long before now something was.
func ago(now, then time.Time) string { return duration.ShortHumanDuration(max(now.Sub(then), 0)) }

// willCut leaves out who says that Flux is held off, and the domain of what they say, before it cuts in the middle.
func willCut(text string, n int) string {
	if width(text) <= n {
		return text
	}
	verb, _, holder := strings.Cut(text, ": ")
	if _, name, found := strings.Cut(text, "/"); holder && found {
		text = verb + ": " + name
	}
	return middleCut(text, n)
}

func (t Table) bold(s string) string  { return t.paint(s, "1") }
func (t Table) alarm(s string) string { return t.paint(s, "33") }

func (t Table) paint(s, code string) string {
	if !t.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
