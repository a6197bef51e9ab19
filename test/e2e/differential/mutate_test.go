package differential

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// place is where a value stands in an object: field names (string) and list indexes (int).
type place []any

// String writes the place for a log.
func (p place) String() string {
	parts := make([]string, 0, len(p))
	for _, step := range p {
		parts = append(parts, fmt.Sprint(step))
	}
	return strings.Join(parts, "/")
}

func (p place) then(step any) place { return append(slices.Clone(p), step) }

// places lists every place below value that suits, in a fixed order.
func places(value any, suits func(p place, v any) bool) []place {
	var out []place
	var walk func(p place, v any)
	walk = func(p place, v any) {
		if len(p) > 0 && suits(p, v) {
			out = append(out, p)
		}
		switch x := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(x)) {
				walk(p.then(key), x[key])
			}
		case []any:
			for i, item := range x {
				walk(p.then(i), item)
			}
		}
	}
	walk(nil, value)
	return out
}

// at returns the value at p, nil where there is none.
func at(value any, p place) any {
	for _, step := range p {
		switch x := value.(type) {
		case map[string]any:
			key, _ := step.(string)
			value = x[key]
		case []any:
			i, ok := step.(int)
			if !ok || i >= len(x) {
				return nil
			}
			value = x[i]
		default:
			return nil
		}
	}
	return value
}

// put sets the value at p in place and returns the changed root. Maps on the way are made; a list grows by one at most.
func put(root any, p place, value any) any {
	if len(p) == 0 {
		return value
	}
	switch step := p[0].(type) {
	case string:
		m, ok := root.(map[string]any)
		if !ok {
			m = map[string]any{}
		}
		m[step] = put(m[step], p[1:], value)
		return m
	case int:
		list, _ := root.([]any)
		if step >= len(list) {
			return append(list, put(nil, p[1:], value))
		}
		list[step] = put(list[step], p[1:], value)
		return list
	}
	return root
}

// drop removes what is at p in place and returns the changed root.
func drop(root any, p place) any {
	switch x := root.(type) {
	case map[string]any:
		key, _ := p[0].(string)
		if len(p) == 1 {
			delete(x, key)
		} else if _, ok := x[key]; ok {
			x[key] = drop(x[key], p[1:])
		}
		return x
	case []any:
		i, ok := p[0].(int)
		if !ok || i >= len(x) {
			return x
		}
		if len(p) == 1 {
			return slices.Delete(x, i, i+1)
		}
		x[i] = drop(x[i], p[1:])
		return x
	}
	return root
}

