package fields_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// set reads a field set as managedFields write it.
func set(t *testing.T, json string) *fieldpath.Set {
	t.Helper()
	s := fieldpath.NewSet()
	if err := s.FromJSON(strings.NewReader(json)); err != nil {
		t.Fatal(err)
	}
	return s
}

// A manager may hold fields of several list items without holding any of the items: then they are children of its
// set and no members.
func TestListsAreReadFromItemsThatNobodyHoldsWhole(t *testing.T) {
	inside := set(t, `{"f:containers":{"k:{\"name\":\"a\"}":{"f:image":{}},"k:{\"name\":\"b\"}":{"f:image":{}},"k:{\"name\":\"c\"}":{"f:image":{}}}}`)
	list := func(image string) map[string]any {
		var items []any
		for _, name := range []string{"a", "b", "c"} {
			items = append(items, map[string]any{"name": name, "image": name + image})
		}
		return map[string]any{"containers": items}
	}
	changes := fields.Diff(list(":1"), list(":2"), fields.NewShape(inside))
	if len(changes) != 3 {
		t.Errorf("%d changes, want one for each item: %v", len(changes), changes)
	}
	left := fields.Remove(list(":1"), inside,
		set(t, `{"f:containers":{"k:{\"name\":\"a\"}":{".":{}},"k:{\"name\":\"b\"}":{".":{}},"k:{\"name\":\"c\"}":{".":{}}}}`))
	containers, _ := left["containers"].([]any)
	if len(containers) != 3 {
		t.Fatalf("left are %v", left)
	}
	for _, item := range containers {
		if m, _ := item.(map[string]any); m["image"] != nil || m["name"] == nil {
			t.Errorf("left is %v, want the name alone", m)
		}
	}
}

func TestSetsWithNullsAreComparedWhole(t *testing.T) {
	shape := fields.NewShape(set(t, `{"f:items":{"v:1":{}}}`))
	one := map[string]any{"items": []any{nil, int64(1)}}
	if changes := fields.Diff(one, one, shape); len(changes) > 0 {
		t.Errorf("a list differs from itself: %v", changes)
	}
	changes := fields.Diff(one, map[string]any{"items": []any{int64(1)}}, shape)
	if len(changes) != 1 || fields.Name(changes[0].Path) != "items" {
		t.Errorf("got %v", changes)
	}
}
