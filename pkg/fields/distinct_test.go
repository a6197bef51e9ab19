package fields_test

import (
	"reflect"
	"testing"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

func TestItemsThatRepeatOneBeforeThemAreLeftOut(t *testing.T) {
	shape := fields.NewShape(set(t, `{"f:finalizers":{"v:\"lock\"":{}},"f:spec":{"f:env":{"k:{\"name\":\"A\"}":{"f:value":{}}}},"f:atomic":{}}`))
	a, b := map[string]any{"name": "A", "value": "1"}, map[string]any{"name": "B"}
	root := map[string]any{
		"finalizers": []any{"lock", "other", "lock"},
		"spec":       map[string]any{"env": []any{a, b, map[string]any{"name": "A", "value": "2"}, "odd", "odd"}},
		"atomic":     []any{"x", "x"}, "unknown": []any{a, a},
	}
	want := map[string]any{
		"finalizers": []any{"lock", "other"},
		"spec":       map[string]any{"env": []any{a, b, "odd", "odd"}},
		"atomic":     []any{"x", "x"}, "unknown": []any{a, a},
	}
	if got := fields.Distinct(root, shape); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if len(root["finalizers"].([]any)) != 3 { //nolint:forcetypeassert // as above
		t.Error("the object itself is changed")
	}
}
