package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/fleet"
)

// Glasses are the BreakGlasses of one cluster.
type Glasses = fleet.Result[[]v1alpha1.BreakGlass]

var glassColumns = []column{
	{title: "CLUSTER", good: 14, least: 9, cut: middleCut},
	{title: "NAME", good: 24, least: 14, cut: middleCut},
	{title: "OBJECT", good: 34, least: 25, cut: objectCut},
	{title: "BY", good: 20, least: 14, cut: middleCut},
	{title: "TIME"},
	{title: "FLUX"},
	{title: "REASON", good: 20, least: 12, cut: lineCut},
}

// WriteGlasses writes a table of BreakGlasses in the order given; now is the moment to which their time is counted.
func WriteGlasses(w io.Writer, now time.Time, clusters ...Glasses) error {
	columns := glassColumns
	if len(clusters) < 2 {
		columns = columns[1:]
	}
	var rows [][]cell
	for _, cluster := range clusters {
		for i := range cluster.Value {
			g := &cluster.Value[i]
			reason := g.Spec.Reason
			if g.Spec.Ticket != "" {
				reason += " (" + g.Spec.Ticket + ")"
			}
			row := []cell{{text: cluster.Cluster}, {text: g.Name}, {text: glassObject(g)}, {text: g.Spec.RequestedBy},
				{text: glassTime(g, now)}, {text: glassFlux(g)}, {text: reason}}
			rows = append(rows, row[len(row)-len(columns):])
		}
	}
	if len(rows) == 0 {
		_, err := io.WriteString(w, "Nobody broke glass.\n")
		return err
	}
	_, err := io.WriteString(w, strings.Join(lineUp(columns, rows, tableWidth), "\n")+"\n")
	return err
}

func glassObject(g *v1alpha1.BreakGlass) string {
	name := strings.ToLower(g.Spec.Object.Kind) + "/" + g.Spec.Object.Name
	if g.Spec.Object.Namespace != "" {
		name = g.Spec.Object.Namespace + "/" + name
	}
	return name
}

// glassTime says how long it goes on, or how it ended.
func glassTime(g *v1alpha1.BreakGlass, now time.Time) string {
	if left, active := left(g, now); active {
		return left
	}
	cause, ended := cmp.Or(g.Status.EndedBy, v1alpha1.Expired), expires(g)
	if g.Spec.Closed {
		cause = v1alpha1.Closed
	}
	if g.Status.Ended != nil {
		ended = g.Status.Ended.Time
	} else if g.Spec.Closed {
		return "closed"
	}
	return fmt.Sprintf("%s %s ago", strings.ToLower(string(cause)), ago(now, ended))
}

// left is how long it goes on, false if it is over.
func left(g *v1alpha1.BreakGlass, now time.Time) (string, bool) {
	if g.Status.Ended != nil || !g.Active(now) || !now.Before(expires(g)) {
		return "", false
	}
	return ago(expires(g), now) + " left", true
}

// expires is when its time is over, as the controller reckons it with the policy, or else by itself.
func expires(g *v1alpha1.BreakGlass) time.Time {
	if g.Status.Expires != nil {
		return g.Status.Expires.Time
	}
	return g.Ends()
}

func glassFlux(g *v1alpha1.BreakGlass) string {
	held := apimeta.FindStatusCondition(g.Status.Conditions, v1alpha1.ConditionHeld)
	switch {
	case held == nil:
		return "not known"
	case g.Status.Ended != nil:
		return absent
	case held.Status == "True":
		return "held off"
	}
	return "not held off"
}

// WriteDrifted writes what differed from git when a BreakGlass ended, a line a field.
func WriteDrifted(w io.Writer, g *v1alpha1.BreakGlass) error {
	var b strings.Builder
	for _, f := range g.Status.Drift {
		line := "(the object)"
		if f.Path != "" {
			line = fmt.Sprintf("%s: %s → %s", f.Path, orDash(f.Git), orDash(f.Live))
		}
		if by := cmp.Or(f.User, f.Manager); by != "" {
			line += " by " + by
		}
		fmt.Fprintf(&b, "  %s\n", printable(line))
	}
	if g.Status.MoreDrift > 0 {
		fmt.Fprintf(&b, "  and %d more\n", g.Status.MoreDrift)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
