package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// The widths of the columns that can hold anything, so that a line stays readable.
const (
	pathWidth  = 44
	valueWidth = 20
	absent     = "–"
)

// columnWidth is how wide cells make their column. A longer one, a whole dashboard in wide output, sticks out of its own
// row instead of filling all others with blanks.
const columnWidth = 100

// appliedRevision is what Flux applied, for people.
func appliedRevision(applied string) string {
	if applied == "" {
		return "nothing applied"
	}
	return desired.ShortRevision(applied)
}

// comparedRevision is what the cluster was compared with.
func comparedRevision(owner drift.OwnerResult) string {
	if owner.Compared != "" {
		return desired.ShortRevision(owner.Compared)
	}
	return appliedRevision(owner.Revision)
}

// shortPath keeps the end of a path, which says most, and leaves out the names of list keys:
// …[payments-api].resources.limits.memory.
func shortPath(path fieldpath.Path) string {
	short := shortName(path)
	if width(short) <= pathWidth {
		return short
	}
	for i := 1; i < len(path); i++ {
		short = "…" + strings.TrimPrefix(shortName(path[i:]), ".")
		if width(short) <= pathWidth {
			return short
		}
	}
	return short
}

func shortName(path fieldpath.Path) string {
	var b strings.Builder
	for i, element := range path {
		if element.Key == nil {
			name := fields.Name(fieldpath.Path{element})
			if i > 0 && !strings.HasPrefix(name, "[") {
				b.WriteByte('.')
			}
			b.WriteString(name)
			continue
		}
		values := make([]string, 0, len(*element.Key))
		for _, key := range *element.Key {
			values = append(values, fmt.Sprint(key.Value.Unstructured()))
		}
		fmt.Fprintf(&b, "[%s]", strings.Join(values, ","))
	}
	return b.String()
}

// shortValue writes a value for a table cell. Of a list item that is wholly there or gone, the keys are in the path
// already; if one value is left beside them, that is what people want to read.
func shortValue(path fieldpath.Path, v any) string {
	item, ok := v.(map[string]any)
	if ok && len(path) > 0 && path[len(path)-1].Key != nil {
		rest := map[string]any{}
		for name, inner := range item {
			rest[name] = inner
		}
		for _, key := range *path[len(path)-1].Key {
			delete(rest, key.Name)
		}
		for _, only := range rest {
			if len(rest) == 1 {
				v = only
			}
		}
	}
	return middleCut(wholeValue(v), valueWidth)
}

func wholeValue(v any) string {
	switch x := v.(type) {
	case nil:
		return absent
	case string:
		if x == "" || strings.ContainsFunc(x, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return strconv.Quote(x)
		}
		return x
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// toYAML writes v as YAML. It goes through JSON, in which characters that a YAML reader refuses are escaped.
func toYAML(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var escaped strings.Builder
	for _, r := range string(text) {
		if r >= 0x7f && r <= 0xffff && !unicode.IsPrint(r) {
			fmt.Fprintf(&escaped, `\u%04x`, r)
		} else {
			escaped.WriteRune(r)
		}
	}
	return yaml.JSONToYAML([]byte(escaped.String()))
}

// printable escapes what a terminal would act upon: values, names of files and messages come from others.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// middleCut shortens s to n characters, keeping both ends.
func middleCut(s string, n int) string {
	if width(s) <= n {
		return s
	}
	r := []rune(s)
	head := (n - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

func width(s string) int { return utf8.RuneCountInString(s) }

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func orDash(s string) string {
	if s == "" {
		return absent
	}
	return s
}
