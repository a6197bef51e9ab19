package fields

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Absent stands for a value that is not there.
const Absent = "–"

// Show writes a JSON value on one line, shortened to limit characters and an ellipsis. Texts that could be mistaken for
// something else are quoted. Of a large value it looks at no more than it shows.
func Show(v any, limit int) string {
	s, ok := v.(string)
	switch {
	case v == nil:
		return Absent
	case !ok || s == "" || strings.ContainsAny(s, "\n\r\t") || strings.TrimSpace(s) != s:
		var b strings.Builder
		writeJSON(&b, v, limit)
		s = b.String()
	}
	return Cut(s, limit)
}

// writeJSON writes v until there is enough of it to show limit characters.
func writeJSON(b *strings.Builder, v any, limit int) {
	// The longest UTF-8 sequence has four bytes.
	enough := 4 * (limit + 1)
	switch x := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for i, key := range slices.Sorted(maps.Keys(x)) {
			if b.Len() > enough {
				return
			}
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, key, limit)
			b.WriteByte(':')
			writeJSON(b, x[key], limit)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, item := range x {
			if b.Len() > enough {
				return
			}
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, item, limit)
		}
		b.WriteByte(']')
	default:
		if s, ok := v.(string); ok {
			v = Cut(s, limit)
		}
		encoded, err := json.Marshal(v)
		if err != nil {
			encoded = fmt.Append(nil, v)
		}
		b.Write(encoded)
	}
}

// Cut shortens a text to a number of characters and an ellipsis.
func Cut(s string, characters int) string {
	n := 0
	for i := range s {
		if n == characters {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
