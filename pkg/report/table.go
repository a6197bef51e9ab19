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

// Write writes one block for each owner with findings, and the sentence that answers the question at the end.
func (t Table) Write(w io.Writer, result *drift.Result) error {
	var b strings.Builder
	for _, owner := range result.Owners {
		if len(owner.Findings) > 0 || owner.Suspended || owner.Failure != "" || owner.ByHand != "" {
			t.owner(&b, owner)
		}
	}
	b.WriteString(t.answer(result))
	b.WriteString(beside(result))
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Table) owner(b *strings.Builder, owner drift.OwnerResult) {
	fmt.Fprintf(b, "%s\n", t.bold(printable(t.header(owner))))
	if owner.ByHand != "" {
		fmt.Fprintf(b, "  %s\n", t.alarm(printable(byHand(owner))))
	}
	if len(owner.Findings) == 0 {
		return
	}
	header := []string{"OBJECT", "FIELD", "GIT", "LIVE", "CHANGED BY", "FLUX WILL"}
	if t.Wide {
		header = append(header, "DECLARED IN")
	}
	rows := [][]string{header}
	for _, f := range owner.Findings {
		rows = append(rows, t.row(owner, f))
	}
	widths := make([]int, len(header))
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
		for i, cell := range row {
			if n := width(cell); n <= columnWidth {
				widths[i] = max(widths[i], n)
			}
		}
	}
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString("  ")
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", max(widths[i]-width(cell), 0)))
			}
		}
		text := strings.TrimRight(line.String(), " ")
		if n > 0 && owner.Findings[n-1].Verdict == drift.Persists {
			text = t.alarm(text)
		}
		b.WriteString(text + "\n")
	}
}

func (t Table) header(owner drift.OwnerResult) string {
	name := fmt.Sprintf("%s %s/%s", owner.Owner.Kind, owner.Owner.Namespace, owner.Owner.Name)
	if owner.Gone {
		return name + "  not in this cluster: deleted without pruning, or applying from another cluster"
	}
	out := name + "  " + comparedRevision(owner)
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

func (t Table) row(owner drift.OwnerResult, f drift.Finding) []string {
	row := []string{f.Object.String(), shortPath(f.Path), shortValue(f.Path, f.Desired), shortValue(f.Path, f.Live), t.changedBy(f), t.will(owner, f)}
	if t.Wide {
		row[1] = fields.Name(f.Path)
		row[2], row[3] = wholeValue(f.Desired), wholeValue(f.Live)
	}
	switch f.Kind {
	case drift.Missing:
		row[1], row[2], row[3] = "(the object)", "declared", "missing"
	case drift.Orphaned:
		row[1], row[2], row[3] = "(the object)", absent, "left behind"
	default:
		if f.Kind == drift.Added && f.Path == nil {
			row[1], row[2], row[3] = "(the object)", absent, "there"
		}
	}
	if t.Wide {
		row = append(row, orDash(f.Origin.String()))
	}
	return row
}

// changedBy names the user where a record tells, else the field manager; both in wide output.
func (t Table) changedBy(f drift.Finding) string {
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
		return absent
	}
	if f.Time.IsZero() {
		return who
	}
	return fmt.Sprintf("%s %s ago", who, t.since(f.Time))
}

// will says what Flux will do, and by when. Flux reconciles within the interval after the last time.
func (t Table) will(owner drift.OwnerResult, f drift.Finding) string {
	switch f.Verdict {
	case drift.Persists:
		if f.Kind == drift.Orphaned {
			return "never remove"
		}
		if t.Wide && f.Reason != "" {
			return "never revert: " + f.Reason
		}
		return "never revert"
	case drift.Held:
		return "not act: " + f.Holder
	case drift.Pending:
		switch {
		case f.Kind == drift.Missing:
			return "create once in git"
		case f.Kind == drift.Added && f.Path == nil:
			return "delete once in git"
		}
		return "change once in git"
	case drift.Reverts:
	}
	verb := "revert"
	if f.Kind == drift.Missing {
		verb = "recreate"
	}
	if owner.Failure != "" {
		return verb + " once it works again"
	}
	left := owner.Interval - t.Now.Sub(owner.Reconciled)
	if owner.Reconciled.IsZero() || left <= 0 {
		return verb + " any moment"
	}
	return fmt.Sprintf("%s in ≤%s", verb, duration.HumanDuration(left.Round(time.Second)))
}

func (t Table) since(then time.Time) string {
	return duration.HumanDuration(max(t.Now.Sub(then), 0))
}