// mutator changes the content of objects at random.
type mutator struct {
	rand *rand.Rand
	// donors are manifests of the same kind, from which fields are taken.
	donors []map[string]any
	// parent is what an owner reference may name: garbage collection deletes objects of owners that do not exist.
	parent map[string]any
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// fixed are the places that identify an object, and owner references: garbage collection deletes objects, and
// references, whose owner does not exist.
func fixed(p place) bool {
	if len(p) > 2 && p[1] == "ownerReferences" {
		return true
	}
	if len(p) == 1 {
		return p[0] == "apiVersion" || p[0] == "kind" || p[0] == "metadata"
	}
	return len(p) == 2 && p[0] == "metadata" && (p[1] == "name" || p[1] == "namespace")
}

// mutate changes content once, in place, and says how; "" where it found nothing to do.
func (m *mutator) mutate(content map[string]any) string {
	switch n := m.rand.IntN(100); {
	case n < 26:
		return m.change(content)
	case n < 40:
		return m.remove(content)
	case n < 52:
		return m.add(content)
	case n < 70:
		return m.graft(content)
	case n < 78:
		return m.grow(content)
	case n < 84:
		return m.reorder(content)
	default:
		return m.metadata(content)
	}
}

func (m *mutator) change(content map[string]any) string {
	leaves := places(content, func(p place, v any) bool {
		switch v.(type) {
		case map[string]any, []any:
			return false
		}
		return !fixed(p)
	})
	if len(leaves) == 0 {
		return ""
	}
	p := pick(m.rand, leaves)
	value := m.other(at(content, p))
	put(content, p, value)
	return fmt.Sprintf("set %s to %v", p, value)
}

// other returns another value of the same type, now and then of another.
func (m *mutator) other(v any) any {
	if m.rand.IntN(15) == 0 {
		return pick(m.rand, []any{nil, "", int64(0), "50%", true, map[string]any{}, []any{}})
	}
	switch x := v.(type) {
	case bool:
		return !x
	case int64:
		return x + int64(1+m.rand.IntN(3))
	case float64:
		return x + 0.25
	case string:
		if spellings := respelled[x]; spellings != nil && m.rand.IntN(2) == 0 {
			return pick(m.rand, spellings)
		}
		for _, set := range alternatives {
			if slices.Contains(set, x) {
				return pick(m.rand, set)
			}
		}
		return x + pick(m.rand, []string{"x", "2", "-b"})
	}
	return "something"
}

// respelled are other spellings of the same quantity, and of one that is not.
var respelled = map[string][]string{
	"500m": {"0.5", "0.50", "500m", "501m"}, "1Gi": {"1024Mi", "1073741824", "1025Mi"}, "1": {"1000m", "1.0", "2"},
	"256Mi": {"0.25Gi", "262144Ki"}, "1500m": {"1.5", "1.6"}, "2": {"2000m", "3"}, "512Mi": {"0.5Gi"},
	"50%": {"51%"}, "25%": {"30%"}, "AAECAw==": {"AAECBA=="}, "/////w==": {"/////g=="}, "YQ==": {"Yg=="},
}

// alternatives are values of enumerations.
var alternatives = [][]string{
	{"Always", "IfNotPresent", "Never", "OnFailure"}, {"TCP", "UDP", "SCTP"}, {"RollingUpdate", "Recreate", "OnDelete"},
	{"ClusterIP", "NodePort", "LoadBalancer"}, {"None", "ClientIP"}, {"Prefix", "Exact", "ImplementationSpecific"},
	{"Allow", "Forbid", "Replace"}, {"matt", "gloss", "raw"}, {"Cluster", "Local"}, {"Retain", "Delete"},
	{"Utilization", "AverageValue", "Value"}, {"Exists", "Equal", "In", "NotIn"}, {"Max", "Min", "Disabled"},
	{"ClusterFirst", "Default"}, {"get", "list", "watch", "delete"}, {"SingleStack", "PreferDualStack"},
	{"IfHealthyBudget", "AlwaysAllow"}, {"OrderedReady", "Parallel"}, {"NoSchedule", "NoExecute"},
}

func (m *mutator) remove(content map[string]any) string {
	all := places(content, func(p place, _ any) bool { return !fixed(p) })
	if len(all) == 0 {
		return ""
	}
	p := pick(m.rand, all)
	drop(content, p)
	return fmt.Sprintf("remove %s", p)
}

func (m *mutator) add(content map[string]any) string {
	all := places(content, func(p place, v any) bool {
		_, ok := v.(map[string]any)
		return ok && p[0] != "metadata"
	})
	// Objects such as ConfigMaps may have no map yet.
	all = append(all, place{"data"}, place{"spec"})
	p := pick(m.rand, all).then(pick(m.rand, []string{"extra", "other", "cpu", "example.com~key", "name"}))
	value := pick(m.rand, []any{"added", "YWRkZWQ=", int64(7), "1", true, map[string]any{"a": "b"}, []any{"a"}, map[string]any{}, []any{}})
	put(content, p, value)
	return fmt.Sprintf("add %s as %v", p, value)
}

// graft copies a field of a donor to the same place.
func (m *mutator) graft(content map[string]any) string {
	if len(m.donors) == 0 {
		return ""
	}
	donor := pick(m.rand, m.donors)
	all := places(donor, func(p place, _ any) bool { return !fixed(p) })
	if len(all) == 0 {
		return ""
	}
	p := pick(m.rand, all)
	value := clone(at(donor, p))
	put(content, p, value)
	return fmt.Sprintf("set %s to %v", p, value)
}

// grow adds an item to a list.
func (m *mutator) grow(content map[string]any) string {
	lists := places(content, func(p place, v any) bool { return isList(p, v) && p[len(p)-1] != "ownerReferences" })
	if len(lists) == 0 {
		return ""
	}
	p := pick(m.rand, lists)
	list, _ := at(content, p).([]any)
	var item any = "added"
	if len(list) > 0 {
		item = clone(pick(m.rand, list))
	}
	switch x := item.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(x)) {
			if _, scalar := x[key].(map[string]any); !scalar && m.rand.IntN(3) > 0 {
				x[key] = m.other(x[key])
			}
		}
	default:
		item = m.other(item)
	}
	where := m.rand.IntN(len(list) + 1)
	put(content, p, slices.Insert(slices.Clone(list), where, item))
	return fmt.Sprintf("insert %v into %s at %d", item, p, where)
}

