package conformance

import (
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// reportEnv names the file that the table is written to, as Markdown.
const reportEnv = "GITOPS_DRIFT_CONFORMANCE"

// outcome is a row with what came of it.
type outcome struct {
	row     *row
	answers map[v1alpha1.Action]string
	failed  bool
}

// table returns the outcomes as a Markdown table.
func table(outcomes []*outcome) string {
	lines := [][]string{{"way", "edit", "expected", "Deny", "Warn", "Record", "result"}}
	for _, o := range outcomes {
		result := "pass"
		if o.failed {
			result = "FAIL"
		}
		expected := string(o.row.want)
		if o.row.closing != "" {
			expected += ": " + o.row.closing
		}
		line := []string{o.row.way, "`" + o.row.described() + "`", expected}
		for _, action := range actions {
			line = append(line, o.answers[action])
		}
		lines = append(lines, append(line, result))
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			line[i] = strings.ReplaceAll(cell, "|", `\|`)
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
	}
	var out strings.Builder
	for i, line := range lines {
		if i == 1 {
			write(&out, rule, widths)
		}
		write(&out, line, widths)
	}
	return out.String()
}

func write(out *strings.Builder, line []string, widths []int) {
	for i, cell := range line {
		fmt.Fprintf(out, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
	}
	out.WriteString("|\n")
}

// report writes the table to the file that the environment names, if it names one.
func report(version, table string) error {
	file := os.Getenv(reportEnv)
	if file == "" {
		return nil
	}
	return os.WriteFile(file, []byte("# Every way to change or destroy what Flux manages, on Kubernetes "+version+"\n\n"+table), 0o644)
}
