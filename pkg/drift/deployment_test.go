package drift

import (
	"fmt"
	"testing"

	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func object(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	out := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &out.Object); err != nil {
		t.Fatal(err)
	}
	return out
}

const desiredDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop, labels: {tier: web}}
spec:
  replicas: 2
  args: [a, b]
  containers: [{name: api, image: "api:1"}]
`

const fluxEntry = `{manager: kustomize-controller, operation: Apply, fieldsV1: {"f:metadata": {"f:labels": {"f:tier": {}}}, "f:spec": {
  "f:replicas": {}, "f:args": {}, "f:containers": {'k:{"name":"api"}': {".": {}, "f:name": {}, "f:image": {}}}}}}`

// liveDeployment is what Flux made of desiredDeployment, with what the API server filled in and more entries of
// managedFields, and then changed.
func liveDeployment(t *testing.T, change func(live map[string]any), entries ...string) *unstructured.Unstructured {
	t.Helper()
	manifest := `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
  namespace: shop
  uid: "1"
  labels: {tier: web}
  annotations: {deployment.kubernetes.io/revision: "1"}
  managedFields:
  - ` + fluxEntry + "\n"
	for _, entry := range entries {
		manifest += "  - " + entry + "\n"
	}
	manifest += `
spec:
  replicas: 2
  args: [a, b]
  containers: [{name: api, image: "api:1", imagePullPolicy: IfNotPresent}]
  progressDeadlineSeconds: 600
status: {replicas: 2}
`
	live := object(t, manifest)
	if change != nil {
		change(live.Object)
	}
	return live
}

// set returns a change of one field.
func set(value any, path ...string) func(map[string]any) {
	return func(live map[string]any) {
		if value == nil {
			unstructured.RemoveNestedField(live, path...)
		} else if err := unstructured.SetNestedField(live, value, path...); err != nil {
			panic(err)
		}
	}
}

// The iterators of field sets panic where a loop over them is left; the cases cover that too.
func TestSettledOnlyWhereNothingCanHappen(t *testing.T) {
	const annotated = `{manager: %s, operation: Update, fieldsV1: {"f:metadata": {"f:annotations": {"f:note": {}}}}}`
	takeover := ownership.Takeover(nil)
	without := func(entry int) func(map[string]any) {
		return func(live map[string]any) {
			metadata := live["metadata"].(map[string]any)
			entries := metadata["managedFields"].([]any)
			metadata["managedFields"] = append(append([]any{}, entries[:entry]...), entries[entry+1:]...)
		}
	}
	tests := []struct {
		name    string
		change  func(live map[string]any)
		entries []string
		desired string
		// merge: nobody is taken over from.
		merge bool
		want  bool
	}{
		{name: "as Flux left it", want: true},
		{name: "a declared value changed", change: set(int64(3), "spec", "replicas")},
		{name: "a declared value removed", change: set(nil, "spec", "replicas")},
		{name: "a declared label removed", change: set(nil, "metadata", "labels", "tier")},
		{name: "all labels removed", change: set(nil, "metadata", "labels")},
		{name: "a list grew", change: set([]any{"a", "b", "c"}, "spec", "args")},
		{name: "a list shrank", change: set([]any{"a"}, "spec", "args")},
		{name: "a list in another order", change: set([]any{"b", "a"}, "spec", "args")},
		{name: "an item added to a keyed list", change: set([]any{map[string]any{"name": "api", "image": "api:1"}, map[string]any{"name": "debug"}}, "spec", "containers")},
		{name: "an item's field changed", change: set([]any{map[string]any{"name": "api", "image": "api:2"}}, "spec", "containers")},
		{name: "a map became a scalar", change: set("x", "spec", "containers")},
		{name: "status changed", change: set(int64(0), "status", "replicas"), want: true},
		{name: "Flux has no entry", change: without(0)},
		{name: "git no longer declares what Flux's entry does", desired: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop, labels: {tier: web}}
spec: {args: [a, b], containers: [{name: api, image: "api:1"}]}
`},
		{name: "git declares more, and it is live already", desired: desiredDeployment + "  progressDeadlineSeconds: 600\n", want: true},
		{name: "git declares more, with another value", desired: desiredDeployment + "  progressDeadlineSeconds: 60\n"},
		{name: "git declares null", desired: desiredDeployment + "  paused: null\n", want: true},
		{name: "kubectl holds something beyond Flux", entries: []string{fmt.Sprintf(annotated, "kubectl-annotate")}},
		{name: "kubectl holds something beyond Flux, but is not taken over from", entries: []string{fmt.Sprintf(annotated, "kubectl-annotate")}, merge: true, want: true},
		{name: "somebody whom Flux leaves alone holds something", entries: []string{fmt.Sprintf(annotated, "pipeline")}, want: true},
		{name: "kubectl holds nothing beyond Flux", entries: []string{`{manager: kubectl, operation: Apply, fieldsV1: {"f:spec": {"f:replicas": {}}}}`}, want: true},
		{name: "kubectl scaled to the same number", entries: []string{`{manager: kubectl, operation: Update, subresource: scale, fieldsV1: {"f:spec": {"f:replicas": {}}}}`}, want: true},
		{name: "a last-applied annotation, which Flux strips", change: set("{}", "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")},
		{name: "a last-applied annotation, which stays without a takeover", change: set("{}", "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"), merge: true, want: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			manifest := test.desired
			if manifest == "" {
				manifest = desiredDeployment
			}
			live := liveDeployment(t, test.change, test.entries...)
			managers, err := ownership.Managers(live)
			if err != nil {
				t.Fatal(err)
			}
			from := takeover
			if test.merge {
				from = []ssa.FieldManager{}
			}
			if got := Settled(object(t, manifest), live, managers, from); got != test.want {
				t.Errorf("settled is %t", got)
			}
		})
	}
}