func (m *mutator) reorder(content map[string]any) string {
	lists := places(content, func(_ place, v any) bool {
		list, _ := v.([]any)
		return len(list) > 1
	})
	if len(lists) == 0 {
		return ""
	}
	p := pick(m.rand, lists)
	list, _ := at(content, p).([]any)
	list = slices.Clone(list)
	m.rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	put(content, p, list)
	return fmt.Sprintf("reorder %s", p)
}

func isList(_ place, v any) bool {
	_, ok := v.([]any)
	return ok
}

// metadata edits labels, annotations, finalizers and owner references.
func (m *mutator) metadata(content map[string]any) string {
	var p place
	var value any
	switch n := m.rand.IntN(20); {
	case n < 6:
		p = place{"metadata", "annotations", pick(m.rand, []string{"example.com/note", "note", "kubernetes.io/change-cause", "deployment.kubernetes.io/note", "example.com/owner"})}
		value = pick(m.rand, []any{"hello", "", "b"})
	case n < 11:
		p = place{"metadata", "labels", pick(m.rand, []string{"team", "example.com/team", "app", "a", "tier"})}
		value = pick(m.rand, []any{"red", "", "b"})
	case n < 14:
		p, value = place{"metadata", pick(m.rand, []string{"annotations", "labels", "finalizers"})}, nil
	case n < 16:
		finalizers, _ := at(content, place{"metadata", "finalizers"}).([]any)
		p, value = place{"metadata", "finalizers"}, append(slices.Clone(finalizers), "example.com/"+pick(m.rand, []string{"lock", "hold"}))
	case n < 17:
		p, value = place{"metadata", "ownerReferences"}, []any{clone(m.parent)}
	case n < 18:
		p, value = place{"metadata", "annotations", pick(m.rand, []string{
			"kubectl.kubernetes.io/last-applied-configuration", "kustomize.toolkit.fluxcd.io/checksum", "fluxcd.io/sync-checksum",
			"reconcile.fluxcd.io/requestedAt",
		})}, "{}"
	case n < 19:
		p, value = place{"metadata", "labels", pick(m.rand, []string{
			"fluxcd.io/sync-gc-mark", "kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace",
		})}, "sha256.abc"
	default:
		steer := pick(m.rand, [][2]string{
			{"kustomize.toolkit.fluxcd.io/reconcile", "disabled"}, {"kustomize.toolkit.fluxcd.io/ssa", "Ignore"},
			{"kustomize.toolkit.fluxcd.io/ssa", "Merge"}, {"kustomize.toolkit.fluxcd.io/ssa", "merge"},
			{"kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent"}, {"kustomize.toolkit.fluxcd.io/prune", "disabled"},
			{"kustomize.toolkit.fluxcd.io/force", "enabled"}, {"kustomize.toolkit.fluxcd.io/reconcile", "enabled"},
		})
		p, value = place{"metadata", pick(m.rand, []string{"annotations", "labels"}), steer[0]}, steer[1]
	}
	if value == nil {
		drop(content, p)
		return fmt.Sprintf("remove %s", p)
	}
	put(content, p, value)
	return fmt.Sprintf("set %s to %v", p, value)
}

// clone copies a JSON value deeply.
func clone(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, inner := range x {
			out[k] = clone(inner)
		}
		return out
	case []any:
		out := make([]any, 0, len(x))
		for _, inner := range x {
			out = append(out, clone(inner))
		}
		return out
	}
	return v
}
