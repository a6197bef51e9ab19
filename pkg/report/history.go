package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// fieldsShown is how many fields of a record the table names, unless it is wide.
const fieldsShown = 3

// History writes records of edits for people, in the order given.
type History struct {
	// Wide shows whole paths and values, all fields, and what else is known.
	Wide bool
	// Now is the moment to which ages are counted.
	Now time.Time
}

// Write writes a table, one line a field, or a sentence where there is no record.
func (h History) Write(w io.Writer, records []v1alpha1.EditRecord) error {
	if len(records) == 0 {
		_, err := io.WriteString(w, "No edits are recorded.\n")
		return err
	}
	header := []string{"LAST", "USER", "EDIT", "OBJECT", "FIELD", "CHANGE", "COUNT"}
	if h.Wide {
		header = append(header, "SINCE", "MANAGER", "FLUX WILL", "POLICY", "OWNER", "REVISION")
	}
	rows := [][]string{header}
	for i := range records {
		rows = append(rows, h.rows(&records[i].Spec, len(header))...)
	}
	_, err := io.WriteString(w, columns(rows))
	return err
}

// rows are the lines of one record; only the first names more than the field.
func (h History) rows(spec *v1alpha1.EditRecordSpec, width int) [][]string {
	first := make([]string, width)
	first[0] = h.since(spec.LastTime) + " ago"
	first[1] = spec.User.Name
	first[2] = did(spec)
	first[3] = objectName(spec.Object)
	first[6] = fmt.Sprint(spec.Count)
	if h.Wide {
		copy(first[7:], []string{
			h.since(spec.FirstTime) + " ago", orDash(spec.Manager), orDash(strings.ToLower(string(spec.FluxWill))),
			orDash(spec.Policy), orDash(spec.Owner), orDash(desired.ShortRevision(spec.Revision)),
		})
	}
	rows := [][]string{first}
	row := func(field, change string) {
		last := rows[len(rows)-1]
		if last[4] != "" {
			last = make([]string, width)
			rows = append(rows, last)
		}
		last[4], last[5] = field, change
	}
	more := spec.MoreFields
	for i, f := range spec.Fields {
		if i == fieldsShown && !h.Wide {
			more += int32(len(spec.Fields) - i)
			break
		}
		row(h.field(f))
	}
	if len(spec.Fields) == 0 {
		row("(the object)", absent)
	}
	if more > 0 {
		row(fmt.Sprintf("and %d more", more), "")
	}
	switch spec.Folded {
	case v1alpha1.FoldedFields:
		row("and edits of its other fields", "")
	case v1alpha1.FoldedObjects:
		row("and edits of other objects", "")
	}
	return rows
}

// field is the name of a field and what was done to it.
func (h History) field(f v1alpha1.RecordedField) (name, change string) {
	name, before, after := f.Path, orDash(f.Old), orDash(f.New)
	if !h.Wide {
		name, before, after = endOf(name), middleCut(before, valueWidth), middleCut(after, valueWidth)
	}
	change = before + " → " + after
	if name == "" {
		name, change = "(the object)", f.Kind
	}
	if f.Note != "" {
		change = f.Note
		if !h.Wide {
			change = firstLine(change)
		}
	}
	return name, change
}

func (h History) since(then metav1.Time) string {
	return duration.HumanDuration(max(h.Now.Sub(then.Time), 0))
}

// did says what the user did, and what became of it.
func did(spec *v1alpha1.EditRecordSpec) string {
	what := map[string]string{"CREATE": "create", "UPDATE": "update", "DELETE": "delete", "CONNECT": "connect"}[spec.Operation]
	if spec.Subresource != "" {
		what += " " + spec.Subresource
	}
	switch spec.Decision {
	case v1alpha1.Denied:
		return what + " denied"
	case v1alpha1.Warned:
		return what + " admitted, warned"
	case v1alpha1.Exempted:
		return what + " admitted, exempt"
	case v1alpha1.UnderBreakGlass:
		return what + " admitted, break-glass " + spec.BreakGlass
	case v1alpha1.Recorded:
	}
	return what + " admitted"
}

// objectName writes namespace/kind/name, as the table of drift does.
func objectName(o v1alpha1.ObjectReference) string {
	name := strings.ToLower(o.Kind) + "/" + o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return name
}

// endOf keeps the end of a written path, which says most, and leaves out the names of list keys, as shortPath does.
func endOf(name string) string {
	parts := elements(name)
	for i, part := range parts {
		parts[i] = withoutKeys(part)
	}
	for i := range parts {
		short := strings.Join(parts[i:], "")
		if i > 0 {
			short = "…" + strings.TrimPrefix(short, ".")
		}
		if width(short) <= pathWidth || i == len(parts)-1 {
			return short
		}
	}
	return ""
}

// elements splits a path as fields.Name writes it, each element with the dot or bracket before it.
func elements(name string) []string {
	var out []string
	start, quoted, depth := 0, false, 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ']':
			depth--
		case (c == '.' || c == '[') && depth == 0:
			if i > start {
				out = append(out, name[start:i])
				start = i
			}
			if c == '[' {
				depth++
			}
		}
	}
	if start < len(name) {
		out = append(out, name[start:])
	}
	return out
}

// withoutKeys turns [name=api,port=80] into [api,80].
func withoutKeys(element string) string {
	inner, ok := strings.CutPrefix(element, "[")
	if !ok || strings.HasPrefix(inner, `"`) {
		return element
	}
	inner = strings.TrimSuffix(inner, "]")
	var values []string
	for _, pair := range strings.Split(inner, ",") {
		_, value, found := strings.Cut(pair, "=")
		if !found || strings.Contains(pair, `"`) {
			return element
		}
		values = append(values, value)
	}
	return "[" + strings.Join(values, ",") + "]"
}

// columns lines rows up, their cells made printable.
func columns(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
			if n := width(row[i]); n <= columnWidth {
				widths[i] = max(widths[i], n)
			}
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", max(widths[i]-width(cell), 0)))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// NewRecordList makes the versioned list of records.
func NewRecordList(records []v1alpha1.EditRecord) *v1alpha1.EditRecordList {
	out := &v1alpha1.EditRecordList{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "EditRecordList"},
		Items:    []v1alpha1.EditRecord{},
	}
	for _, r := range records {
		r.TypeMeta = metav1.TypeMeta{APIVersion: out.APIVersion, Kind: "EditRecord"}
		out.Items = append(out.Items, r)
	}
	return out
}

// WriteJSON writes v as indented JSON.
func WriteJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// WriteYAML writes v as YAML.
func WriteYAML(w io.Writer, v any) error {
	text, err := toYAML(v)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
