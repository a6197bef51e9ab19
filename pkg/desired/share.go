package desired

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// pool holds one copy of each value. The objects of an owner are alike in most of what they hold, in labels, names of
// fields, resources and probes; where it is shared, they take about half the memory.
type pool struct {
	texts  map[string]string
	values map[string]pooled
}

type pooled struct {
	value any
	// id tells pooled values apart.
	id string
}

func newPool() *pool {
	return &pool{texts: map[string]string{}, values: map[string]pooled{}}
}

// share returns a value that equals v, and shares what it can with those returned before. Nobody may change it.
func (p *pool) share(v any) any { return p.pooled(v).value }

func (p *pool) pooled(v any) pooled {
	// What a value is made of, by the ids of its parts.
	var parts strings.Builder
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		parts.WriteByte('{')
		for _, name := range slices.Sorted(maps.Keys(x)) {
			part := p.pooled(x[name])
			out[p.text(name)] = part.value
			fmt.Fprintf(&parts, "%q:%s,", name, part.id)
		}
		return p.one(parts.String(), out)
	case []any:
		out := make([]any, 0, len(x))
		parts.WriteByte('[')
		for _, item := range x {
			part := p.pooled(item)
			out = append(out, part.value)
			parts.WriteString(part.id + ",")
		}
		return p.one(parts.String(), out)
	case string:
		return pooled{p.text(x), strconv.Quote(x)}
	}
	return pooled{v, fmt.Sprintf("%T %v", v, v)}
}

func (p *pool) one(parts string, value any) pooled {
	known, ok := p.values[parts]
	if !ok {
		known = pooled{value, "#" + strconv.Itoa(len(p.values))}
		p.values[parts] = known
	}
	return known
}

func (p *pool) text(s string) string {
	known, ok := p.texts[s]
	if !ok {
		known = strings.Clone(s)
		p.texts[known] = known
	}
	return known
}
