package drift

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func TestWhatHoldsFluxOffIsOneFinding(t *testing.T) {
	const key = "kustomize.toolkit.fluxcd.io/ssa"
	object := func(in string, metadata map[string]any) *unstructured.Unstructured {
		content := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}}
		if metadata != nil {
			content["metadata"].(map[string]any)[in] = metadata
		}
		return &unstructured.Unstructured{Object: content}
	}
	for _, test := range []struct {
		name, in   string
		want, live map[string]any
		// found is what was found of the whole map as a field.
		found          any
		kinds, holders []string
		drift          bool
	}{
		{name: "nothing", in: "labels", want: map[string]any{key: "Merge"}, live: map[string]any{key: "Merge"}},
		{name: "a live label", in: "labels", live: map[string]any{key: "ignore"}, kinds: []string{"OptedOut"}, holders: []string{"the object says " + key + "=ignore"}, drift: true},
		{name: "a live annotation that was found with its map", in: "annotations", live: map[string]any{key: "Ignore"}, found: map[string]any{key: "Ignore"},
			kinds: []string{"OptedOut"}, holders: []string{"the object says " + key + "=Ignore"}, drift: true},
		{name: "one of two that were found with their map", in: "annotations", live: map[string]any{key: "Ignore", "a": "b"},
			found: map[string]any{key: "Ignore", "a": "b"}, kinds: []string{"Added", "OptedOut"}, holders: []string{"", "the object says " + key + "=Ignore"}, drift: true},
		{name: "in git and live", in: "annotations", want: map[string]any{key: "Ignore"}, live: map[string]any{key: "Ignore"},
			kinds: []string{"OptedOut"}, holders: []string{"the object says " + key + "=Ignore"}},
		{name: "in git alone", in: "annotations", want: map[string]any{key: "Ignore"}, kinds: []string{"OptedOut"}, holders: []string{"git says " + key + "=Ignore"}},
		{name: "otherwise in git", in: "annotations", want: map[string]any{key: "Merge"}, live: map[string]any{key: "Ignore"},
			kinds: []string{"OptedOut"}, holders: []string{"the object says " + key + "=Ignore"}, drift: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, live := object(test.in, test.want), object(test.in, test.live)
			var before []Finding
			if test.found != nil {
				before = []Finding{newFinding(live, optOuts(ownership.Kustomization, live)[0].path[:2], test.found, nil)}
			}
			found := withOptOuts(ownership.Kustomization, before, want, live, nil, Policy{})
			if len(found) != len(test.kinds) {
				t.Fatalf("got %+v", found)
			}
			for i, f := range found {
				if string(f.Kind) != test.kinds[i] || f.Holder != test.holders[i] {
					t.Errorf("got %s %s held by %q", f.Kind, fields.Name(f.Path), f.Holder)
				}
				if f.Kind == OptedOut && f.Drift() != test.drift {
					t.Errorf("it is drift: %t", f.Drift())
				}
				if left, _ := f.Live.(map[string]any); f.Kind == Added && (len(left) != 1 || left["a"] != "b") {
					t.Errorf("of the map is left %v", f.Live)
				}
			}
		})
	}
}
