package differential

import (
	"context"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
)

// ignored are rules about fields that git declares and about others, about leaves, maps, lists and items.
var ignored = []kustomizev1.IgnoreRule{
	{Paths: []string{"/metadata/annotations/example.com~1owner"}},
	{Target: &kustomize.Selector{Kind: "Deployment|StatefulSet"}, Paths: []string{
		"/spec/replicas", "/spec/template/spec/containers/0/image", "/spec/template/spec/containers/0/env", "/spec/revisionHistoryLimit",
	}},
	{Target: &kustomize.Selector{Kind: "ConfigMap"}, Paths: []string{"/data/level", "/data/shape"}},
	{Target: &kustomize.Selector{Kind: "Service"}, Paths: []string{"/spec/ports", "/metadata/labels"}},
	{Target: &kustomize.Selector{Kind: "CronJob"}, Paths: []string{"/spec/schedule", "/spec/suspend"}},
	{Target: &kustomize.Selector{Kind: "Widget|Gizmo"}, Paths: []string{"/spec/size", "/spec/free", "/spec/tags", "/spec/parts", "/spec/mode/level"}},
}

// ignorable are edits of fields that the rules name, and of others at the same time.
var ignorable = []edit{
	{name: "a declared field that is ignored", run: patch("deployment/api", "merge", `{"spec":{"replicas":7}}`), persists: true},
	{name: "a declared field that is ignored and another", run: patch("deployment/api", "merge", `{"spec":{"replicas":7,"paused":true}}`), persists: true},
	{name: "a declared field that is ignored, by another applier", run: kubectl("apply", "--server-side", "--force-conflicts",
		"--field-manager=pipeline", "-f", "-"), stdin: serverSide, persists: true},
	{name: "a declared field that is ignored, removed", run: patch("configmap/settings", "json", `[{"op":"remove","path":"/data/level"}]`), persists: true},
	// Flux adopts the absence as a null, of which the API server makes an empty text.
	{name: "a declared field that is ignored, removed, and another changed", run: patch("configmap/settings", "json",
		`[{"op":"remove","path":"/data/level"},{"op":"replace","path":"/data/color","value":"red"}]`)},
	// Flux sees no difference, for its dry-run leaves alone what kubectl added; then it takes that over, and git does not
	// have it.
	{name: "an undeclared field that is ignored", run: patch("configmap/settings", "merge", `{"data":{"shape":"round"}}`)},
	{name: "an undeclared field that is ignored, by a manager that Flux leaves alone", run: patch("configmap/settings", "merge", `{"data":{"shape":"round"}}`, byHand), persists: true},
	{name: "an item in a list that is ignored", run: patch("deployment/api", "strategic", debugEnv)},
	{name: "the image of the first container", run: kubectl("set", "image", "deployment/api", "-n", "shop", "api=registry.example.com/api:9.9"), persists: true},
	{name: "labels that are ignored", run: kubectl("label", "service/api", "-n", "shop", "team=red")},
	{name: "an annotation that is ignored everywhere", run: kubectl("annotate", "--overwrite", "deployment/api", "-n", "shop", "example.com/owner=me"), persists: true},
	{name: "a field that is not ignored", run: patch("deployment/api", "merge", `{"spec":{"minReadySeconds":7}}`)},
	{name: "a set that is ignored", run: patch("widget/main", "merge", `{"spec":{"tags":["a","b","c"]}}`)},
	{name: "a set that is ignored, by a manager that Flux leaves alone", run: patch("widget/main", "merge", `{"spec":{"tags":["a","b","c"]}}`, byHand), persists: true},
}

func TestEditsUnderIgnoreRulesArePredicted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	f := start(ctx, t)
	f.ignore = ignored
	f.kubectl(ctx, t, "", "create", "namespace", "shop")
	f.install(ctx, t, "testdata/crd.yaml")
	f.deploy(ctx, t, "shop", map[string]string{"app.yaml": read(t, "testdata/app.yaml")})
	for _, e := range ignorable {
		t.Run(e.name, func(t *testing.T) {
			defer f.reset(ctx, t)
			f.make(ctx, t, e)
			before := f.snapshot(ctx, t)
			result := f.scan(ctx, t)
			f.reconcile(ctx, t)
			f.reconcile(ctx, t)
			compare(t, e, result, before, f.snapshot(ctx, t))
		})
	}
}
