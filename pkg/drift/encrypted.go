package drift

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// errEncrypted is said of every object that SOPS encrypted, whatever is found of the rest of it.
var errEncrypted = errors.New("its values are encrypted with SOPS, so they were not compared; its keys, labels and annotations were")

// readable finds what differs between an object that SOPS encrypted and the live one as far as that can be known without
// the key: labels, annotations, and the keys of a Secret.
func readable(want, live *unstructured.Unstructured, managers []ownership.Manager, policy Policy) []Finding {
	var found []Finding
	add := func(path fieldpath.Path, liveValue, desiredValue any) {
		f := newFinding(live, path, liveValue, desiredValue)
		f.attribute(ownership.Kustomization, managers)
		if f.Kind == Added && !takenOver(managers, path, policy) {
			f.Verdict = Persists
		}
		found = append(found, f)
	}
	for _, field := range []string{"labels", "annotations"} {
		is, _, _ := unstructured.NestedStringMap(live.Object, "metadata", field)
		git, _, _ := unstructured.NestedStringMap(want.Object, "metadata", field)
		for _, key := range slices.Sorted(maps.Keys(git)) {
			path := fieldpath.MakePathOrDie("metadata", field, key)
			if v, ok := is[key]; !ok {
				add(path, nil, git[key])
			} else if v != git[key] {
				add(path, v, git[key])
			}
		}
	}
	if want.GetKind() != "Secret" || want.GetAPIVersion() != "v1" {
		return found
	}
	git := map[string]bool{}
	for _, field := range []string{"data", "stringData"} {
		content, _ := want.Object[field].(map[string]any)
		for key := range content {
			// SOPS writes its own keys into the environment files that generators read.
			if !strings.HasPrefix(key, "sops_") {
				git[key] = true
			}
		}
	}
	is, _ := live.Object["data"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(git)) {
		if _, ok := is[key]; !ok {
			add(fieldpath.MakePathOrDie("data", key), nil, redact.Masked)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(is)) {
		if !git[key] {
			add(fieldpath.MakePathOrDie("data", key), redact.Masked, nil)
		}
	}
	return found
}

// takenOver reports whether Flux takes the field over from who added it, and so removes it.
func takenOver(managers []ownership.Manager, path fieldpath.Path, policy Policy) bool {
	own, others := ownership.Split(managers, policy.Takeover)
	return ownership.Holds(own, path) && !ownership.Holds(others, path)
}
