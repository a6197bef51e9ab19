package report

import (
	"fmt"
	"io"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/sealfleet"
)

// SealVerifyReport is what clusters, or keys at hand, opened of a repository, one item for each item of a SealedSecret that
// one of them did not open.
type SealVerifyReport struct {
	metav1.TypeMeta `json:",inline"`
	// Clusters says how far it got with each.
	Clusters []SealVerified   `json:"clusters"`
	Items    []SealVerifyItem `json:"items"`
}

// SealVerified is how many SealedSecrets a cluster was asked about, and how many of these it opened.
type SealVerified struct {
	Cluster string `json:"cluster,omitempty"`
	// SealedSecrets is how many there are for it.
	SealedSecrets int `json:"sealedSecrets"`
	Verified      int `json:"verified"`
	Opened        int `json:"opened"`
	// Error says why not all of them were verified.
	Error string `json:"error,omitempty"`
}

// SealVerifyItem is what a cluster does not open.
type SealVerifyItem struct {
	Cluster   string `json:"cluster,omitempty"`
	Origin    Origin `json:"origin"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Item is the key of the Secret, absent where it is about all of it.
	Item    string `json:"item,omitempty"`
	Why     string `json:"why"`
	Message string `json:"message"`
}

// NewSealVerifyReport makes the list.
func NewSealVerifyReport(results []fleet.Result[*sealfleet.Verification]) *SealVerifyReport {
	out := &SealVerifyReport{
		TypeMeta: metav1.TypeMeta{APIVersion: "gitops-drift.dev/v1alpha1", Kind: "SealVerifyReport"},
		Clusters: []SealVerified{}, Items: []SealVerifyItem{},
	}
	for _, result := range results {
		cluster, found := SealVerified{Cluster: result.Cluster}, sealfleet.Verification{}
		if result.Value != nil {
			found = *result.Value
		}
		cluster.SealedSecrets, cluster.Verified = found.Of, len(found.Verdicts)
		if result.Err != nil {
			cluster.Error = result.Err.Error()
		}
		for _, verdict := range found.Verdicts {
			if len(verdict.Failures) == 0 {
				cluster.Opened++
			}
			for _, f := range verdict.Failures {
				out.Items = append(out.Items, SealVerifyItem{
					Cluster: result.Cluster, Origin: Origin{File: verdict.File, Line: verdict.Line},
					Namespace: verdict.Object.Namespace, Name: verdict.Object.Name, Item: f.Item, Why: string(f.Why), Message: f.Message,
				})
			}
		}
		out.Clusters = append(out.Clusters, cluster)
	}
	return out
}

// WriteTable writes what does not open, and in which clusters, for people. By names who opened it where it was no cluster: the
// key. Errors are left to who shows errors.
func (r *SealVerifyReport) WriteTable(w io.Writer, color bool, by string) error {
	var b strings.Builder
	paint := Table{Color: color}
	type problem struct {
		SealVerifyItem
		items, clusters []string
	}
	var problems []*problem
	for _, item := range r.Items {
		bare := item
		bare.Item, bare.Cluster = "", ""
		var found *problem
		for _, p := range problems {
			if p.SealVerifyItem == bare {
				found = p
			}
		}
		if found == nil {
			found = &problem{SealVerifyItem: bare}
			problems = append(problems, found)
		}
		found.items, found.clusters = once(found.items, item.Item), once(found.clusters, item.Cluster)
	}
	for _, p := range problems {
		what := p.Namespace + "/" + p.Name
		if len(p.items) > 0 {
			what += " [" + strings.Join(p.items, ", ") + "]"
		}
		if len(p.clusters) > 0 {
			what += gap + "not in " + strings.Join(p.clusters, ", ")
		}
		b.WriteString(paint.bold(printable(p.Origin.place()+gap+p.Why+gap+what)) + "\n")
		b.WriteString(sentence(p.Message))
	}
	for _, line := range r.answers(by) {
		b.WriteString(wrap(printable(line), tableWidth) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func once(list []string, text string) []string {
	for _, there := range list {
		if there == text {
			return list
		}
	}
	if text == "" {
		return list
	}
	return append(list, text)
}

// answers are one sentence for all clusters that open everything, and one for each other.
func (r *SealVerifyReport) answers(by string) []string {
	sound := map[int][]string{}
	var numbers []int
	var out []string
	for _, c := range r.Clusters {
		name := c.Cluster
		if name == "" {
			name = by
		}
		switch {
		case c.Error == "" && c.Opened == c.SealedSecrets:
			if sound[c.SealedSecrets] == nil {
				numbers = append(numbers, c.SealedSecrets)
			}
			sound[c.SealedSecrets] = append(sound[c.SealedSecrets], name)
		case c.Verified == 0:
			out = append(out, capital(name)+": nothing was verified.")
		default:
			line := fmt.Sprintf("%s opens %d of %s", capital(name), c.Opened, plural(c.SealedSecrets, "SealedSecret"))
			if left := c.SealedSecrets - c.Verified; left > 0 {
				line += fmt.Sprintf("; %d were not verified", left)
			}
			out = append(out, line+".")
		}
	}
	var lines []string
	for _, n := range numbers {
		verb := "open"
		if len(sound[n]) == 1 {
			verb = "opens"
		}
		what := fmt.Sprintf("all %d SealedSecrets", n)
		if n == 1 {
			what = "the SealedSecret"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s.", capital(and(sound[n])), verb, what))
	}
	return append(lines, out...)
}

// capital begins a sentence, unless that is with a name.
func capital(text string) string {
	if strings.HasPrefix(text, "the ") {
		return "T" + text[1:]
	}
	return text
}

func and(names []string) string {
	if end := len(names) - 1; end > 0 {
		return strings.Join(names[:end], ", ") + " and " + names[end]
	}
	return names[0]
}
