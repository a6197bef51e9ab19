package origin

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// anything stands for a value that is not known here, as of a file that is too large to be kept.
const anything = "\x00anything"

// explains reports whether a scalar as it is written can have become the value that Flux applies: as it is, in another
// spelling of the same number or quantity, encoded, with variables filled in, or with a changed name in it.
func explains(written *node, applied any, renamed bool) bool {
	if written.kind != scalar {
		return false
	}
	if written.text == anything {
		return true
	}
	var value string
	switch v := applied.(type) {
	case nil:
		return written.null
	case string:
		value = v
	case map[string]any, []any:
		return false
	default:
		value = fmt.Sprint(v)
	}
	text := written.text
	switch {
	case text == value, sameNumber(text, value), variable.MatchString(text) && pattern(text).MatchString(value):
		return true
	case text == "":
		return false
	case base64.StdEncoding.EncodeToString([]byte(text)) == value:
		return true
	}
	// Names of other objects change where they are referred to.
	return renamed && strings.Contains(value, text)
}

func sameNumber(text, value string) bool {
	if a, err := strconv.ParseFloat(text, 64); err == nil {
		if b, err := strconv.ParseFloat(value, 64); err == nil {
			return a == b
		}
	}
	if a, err := strconv.ParseInt(text, 0, 64); err == nil {
		return strconv.FormatInt(a, 10) == value
	}
	if a, err := strconv.ParseBool(text); err == nil {
		return strconv.FormatBool(a) == value
	}
	a, err := resource.ParseQuantity(text)
	if err != nil {
		return strings.TrimRight(text, "\r\n") == strings.TrimRight(value, "\r\n")
	}
	b, err := resource.ParseQuantity(value)
	return err == nil && a.Cmp(b) == 0
}

// variable is where Flux's post-build substitution, or kustomize's vars, fill something in.
var variable = regexp.MustCompile(`\$\$?[({]`)

// pattern matches what a text with variables can become.
func pattern(text string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)^`)
	for text != "" {
		at := variable.FindStringIndex(text)
		if at == nil {
			break
		}
		b.WriteString(regexp.QuoteMeta(text[:at[0]]) + `.*`)
		text = text[at[1]:]
		// To the end of the variable; one may stand within another.
		for depth := 1; text != "" && depth > 0; text = text[1:] {
			switch text[0] {
			case '{', '(':
				depth++
			case '}', ')':
				depth--
			}
		}
	}
	b.WriteString(regexp.QuoteMeta(text) + `$`)
	return regexp.MustCompile(b.String())
}
