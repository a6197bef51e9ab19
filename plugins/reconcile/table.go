package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
)

// printTable writes one line a result. The last column has no title: it says why something is not ready.
func printTable(out io.Writer, namespace string, results []reconcile.Result) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	lines := []string{"OBJECT\tSTATE\tREVISION\tTOOK"}
	for _, result := range results {
		line := strings.Join([]string{
			label(namespace, result.Object), string(result.State), revision(result.Revision), took(result.Took),
		}, "\t")
		if why := why(result); why != "" {
			line += "\t" + why
		}
		lines = append(lines, line)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(table, line); err != nil {
			return err
		}
	}
	return table.Flush()
}

// why is one line, however many Flux wrote.
func why(result reconcile.Result) string {
	text := result.Message
	if result.Reason != "" {
		text = result.Reason + ": " + text
	}
	return strings.Join(strings.Fields(text), " ")
}

func revision(r string) string {
	if r == "" {
		return "–"
	}
	return desired.ShortRevision(r)
}

func took(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// progress writes a line for each step.
func progress(out io.Writer, namespace string) func(reconcile.Event) {
	return func(e reconcile.Event) {
		if e.Message != "" {
			_, _ = fmt.Fprintf(out, "%s: %s\n", label(namespace, e.Object), strings.Join(strings.Fields(e.Message), " "))
		}
	}
}
