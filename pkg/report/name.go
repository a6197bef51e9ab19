package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// Names writes the objects with findings, each once, as kubectl names them: deployment.apps/api. What more kubectl needs to
// find an object follows as its flags, so that each line can be the arguments of a command.
type Names struct {
	// Namespace is the one in which all objects are, so that no line has to say it; empty if there is none.
	Namespace string
}

// Write writes a line for each object. Of several scans each names its kubeconfig context.
func (n Names) Write(w io.Writer, scans ...Scan) error {
	for _, scan := range scans {
		if scan.Value == nil {
			continue
		}
		seen := map[drift.Object]bool{}
		for _, owner := range scan.Value.Owners {
			for _, f := range owner.Findings {
				if seen[f.Object] {
					continue
				}
				seen[f.Object] = true
				cluster := ""
				if len(scans) > 1 {
					cluster = scan.Cluster
				}
				if _, err := fmt.Fprintln(w, n.line(cluster, f.Object)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (n Names) line(cluster string, o drift.Object) string {
	kind := strings.ToLower(o.Kind)
	if o.Group != "" {
		kind += "." + o.Group
	}
	line := kind + "/" + o.Name
	if o.Namespace != "" && o.Namespace != n.Namespace {
		line += " -n " + o.Namespace
	}
	return printable(line + InContext(cluster))
}

// InContext is kubectl's flag for a context, with a blank before it, as a shell and xargs read it; empty for none.
func InContext(name string) string {
	if name == "" {
		return ""
	}
	if strings.ContainsFunc(name, func(r rune) bool { return strings.ContainsRune(" \t\n'\"\\$`&|;<>()*?[]#~!{}", r) }) {
		name = "'" + strings.ReplaceAll(name, "'", `'"'"'`) + "'"
	}
	return " --context " + name
}
