package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// WriteDiff writes a unified YAML diff of every object with findings: minus is git, plus is live. Of several scans the
// names of the clusters are in the names of the files.
func WriteDiff(w io.Writer, scans []Scan, color bool) error {
	for _, scan := range scans {
		if scan.Value == nil {
			continue
		}
		cluster := ""
		if len(scans) > 1 {
			cluster = scan.Cluster + "/"
		}
		for _, owner := range scan.Value.Owners {
			for _, d := range owner.Documents {
				text, err := objectDiff(cluster, owner, d)
				if err != nil {
					return err
				}
				if color {
					text = paintDiff(text)
				}
				if _, err := io.WriteString(w, text); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// objectDiff is the diff of one object; cluster stands before its name.
func objectDiff(cluster string, owner drift.OwnerResult, d drift.Documents) (string, error) {
	git, err := document(d.Git)
	if err != nil {
		return "", err
	}
	live, err := document(d.Live)
	if err != nil {
		return "", err
	}
	name := printable(cluster + d.Object.String())
	return difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(git), FromFile: fmt.Sprintf("git/%s %s", name, printable(comparedRevision(owner))),
		B: lines(live), ToFile: "live/" + name,
		Context: 3,
	})
}

// lines splits text so that an empty document has none.
func lines(text string) []string {
	split := strings.SplitAfter(text, "\n")
	return split[:len(split)-1]
}

func document(content map[string]any) (string, error) {
	if content == nil {
		return "", nil
	}
	text, err := toYAML(content)
	if err != nil {
		return "", err
	}
	split := strings.Split(string(text), "\n")
	for i := range split {
		split[i] = printable(split[i]) // YAML lets characters through that change the direction of text
	}
	return strings.Join(split, "\n"), nil
}

func paintDiff(text string) string {
	painted := strings.SplitAfter(text, "\n")
	for i, line := range painted {
		code := ""
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			code = "1"
		case strings.HasPrefix(line, "@@"):
			code = "36"
		case strings.HasPrefix(line, "+"):
			code = "32"
		case strings.HasPrefix(line, "-"):
			code = "31"
		}
		if code != "" {
			painted[i] = "\x1b[" + code + "m" + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
		}
	}
	return strings.Join(painted, "")
}
