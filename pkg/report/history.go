package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fleet"
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

// Records are the records of one cluster.
type Records = fleet.Result[[]v1alpha1.EditRecord]

// historyColumns are the columns of a table of records.
var historyColumns = []column{
	{title: "CLUSTER", good: 14, least: 9, cut: middleCut},
	{title: "LAST", least: agoRoom - 1},
	{title: "USER", good: 20, least: 14, cut: middleCut},
	{title: "EDIT", good: 24, least: 14, cut: middleCut},
	{title: "OBJECT", good: 34, least: 25, cut: objectCut},
	{title: "FIELD", good: 26, least: 19, cut: pathEnd},
	{title: "CHANGE", good: 19, least: 10, cut: changeCut},
	{title: "COUNT"},
	{title: "SINCE"}, {title: "MANAGER"}, {title: "FLUX WILL"}, {title: "POLICY"}, {title: "OWNER"}, {title: "REVISION"},
}

// wideOnly is how many of them only wide output has.
const wideOnly = 6

// Write writes a table, one line a field, or a sentence where there is no record. Of several clusters the records come in
// one table, the newest first, with a column for the cluster.
func (h History) Write(w io.Writer, clusters ...Records) error {
	columns, limit := historyColumns, 0
	if !h.Wide {
		columns, limit = columns[:len(columns)-wideOnly], tableWidth
	}
	if len(clusters) < 2 {
		columns = columns[1:]
	}
	var rows [][]cell
	for _, record := range newestFirst(clusters) {
		for i, texts := range h.rows(&record.Spec, len(historyColumns)-1) {
			if len(clusters) > 1 {
				cluster := record.cluster
				if i > 0 {
					cluster = ""
				}
				texts = append([]string{cluster}, texts...)
			}
			row := make([]cell, len(columns))
			for n := range row {
				row[n].text = texts[n]
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		_, err := io.WriteString(w, "No edits are recorded.\n")
		return err
	}
	_, err := io.WriteString(w, strings.Join(lineUp(columns, rows, limit), "\n")+"\n")
	return err
}

// clusterRecord is a record and its cluster.
type clusterRecord struct {
	*v1alpha1.EditRecord
	cluster string
}

// newestFirst puts the records of all clusters in one order; those of one cluster have theirs.
func newestFirst(clusters []Records) []clusterRecord {
	var out []clusterRecord
	for _, c := range clusters {
		for i := range c.Value {
			out = append(out, clusterRecord{&c.Value[i], c.Cluster})
		}
	}
	if len(clusters) > 1 {
		slices.SortStableFunc(out, func(a, b clusterRecord) int { return b.Spec.LastTime.Compare(a.Spec.LastTime.Time) })
	}
	return out
}

// changeCut shortens both sides of a change.
func changeCut(change string, n int) string {
	before, after, found := strings.Cut(change, arrow)
	if !found {
		return middleCut(change, n)
	}
	n -= len(gap) + 1 // the arrow
	half := max(n/2, n-width(after))
	before = middleCut(before, max(half, 1))
	return before + arrow + middleCut(after, max(n-width(before), 1))
}

const arrow = " → "

// rows are the lines of one record; only the first names more than the field.
func (h History) rows(spec *v1alpha1.EditRecordSpec, width int) [][]string {
	first := make([]string, width)
	first[0] = h.since(spec.LastTime) + " ago"
	first[1] = spec.User.Name
	first[2] = did(spec)
	first[3] = objectName(spec.Object)
	first[6] = fmt.Sprint(spec.Count)
	copy(first[7:], []string{
		h.since(spec.FirstTime) + " ago", orDash(spec.Manager), orDash(strings.ToLower(string(spec.FluxWill))),
		orDash(spec.Policy), orDash(spec.Owner), orDash(desired.ShortRevision(spec.Revision)),
	})
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
		row("and its other fields", "")
	case v1alpha1.FoldedObjects:
		row("and other objects", "")
	}
	return rows
}

// field is the name of a field and what was done to it.
func (h History) field(f v1alpha1.RecordedField) (name, change string) {
	name, before, after := f.Path, orDash(f.Old), orDash(f.New)
	if !h.Wide {
		name, before, after = shortPath(name), middleCut(before, valueWidth), middleCut(after, valueWidth)
	}
	change = before + arrow + after
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
	return ago(h.Now, then.Time)
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

// shortPath leaves the names of list keys out of a path as fields.Name writes it: …[api].image.
func shortPath(name string) string {
	parts := elements(name)
	for i, part := range parts {
		parts[i] = withoutKeys(part)
	}
	return strings.Join(parts, "")
}

// pathEnd shortens a path to n columns. It keeps the end, which says most, from the beginning of an element if that
// fits.
func pathEnd(path string, n int) string {
	if width(path) <= n {
		return path
	}
	parts := elements(path)
	for i := 1; i < len(parts); i++ {
		if short := "…" + strings.TrimPrefix(strings.Join(parts[i:], ""), "."); width(short) <= n {
			return short
		}
	}
	return "…" + endCut(path, n-1)
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

// ClusterAnnotation names the cluster of a record in a list of several clusters' records.
const ClusterAnnotation = "gitops-drift.dev/cluster"

// NewRecordList makes the versioned list of records.
func NewRecordList(clusters ...Records) *v1alpha1.EditRecordList {
	out := &v1alpha1.EditRecordList{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "EditRecordList"},
		Items:    []v1alpha1.EditRecord{},
	}
	for _, record := range newestFirst(clusters) {
		r := *record.EditRecord
		r.TypeMeta = metav1.TypeMeta{APIVersion: out.APIVersion, Kind: "EditRecord"}
		if len(clusters) > 1 {
			r.Annotations = maps.Clone(r.Annotations)
			metav1.SetMetaDataAnnotation(&r.ObjectMeta, ClusterAnnotation, record.cluster)
		}
		out.Items = append(out.Items, r)
	}
	return out
}

// WriteRecordNames writes the names of records as kubectl takes them; of several clusters with the context.
func WriteRecordNames(w io.Writer, clusters ...Records) error {
	for _, record := range newestFirst(clusters) {
		cluster := ""
		if len(clusters) > 1 {
			cluster = record.cluster
		}
		if _, err := fmt.Fprintf(w, "editrecord.%s/%s%s\n", v1alpha1.GroupVersion.Group, record.Name, printable(InContext(cluster))); err != nil {
			return err
		}
	}
	return nil
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
