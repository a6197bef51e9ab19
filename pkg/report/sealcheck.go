package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/sealcheck"
)

// SealCheckReport is what a check of a repository's secrets found, one item a finding.
type SealCheckReport struct {
	metav1.TypeMeta `json:",inline"`
	// SealedSecrets and Kustomizations are how many were looked at: of Kustomizations those that apply SealedSecrets.
	SealedSecrets  int             `json:"sealedSecrets"`
	Kustomizations int             `json:"kustomizations"`
	Items          []SealCheckItem `json:"items"`
	// Errors are what could not be checked.
	Errors []SealCheckError `json:"errors,omitempty"`
}

// SealCheckItem is one thing that is wrong.
type SealCheckItem struct {
	Kind string `json:"kind"`
	Origin
	Object string `json:"object"`
	// Item is the key of the Secret, absent where it is about all of it.
	Item    string `json:"item,omitempty"`
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"`
}

// SealCheckError is something that could not be checked.
type SealCheckError struct {
	Origin
	Message string `json:"message"`
}

// NewSealCheckReport makes the list.
func NewSealCheckReport(found *sealcheck.Report) *SealCheckReport {
	out := &SealCheckReport{
		TypeMeta:      metav1.TypeMeta{APIVersion: "gitops-drift.dev/v1alpha1", Kind: "SealCheckReport"},
		SealedSecrets: found.Sealed, Kustomizations: found.Kustomizations, Items: []SealCheckItem{},
	}
	for _, f := range found.Findings {
		out.Items = append(out.Items, SealCheckItem{
			Kind: string(f.Kind), Origin: Origin{File: f.File, Line: f.Line}, Object: f.Object, Item: f.Item, Message: f.Message, Advice: f.Advice,
		})
	}
	for _, e := range found.Errors {
		out.Errors = append(out.Errors, SealCheckError{Origin: Origin{File: e.File, Line: e.Line}, Message: e.Err.Error()})
	}
	return out
}

// WriteTable writes the findings for people: where, what, of what, why and what to do. Items of one SealedSecret of which the
// same is true share their lines. Errors are left to who shows errors.
func (r *SealCheckReport) WriteTable(w io.Writer, color bool) error {
	var b strings.Builder
	paint := Table{Color: color}
	for i := 0; i < len(r.Items); {
		first := r.Items[i]
		items := []string{}
		for ; i < len(r.Items) && first.alike(r.Items[i]); i++ {
			if item := r.Items[i].Item; item != "" {
				items = append(items, item)
			}
		}
		object := first.Object
		if len(items) > 0 {
			object += " [" + strings.Join(items, ", ") + "]"
		}
		b.WriteString(paint.bold(printable(first.place()+gap+first.Kind+gap+object)) + "\n")
		b.WriteString(sentence(first.Message))
		if first.Advice != "" {
			b.WriteString(sentence(first.Advice))
		}
	}
	b.WriteString(wrap(r.answer(), tableWidth) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (o Origin) place() string {
	if o.Line == 0 {
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// alike reports whether both say the same of items of one object.
func (i SealCheckItem) alike(other SealCheckItem) bool {
	i.Line, other.Line, i.Item, other.Item = 0, 0, "", ""
	return i == other
}

// sentence is a message as lines of its own, indented.
func sentence(message string) string {
	return gap + strings.ReplaceAll(wrap(printable(strings.ToUpper(message[:1])+message[1:]+"."), tableWidth-len(gap)), "\n", "\n"+gap) + "\n"
}

func (r *SealCheckReport) answer() string {
	looked := plural(r.SealedSecrets, "SealedSecret")
	if r.Kustomizations > 0 {
		looked += ", which " + plural(r.Kustomizations, "Kustomization") + " apply"
		if r.Kustomizations == 1 {
			looked = strings.TrimSuffix(looked, "apply") + "applies"
		}
	}
	if len(r.Items) == 0 {
		if len(r.Errors) > 0 {
			return fmt.Sprintf("Nothing wrong was found in %s, but not everything could be checked.", looked)
		}
		return fmt.Sprintf("Nothing is wrong: %s, and no Secret in plain text.", looked)
	}
	counts, kinds := map[string]int{}, []string{}
	for _, item := range r.Items {
		if counts[item.Kind]++; counts[item.Kind] == 1 {
			kinds = append(kinds, item.Kind)
		}
	}
	slices.Sort(kinds)
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", counts[kind], kind)
	}
	if r.SealedSecrets > 0 {
		looked = " in " + looked
	} else {
		looked = ""
	}
	return fmt.Sprintf("%s%s: %s.", plural(len(r.Items), "problem"), looked, strings.Join(kinds, ", "))
}
