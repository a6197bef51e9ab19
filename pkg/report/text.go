package report

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	eastasian "golang.org/x/text/width"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// valueWidth is how much of a value a table shows at most, if there is room, unless it is wide.
const valueWidth = 40

const absent = "–"

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

// middleCut shortens s to n columns, keeping both ends.
func middleCut(s string, n int) string {
	if width(s) <= n {
		return s
	}
	tail := endCut(s, n-1-(n-1)/2)
	return headCut(s, n-1-width(tail)) + "…" + tail
}

// lineCut shortens s to n columns, keeping its beginning.
func lineCut(s string, n int) string {
	if width(s) <= n {
		return s
	}
	return headCut(s, n-1) + "…"
}

// kubectl's short names of the kinds with long ones.
var shortKinds = map[string]string{
	"configmap": "cm", "customresourcedefinition": "crd", "cronjob": "cj", "daemonset": "ds", "deployment": "deploy",
	"horizontalpodautoscaler": "hpa", "ingress": "ing", "namespace": "ns", "networkpolicy": "netpol",
	"persistentvolumeclaim": "pvc", "poddisruptionbudget": "pdb", "service": "svc", "serviceaccount": "sa", "statefulset": "sts",
}

// objectCut shortens the name of an object to n columns: the kind to its short name if that is enough, and else in the
// middle.
func objectCut(s string, n int) string {
	if width(s) <= n {
		return s
	}
	parts := strings.Split(s, "/")
	kind := max(len(parts)-2, 0) // namespace/kind/name or kind/name
	if short, ok := shortKinds[parts[kind]]; ok {
		parts[kind] = short
		s = strings.Join(parts, "/")
	}
	return middleCut(s, n)
}

// headCut is what fits into n columns of the beginning of s.
func headCut(s string, n int) string {
	for i, r := range s {
		if n -= runeWidth(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// endCut is what fits into n columns of the end of s.
func endCut(s string, n int) string {
	for i := len(s); i > 0; {
		r, size := utf8.DecodeLastRuneInString(s[:i])
		if n -= runeWidth(r); n < 0 {
			return s[i:]
		}
		i -= size
	}
	return s
}

// width is how many columns of a terminal s takes.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch eastasian.LookupRune(r).Kind() {
	case eastasian.EastAsianWide, eastasian.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

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
