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
// spelling of the same number or quantity, encoded, with variables filled in, or, with affixes, as a reference to an
// object whose name got some of them.
func explains(written *node, applied any, affixes []string) bool {
	if written.kind != scalar {
		return false
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
	return text == anything || text == value || sameNumber(text, value) || filledIn(text, value) ||
		text != "" && base64.StdEncoding.EncodeToString([]byte(text)) == value || renamed(text, value, affixes)
}

// sameNumber compares numbers, booleans and quantities however they are written, and texts but for the end of their last
// line.
func sameNumber(text, value string) bool {
	if a, err := strconv.ParseFloat(text, 64); err == nil {
		if b, err := strconv.ParseFloat(value, 64); err == nil && a == b {
			return true // else it may be octal
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

// filledIn reports whether value is text with something in place of its variables, those of Flux's post-build
// substitution and of kustomize.
func filledIn(text, value string) bool {
	parts := fixed(text)
	if len(parts) == 1 {
		return false
	}
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(value, parts[0])
	if !ok || !strings.HasSuffix(rest, parts[last]) {
		return false
	}
	rest = strings.TrimSuffix(rest, parts[last])
	for _, part := range parts[1:last] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return true
}

// fixed are the parts of a text around its variables.
func fixed(text string) []string {
	var out []string
	var part strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) || !strings.ContainsRune("{(", rune(text[i+1])) {
			part.WriteByte(text[i])
			continue
		}
		out = append(out, strings.TrimSuffix(part.String(), "$")) // $$ makes a $
		part.Reset()
		depth := 0
		for i++; i < len(text); i++ { // one may stand within another
			if strings.ContainsRune("{(", rune(text[i])) {
				depth++
			} else if strings.ContainsRune("})", rune(text[i])) {
				if depth--; depth == 0 {
					break
				}
			}
		}
	}
	return append(out, part.String())
}

// hashed is what kustomize appends to the names of generated objects.
var hashed = regexp.MustCompile(`^-[2456789bcdfghkmt]{10}$`)

// renamed reports whether value is text with affixes around it, or with a hash at its end.
func renamed(text, value string, affixes []string) bool {
	if text == "" {
		return false
	}
	before, after, ok := strings.Cut(value, text)
	if !ok {
		return false
	}
	for _, affix := range affixes {
		before, after = strings.TrimPrefix(before, affix), strings.TrimPrefix(after, affix)
	}
	return before == "" && (after == "" || hashed.MatchString(after))
}
