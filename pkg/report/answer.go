package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

func (t Table) answer(scans []Scan) string {
	count := Count(scans...)
	several := len(scans) > 1
	in := func(clusters int) string {
		switch {
		case !several:
			return ""
		case clusters == len(scans):
			return " in " + plural(clusters, "cluster")
		}
		return fmt.Sprintf(" in %d of %s", clusters, plural(len(scans), "cluster"))
	}
	compared := in(count.Clusters - len(count.IdleClusters))
	out := ""
	switch {
	case count.Findings > 0:
		out = differs(count, standard(scans)) + in(count.Drifted)
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
		if failed := failed(count); failed != "" {
			out += "; " + failed + " could not be checked"
		}
	case count.Checked == count.FailedObjects:
		return "Nothing could be checked."
	default:
		switch failed := failed(count); {
		case failed != "":
			out = fmt.Sprintf("No drift in %s of %s%s, but %s could not be checked",
				plural(count.Checked-count.FailedObjects, "object"), plural(count.Owners-count.FailedOwners, "owner"), compared, failed)
		case count.ByHand > 0:
			out = fmt.Sprintf("%s of %s%s equal git, but %s changed by hand",
				plural(count.Checked, "object"), plural(count.Owners, "owner"), compared, releases(count))
		default:
			out = fmt.Sprintf("In sync: %s of %s%s equal %s", plural(count.Checked, "object"), plural(count.Owners, "owner"), compared, standard(scans))
		}
		if count.Excepted > 0 {
			out += fmt.Sprintf("; git holds Flux off %d of them", count.Excepted)
		}
	}
	if several && len(count.IdleClusters) > 0 {
		out += "; nothing to compare in " + strings.Join(count.IdleClusters, ", ")
	}
	return printable(out) + "."
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
	if n := len(count.FailedClusters); n > 0 {
		parts = append(parts, fmt.Sprintf("%s (%s)", plural(n, "cluster"), strings.Join(count.FailedClusters, ", ")))
	}
	if end := len(parts) - 1; end > 1 {
		return strings.Join(parts[:end], ", ") + " and " + parts[end]
	}
	return strings.Join(parts, " and ")
}

// standard is what the clusters are held against.
func standard(scans []Scan) string {
	for _, scan := range scans {
		if scan.Value != nil && scan.Value.Checkout != "" {
			return scan.Value.Checkout
		}
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

// beside tells what is no drift of this cluster's owners, and what was not looked at.
func (t Table) beside(cluster string, result *drift.Result) string {
	in := ""
	if cluster != "" {
		in = " in " + cluster
	}
	var sentences []string
	for _, e := range result.Elsewhere {
		sentences = append(sentences, fmt.Sprintf("%s%s %s of %s, which applies from another cluster; ask for drift there.",
			plural(e.Objects, "object"), in, isOrAre(e.Objects), e.Owner))
	}
	sentences = append(sentences, unlisted(in, result.Unlisted)...)
	var b strings.Builder
	for _, sentence := range sentences {
		b.WriteString(wrap(printable(sentence), tableWidth) + "\n")
	}
	return b.String()
}

// unlisted says where orphans were not looked for.
func unlisted(in string, kinds []drift.KindError) []string {
	if len(kinds) == 0 {
		return nil
	}
	var nowhere, somewhere []string
	namespaces := map[string]bool{}
	for _, e := range kinds {
		if len(e.Namespaces) == 0 {
			nowhere = append(nowhere, e.Kind.String())
			continue
		}
		somewhere = append(somewhere, e.Kind.String())
		for _, namespace := range e.Namespaces {
			namespaces[namespace] = true
		}
	}
	var parts []string
	if len(nowhere) > 0 {
		parts = append(parts, "were not looked for among "+few(nowhere, "kind"))
	}
	if len(somewhere) > 0 {
		parts = append(parts, fmt.Sprintf("were looked for only in %s among %s", few(slices.Sorted(maps.Keys(namespaces)), "namespace"), few(somewhere, "kind")))
	}
	return []string{fmt.Sprintf("Orphans%s %s: %s", in, strings.Join(parts, ", and "), firstLine(kinds[0].Err.Error()))}
}

// shown is how many names one sentence has of what is of the same sort.
const shown = 5

// few names some of what is called noun.
func few(names []string, noun string) string {
	more := len(names) - shown
	switch {
	case more > 1:
		return fmt.Sprintf("%s and %d more %ss", strings.Join(names[:shown], ", "), more, noun)
	case len(names) > 1:
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
	return names[0]
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
