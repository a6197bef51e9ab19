//go:build unix

package admission

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fluxcd/pkg/ssa/jsondiff"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// timeout is how long the API server waits for the webhook.
const timeout = 3 * time.Second

// TestTheLargestObjectsAreJudgedInTime edits objects about as large as etcd takes, shaped so that whatever grows with the
// square of their size takes minutes.
func TestTheLargestObjectsAreJudgedInTime(t *testing.T) {
	numbered := func(n int, item func(i int) any) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = item(i)
		}
		return list
	}
	tooth := func(value string) func(i int) any {
		return func(i int) any { return map[string]any{"name": fmt.Sprintf("t%d", i), "value": value} }
	}
	// owned encodes that a manager has name and value of each of n items.
	owned := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k:{\"name\":\"t%d\"}":{".":{},"f:name":{},"f:value":{}},`, i)
		}
		return `{"f:spec":{"f:teeth":{` + strings.TrimSuffix(b.String(), ",") + `}}}`
	}
	nest := func(depth, leaves int, value string) any {
		wide := map[string]any{}
		for i := range leaves {
			wide[fmt.Sprintf("k%d", i)] = value
		}
		var deep any = wide
		for range depth {
			deep = map[string]any{"a": deep}
		}
		return deep
	}
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"f:k%d":{},`, i)
		}
		return `{"f:spec":{"f:teeth":{` + strings.TrimSuffix(b.String(), ",") + `}}}`
	}
	reversed := func(list []any) []any { slices.Reverse(list); return list }
	const n = 15_000
	for name, test := range map[string]struct {
		before, after any
		fields        string
		// managers are how many more entries there are.
		managers int
		changes  int
	}{
		"a list whose items all change":        {before: numbered(n, tooth("1")), after: numbered(n, tooth("2")), fields: owned(n), changes: n},
		"a list that is reversed":              {before: numbered(n, tooth("1")), after: reversed(numbered(n, tooth("1"))), fields: owned(n), changes: 1},
		"a list that grows":                    {before: numbered(n/2, tooth("1")), after: reversed(numbered(n, tooth("1"))), fields: owned(n), changes: n/2 + 1},
		"a list without keys":                  {before: numbered(n, tooth("1")), after: numbered(n, tooth("2")), fields: `{"f:spec":{"f:teeth":{}}}`, changes: 1},
		"a map whose values all change":        {before: nest(0, 2*n, "1"), after: nest(0, 2*n, "2"), fields: keys(2 * n), changes: 2 * n},
		"deep maps":                            {before: nest(5000, n, "1"), after: nest(5000, n, "2"), fields: `{"f:spec":{"f:teeth":{}}}`, changes: 1},
		"an object with thousands of managers": {before: nest(0, n, "1"), after: nest(0, n, "2"), fields: `{"f:spec":{"f:teeth":{}}}`, managers: 5000, changes: n},
	} {
		t.Run(name, func(t *testing.T) {
			in := recorded(t, "custom-resource")
			w := newWorld(t)
			w.declare(t, objectOf(in), func(o *unstructured.Unstructured) { o.Object["spec"] = map[string]any{"teeth": test.before} })
			managers := []metav1.ManagedFieldsEntry{{Manager: ownership.KustomizeManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(test.fields)}}
			for i := range test.managers {
				managers = append(managers, metav1.ManagedFieldsEntry{
					Manager: fmt.Sprintf("m%d", i), Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fmt.Sprintf(`{"f:spec":{"f:teeth":{"f:k%d":{}}}}`, i)),
				})
			}
			for raw, teeth := range map[*[]byte]any{&in.OldObject.Raw: test.before, &in.Object.Raw: test.after} {
				rewrite(t, raw, func(o *unstructured.Unstructured) {
					o.Object["spec"] = map[string]any{"teeth": teeth}
					o.SetManagedFields(managers)
				})
			}
			start := cpu(t)
			v := verdict(t, in, w)
			resp := respond(v)
			took := cpu(t) - start
			t.Logf("%d bytes in %s", len(in.Object.Raw)+len(in.OldObject.Raw), took)
			if took > timeout {
				t.Errorf("took %s", took)
			}
			if resp.Allowed || len(v.Findings) != test.changes {
				t.Errorf("%s, %d findings, want %d: %q", v.Decision, len(v.Findings), test.changes, v.lines())
			}
		})
	}
}

func TestRulesToIgnoreFieldsApplyInTheirOrder(t *testing.T) {
	in := recorded(t, "memory")
	w := newWorld(t)
	kind := func(pattern string) *jsondiff.Selector { return &jsondiff.Selector{Kind: pattern} }
	// Which items are left depends on the order.
	for i, pattern := range []string{"Deployment", "Deploy.*", "D.*"} {
		w.owner.Ignore = append(w.owner.Ignore, jsondiff.IgnoreRule{Paths: []string{fmt.Sprintf("/spec/template/spec/containers/0/args/%d", i)}, Selector: kind(pattern)})
	}
	for raw, args := range map[*[]byte][]any{&in.OldObject.Raw: {"0", "1", "2", "3"}, &in.Object.Raw: {"0", "x", "2", "3"}} {
		rewrite(t, raw, func(o *unstructured.Unstructured) {
			container(t, o, func(c map[string]any) { c["args"] = args })
		})
	}
	// In their order they remove 0, 2 and nothing.
	first := verdict(t, in, w)
	for range 20 {
		if next := verdict(t, in, w); next.Message() != first.Message() {
			t.Fatalf("got\n%s\nafter\n%s", next.Message(), first.Message())
		}
	}
}

func TestWhoNamesFieldsDoesNotFloodTheMessage(t *testing.T) {
	in := recorded(t, "custom-resource-added")
	rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) {
		set(t, o, strings.Repeat("é", 1<<20), "spec", "material", strings.Repeat("ü\n", 1<<20))
		set(t, o, map[string]any{"deep": []any{strings.Repeat("x", 1<<20)}}, "spec", "material", "grade")
	})
	v := verdict(t, in, newWorld(t))
	for _, text := range append(v.Warnings(), v.Message(), v.AuditAnnotations()[AuditFields]) {
		if len(text) > 16<<10 {
			t.Errorf("%d bytes begin %q", len(text), text[:200])
		}
	}
	if !strings.Contains(v.Message(), "…") {
		t.Errorf("nothing is cut: %s", v.Message())
	}
}
