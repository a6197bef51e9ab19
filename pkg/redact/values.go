package redact

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// shortest is the length from which a value is masked wherever it stands in a text; shorter ones only where
// they stand alone, or every text would be made unreadable by a value such as "1".
const shortest = 5

// Values are values of Secrets that may stand within other text: a message of a tool that quotes its input, a field
// that a Secret was substituted into. The zero Values and nil hide nothing. Add must not be called concurrently
// with anything else.
type Values struct {
	values map[string]struct{}
}

// Add hides text, each of its lines, and what it is in base64 or decoded from it.
func (v *Values) Add(text string) {
	if v.values == nil {
		v.values = map[string]struct{}{}
	}
	forms := []string{text, base64.StdEncoding.EncodeToString([]byte(text))}
	if decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil {
		forms = append(forms, string(decoded))
	}
	for _, form := range forms {
		for _, line := range append(strings.Split(form, "\n"), form) {
			quoted := strconv.Quote(line)
			for _, value := range []string{line, strings.TrimSpace(line), quoted[1 : len(quoted)-1]} {
				if value != "" {
					v.values[value] = struct{}{}
				}
			}
		}
	}
}

// Empty reports whether nothing is hidden.
func (v *Values) Empty() bool { return v == nil || len(v.values) == 0 }

// Text returns text with every hidden value masked.
func (v *Values) Text(text string) string {
	if v == nil || len(v.values) == 0 {
		return text
	}
	var long []string
	for value := range v.values {
		if len(value) >= shortest {
			long = append(long, value)
		}
	}
	sort.Slice(long, func(i, j int) bool { return len(long[i]) > len(long[j]) })
	pairs := make([]string, 0, 2*len(long))
	for _, value := range long {
		pairs = append(pairs, value, Masked)
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	return word.ReplaceAllStringFunc(text, func(w string) string {
		if _, ok := v.values[w]; ok {
			return Masked
		}
		return w
	})
}

// word is what a short value has to equal.
var word = regexp.MustCompile(`[^\s"'` + "`" + `=:,;(){}\[\]]+`)

// JSON returns a JSON value with every hidden value in it masked, and whether there was one. Keys of maps stay.
func (v *Values) JSON(value any) (any, bool) {
	if v == nil || len(v.values) == 0 {
		return value, false
	}
	switch x := value.(type) {
	case nil:
		return nil, false
	case map[string]any:
		out, hit := make(map[string]any, len(x)), false
		for k, inner := range x {
			masked, found := v.JSON(inner)
			out[k], hit = masked, hit || found
		}
		return out, hit
	case []any:
		out, hit := make([]any, 0, len(x)), false
		for _, inner := range x {
			masked, found := v.JSON(inner)
			out, hit = append(out, masked), hit || found
		}
		return out, hit
	case string:
		masked := v.Text(x)
		return masked, masked != x
	}
	if _, ok := v.values[fmt.Sprint(value)]; ok {
		return Masked, true
	}
	return value, false
}

// Change masks the two values of one field if a hidden value is in one of them.
func (v *Values) Change(before, after any) (any, any) {
	_, b := v.JSON(before)
	_, a := v.JSON(after)
	if !b && !a {
		return before, after
	}
	return Both(before, after)
}
