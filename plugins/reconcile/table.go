package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

// board is how objects are shown: with a column for the cluster where several are asked, and without the namespace that
// people typed.
type board struct {
	several   bool
	namespace string
}

// row is one object of one cluster, or a cluster that could not be asked.
type row struct {
	cluster, object string
	state           reconcile.State
	revision        string
	took            time.Duration
	why             string
}

// unreachable is the state of a cluster that could not be asked.
const unreachable reconcile.State = "error"

const none = "–"

// lines are the table, titles first. The last column has no title: it says why something is not ready.
func (b board) lines(rows []row, color bool) []string {
	table := [][]string{{"CLUSTER", "OBJECT", "STATE", "REVISION", "TOOK", ""}}
	for _, r := range rows {
		table = append(table, []string{orNone(r.cluster), orNone(r.object), string(r.state), revision(r.revision), took(r.took), oneLine(r.why)})
	}
	if !b.several {
		for i := range table {
			table[i] = table[i][1:]
		}
	}
	last := len(table[0]) - 1
	widths := make([]int, last)
	for _, cells := range table {
		for i, cell := range cells[:last] {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out []string
	for n, cells := range table {
		var line strings.Builder
		for i, cell := range cells {
			text := cell
			if i < last {
				text += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
			}
			if code := colors[reconcile.State(cell)]; color && n > 0 && i == last-3 && code != "" {
				text = code + cell + "\x1b[0m" + text[len(cell):]
			}
			line.WriteString(text)
		}
		out = append(out, strings.TrimRight(line.String(), " "))
	}
	return out
}

// colors are those of states that people look for.
var colors = map[reconcile.State]string{
	reconcile.StateReady:     "\x1b[32m",
	reconcile.StateFailed:    "\x1b[31m",
	reconcile.StateError:     "\x1b[31m",
	reconcile.StateSkipped:   "\x1b[33m",
	reconcile.StateSuspended: "\x1b[33m",
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return cli.Printable(text)
}

// digests are those of commits and artifacts, behind what git shows of them.
var digests = regexp.MustCompile(`(\bsha(?:1|256|384|512):[0-9a-f]{7})[0-9a-f]+\b`)

// oneLine is a text as one line, however many there were, with commits as short as git shows them.
func oneLine(text string) string {
	return cli.Printable(digests.ReplaceAllString(strings.Join(strings.Fields(text), " "), "$1"))
}

func revision(r string) string { return orNone(desired.ShortRevision(r)) }

func took(d time.Duration) string {
	switch {
	case d == 0:
		return none
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// writeTable writes a row for each object, and below what is known of why some are not ready.
func (o *outcomes) writeTable(out io.Writer, now time.Time) error {
	b := board{several: o.several, namespace: o.namespace}
	var rows []row
	var details []string
	for _, cluster := range o.clusters {
		if cluster.Err != nil && len(cluster.Value) == 0 {
			if o.several {
				rows = append(rows, row{cluster: cluster.Cluster, state: unreachable, why: firstLine(cluster.Err)})
			}
			continue
		}
		for _, result := range cluster.Value {
			rows = append(rows, row{
				cluster: cluster.Cluster, object: label(o.namespace, result.Object), state: result.State,
				revision: result.Revision, took: result.Took, why: why(result),
			})
			details = append(details, o.details(cluster.Cluster, result, now)...)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	for _, line := range append(b.lines(rows, terminal.Colors(out)), details...) {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// firstLine is the first of the lines of an error that has one for each object.
func firstLine(err error) string {
	line, _, more := strings.Cut(err.Error(), "\n")
	if more {
		line += " …"
	}
	return line
}

// why is the one thing to know of a result in its row.
func why(result reconcile.Result) string {
	if len(result.Culprits) > 0 {
		if c := result.Culprits[0]; c.Object != result.Object {
			return c.Object.String() + ": " + cause(c, result)
		}
	}
	return withReason(result.Reason, result.Message)
}

// cause is why a culprit keeps the object from being ready, in a few words.
func cause(c reconcile.Culprit, result reconcile.Result) string {
	switch {
	case c.Reason != "":
		return c.Reason
	case c.Message != "":
		return c.Message
	case result.Reason != "":
		return result.Reason
	}
	return "not ready"
}

func withReason(reason, message string) string {
	if reason == "" || message == "" {
		return reason + message
	}
	return reason + ": " + message
}

// details are the lines below the table about the objects that keep one from being ready, and their last events.
func (o *outcomes) details(cluster string, result reconcile.Result, now time.Time) []string {
	if len(result.Culprits) == 0 {
		return nil
	}
	head := result.Object.String()
	if o.several {
		head += " in " + cluster
	}
	out := []string{"", oneLine(head + ": " + withReason(result.Reason, result.Message))}
	for _, c := range result.Culprits {
		if c.Object != result.Object {
			out = append(out, "  "+oneLine(strings.TrimSuffix(c.Object.String()+": "+withReason(c.Reason, c.Message), ": ")))
		}
		for _, e := range c.Events {
			about := ""
			if e.Object != c.Object {
				about = e.Object.Kind + " " + e.Object.Name + ": "
			}
			out = append(out, fmt.Sprintf("    %s ago  %s  %s", max(now.Sub(e.Time), 0).Round(time.Second), orNone(e.Reason), oneLine(about+e.Message)))
		}
	}
	return out
}
