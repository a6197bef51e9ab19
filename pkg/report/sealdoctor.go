package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/sealfleet"
)

// SealDoctorReport is how the Sealed Secrets controllers of clusters are.
type SealDoctorReport struct {
	metav1.TypeMeta `json:",inline"`
	Items           []SealCheckup `json:"items"`
}

// SealCheckup is how one cluster is.
type SealCheckup struct {
	Cluster string `json:"cluster,omitempty"`
	// Error says why nothing more is known.
	Error    string        `json:"error,omitempty"`
	Findings []SealFinding `json:"findings"`
}

// SealFinding is what was found about one thing.
type SealFinding struct {
	Topic   string       `json:"topic"`
	State   string       `json:"state"`
	Object  string       `json:"object,omitempty"`
	Message string       `json:"message"`
	Advice  string       `json:"advice,omitempty"`
	Since   *metav1.Time `json:"since,omitempty"`
}

// NewSealDoctorReport makes the list.
func NewSealDoctorReport(results []fleet.Result[sealfleet.Checkup]) *SealDoctorReport {
	out := &SealDoctorReport{TypeMeta: metav1.TypeMeta{APIVersion: "gitops-drift.dev/v1alpha1", Kind: "SealDoctorReport"}, Items: []SealCheckup{}}
	for _, result := range results {
		checkup := SealCheckup{Cluster: result.Cluster, Findings: []SealFinding{}}
		if result.Err != nil {
			checkup.Error = result.Err.Error()
		}
		for _, f := range result.Value {
			checkup.Findings = append(checkup.Findings, SealFinding{
				Topic: string(f.Topic), State: string(f.State), Object: f.Object, Message: f.Message, Advice: f.Advice, Since: timestamp(f.Since),
			})
		}
		out.Items = append(out.Items, checkup)
	}
	return out
}

// WriteTable writes a block for each cluster, for people. Now is the moment to which ages are counted.
func (r *SealDoctorReport) WriteTable(w io.Writer, color bool, now time.Time) error {
	var b strings.Builder
	paint := Table{Color: color}
	for _, checkup := range r.Items {
		name := checkup.Cluster
		if name == "" {
			name = "the cluster"
		}
		if checkup.Error != "" && len(checkup.Findings) == 0 {
			b.WriteString(paint.bold(printable(name)) + gap + wrap(printable(checkup.Error), tableWidth) + "\n")
			continue
		}
		b.WriteString(paint.bold(printable(name)) + gap + verdict(checkup.Findings) + "\n")
		for _, f := range checkup.Findings {
			state := fmt.Sprintf("%-7s", f.State)
			if f.State != string(sealfleet.Sound) {
				state = paint.alarm(state)
			}
			b.WriteString(gap + state + gap + hang(f.text(now)) + "\n")
			if f.Advice != "" {
				b.WriteString(strings.Repeat(" ", margin) + hang("→ "+f.Advice) + "\n")
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f SealFinding) text(now time.Time) string {
	text := f.Message
	if f.Object != "" {
		text = f.Object + ": " + text
	}
	if f.Since != nil {
		text += fmt.Sprintf(" (for %s)", ago(now, f.Since.Time))
	}
	return text
}

// margin is where the texts of findings begin.
const margin = len("  unknown  ")

// hang wraps a text whose further lines begin where the first does.
func hang(text string) string {
	return strings.ReplaceAll(wrap(printable(text), tableWidth-margin), "\n", "\n"+strings.Repeat(" ", margin))
}

// verdict is how a cluster is in a few words.
func verdict(findings []SealFinding) string {
	counts := map[string]int{}
	for _, f := range findings {
		counts[f.State]++
	}
	var parts []string
	if n := counts[string(sealfleet.Wrong)]; n > 0 {
		parts = append(parts, plural(n, "thing")+" wrong")
	}
	if n := counts[string(sealfleet.Unknown)]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d unknown", n))
	}
	if counts[string(sealfleet.Pending)] > 0 {
		parts = append(parts, "a rotation is under way")
	}
	if len(parts) == 0 {
		return "is sound"
	}
	return strings.Join(parts, ", ")
}
