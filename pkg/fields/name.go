package fields

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// plain are the field names that need no quoting in a path.
var plain = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$-]*$`)

// Name writes a path as people do: spec.template.spec.containers[name=api].env[name=DEBUG],
// metadata.annotations["example.com/owner"], metadata.finalizers["example.com/lock"].
func Name(path fieldpath.Path) string {
	var b strings.Builder
	for _, element := range path {
		switch {
		case element.FieldName != nil && plain.MatchString(*element.FieldName):
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(*element.FieldName)
		case element.FieldName != nil:
			fmt.Fprintf(&b, "[%q]", *element.FieldName)
		case element.Key != nil:
			pairs := make([]string, 0, len(*element.Key))
			for _, key := range *element.Key {
				pairs = append(pairs, key.Name+"="+keyValue(key.Value.Unstructured()))
			}
			fmt.Fprintf(&b, "[%s]", strings.Join(pairs, ","))
		case element.Value != nil:
			fmt.Fprintf(&b, "[%q]", fmt.Sprint((*element.Value).Unstructured()))
		case element.Index != nil:
			fmt.Fprintf(&b, "[%d]", *element.Index)
		}
	}
	return b.String()
}

// keyValue writes the value of a list key, quoted where it would be mistaken for something else or harm a terminal.
func keyValue(v any) string {
	text, ok := v.(string)
	if ok && (text == "" || strings.ContainsAny(text, `,]"`) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })) {
		return strconv.Quote(text)
	}
	return fmt.Sprint(v)
}