func (t Table) answer(result *drift.Result) string {
	count := Count(result)
	if count.Findings == 0 {
		if count.Checked == count.FailedObjects {
			return "Nothing could be checked.\n"
		}
		if count.Failed > 0 {
			return fmt.Sprintf("No drift in %s of %s, but %s could not be checked.\n",
				plural(count.Checked-count.FailedObjects, "object"), plural(count.Owners-count.FailedOwners, "owner"), failed(count))
		}
		if count.ByHand > 0 {
			return fmt.Sprintf("%s of %s equal git, but %s changed by hand.\n", plural(count.Checked, "object"), plural(count.Owners, "owner"), releases(count))
		}
		out := fmt.Sprintf("In sync: %s of %s equal %s", plural(count.Checked, "object"), plural(count.Owners, "owner"), standard(result))
		if count.Excepted > 0 {
			out += fmt.Sprintf("; git holds Flux off %d of them", count.Excepted)
		}
		return out + ".\n"
	}
	out := differs(count, standard(result))
	if count.Pending > 0 {
		out += fmt.Sprintf("; Flux will change %d of them once git has what the checkout has", count.Pending)
	}
	if count.Persisting > 0 {
		out += fmt.Sprintf("; Flux will never revert %d of them", count.Persisting)
	}
	if count.Held > 0 {
		out += fmt.Sprintf("; Flux is held off %d of them", count.Held)
	}
	if count.ByHand > 0 {
		out += fmt.Sprintf("; %s changed by hand", releases(count))
	}
	if count.Failed > 0 {
		out += fmt.Sprintf("; %s could not be checked", failed(count))
	}
	return out + ".\n"
}

func releases(count Counts) string {
	if count.ByHand == 1 {
		return "1 release was"
	}
	return fmt.Sprintf("%d releases were", count.ByHand)
}

func failed(count Counts) string {
	var parts []string
	if count.FailedObjects > 0 {
		parts = append(parts, plural(count.FailedObjects, "object"))
	}
	if count.FailedOwners > 0 {
		parts = append(parts, plural(count.FailedOwners, "owner"))
	}
	return strings.Join(parts, " and ")
}

// standard is what the cluster is held against.
func standard(result *drift.Result) string {
	if result.Checkout != "" {
		return printable(result.Checkout)
	}
	return "git"
}

func differs(count Counts, from string) string {
	var parts []string
	if count.Fields > 0 {
		verb := "differ"
		if count.Fields == 1 {
			verb = "differs"
		}
		parts = append(parts, fmt.Sprintf("%s of %s %s from %s", plural(count.Fields, "field"), plural(count.Objects, "object"), verb, from))
	}
	if count.Missing > 0 {
		parts = append(parts, fmt.Sprintf("%s %s missing", plural(count.Missing, "object"), isOrAre(count.Missing)))
	}
	if count.Extra > 0 {
		parts = append(parts, fmt.Sprintf("%s %s not in %s", plural(count.Extra, "object"), isOrAre(count.Extra), from))
	}
	if count.Orphaned > 0 {
		parts = append(parts, fmt.Sprintf("%s %s orphaned", plural(count.Orphaned, "object"), isOrAre(count.Orphaned)))
	}
	return strings.Join(parts, " and ")
}

// shownKinds is how many kinds one sentence names.
const shownKinds = 5

// beside tells what is no drift of this cluster's owners, and what was not looked at.
func beside(result *drift.Result) string {
	var b strings.Builder
	for _, e := range result.Elsewhere {
		fmt.Fprintf(&b, "%s %s of %s, which applies from another cluster; ask for drift there.\n",
			plural(e.Objects, "object"), isOrAre(e.Objects), printable(e.Owner.String()))
	}
	if n := len(result.Unlisted); n > 0 {
		names := make([]string, 0, shownKinds+1)
		for _, e := range result.Unlisted[:min(n, shownKinds)] {
			names = append(names, e.Kind.String())
		}
		if n > shownKinds {
			names = append(names, fmt.Sprintf("%d more kinds", n-shownKinds))
		}
		fmt.Fprintf(&b, "Orphans were not looked for among %s: %s\n",
			printable(strings.Join(names, ", ")), printable(firstLine(result.Unlisted[0].Err.Error())))
	}
	return b.String()
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func (t Table) bold(s string) string  { return t.paint(s, "1") }
func (t Table) alarm(s string) string { return t.paint(s, "33") }

func (t Table) paint(s, code string) string {
	if !t.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
