package differential

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/go-logr/logr"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/helmcontroller"
)

// The edits that are tried on what a Kustomization manages, on what a HelmRelease does: with drift detection Flux undoes
// what the manifest declares and nothing else.
func TestPredictionEqualsWhatFluxDoesForAHelmRelease(t *testing.T) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	f := start(ctx, t)
	f.kubectl(ctx, t, "", "create", "namespace", "shop")
	f.install(ctx, t, "testdata/crd.yaml")
	f.release(ctx, t, "shop", map[string]string{"app.yaml": read(t, "testdata/app.yaml")})
	if found := f.scan(ctx, t).Findings; len(found) > 0 {
		t.Fatalf("right after Flux applied: %s", describe(found))
	}
	for _, batch := range batches(t, edits) {
		var names []string
		for _, e := range batch {
			names = append(names, e.name)
		}
		t.Run(strings.Join(names, "+"), func(t *testing.T) {
			defer f.reset(ctx, t)
			for _, e := range batch {
				f.make(ctx, t, e)
			}
			before := f.snapshot(ctx, t)
			result := f.scan(ctx, t)
			f.reconcile(ctx, t)
			compareOutcome(t, result, before, f.snapshot(ctx, t))
		})
	}
}

// batches puts edits of different objects together, to save time.
func batches(t *testing.T, edits []edit) [][]edit {
	t.Helper()
	var out [][]edit
	made := map[string]int{}
	for _, e := range edits {
		if e.kustomization {
			continue
		}
		object := target.FindString(strings.Join(e.run[0], " "))
		if object == "" { // Applied or replaced from stdin.
			first := documents(t, e.stdin)[0]
			object = strings.ToLower(first.GetKind()) + "/" + first.GetName()
		}
		if made[object] == len(out) {
			out = append(out, nil)
		}
		out[made[object]] = append(out[made[object]], e)
		made[object]++
	}
	return out
}

// target finds the object in kubectl's arguments.
var target = regexp.MustCompile(`\b[a-z]+/[a-z]+\b`)

// modeEnv is the mode of drift detection under TestRandomEditsOfAReleaseArePredicted.
const modeEnv = "GITOPS_DRIFT_FUZZ_MODE"

func TestRandomEditsOfAReleaseArePredicted(t *testing.T) {
	edited(t, 100, (*fixture).release)
}

// corrected makes Flux correct everything once, whatever its mode of drift detection.
func (f *fixture) corrected(ctx context.Context, t *testing.T) {
	t.Helper()
	hr := &helmv2.HelmRelease{}
	if err := f.cluster.Admin().Get(ctx, f.owner, hr); err != nil {
		t.Fatal(err)
	}
	mode := hr.GetDriftDetection().GetMode()
	set := func(mode helmv2.DriftDetectionMode) {
		patch := client.MergeFrom(hr.DeepCopy())
		hr.Spec.DriftDetection.Mode = mode
		if err := f.cluster.Admin().Patch(ctx, hr, patch); err != nil {
			t.Fatal(err)
		}
	}
	set(helmv2.DriftDetectionEnabled)
	f.reconcile(ctx, t)
	set(mode)
	f.reconcile(ctx, t)
}

// mayFail reports whether Flux is expected to fail. Of a HelmRelease it corrects all that it can.
func (g *garden) mayFail(plots map[desired.Key]*plot) bool {
	for _, p := range plots {
		if p.refused != nil && g.helm != nil {
			return true
		}
	}
	return false
}

// unchanged demands that Flux failed, as was predicted.
func (p *plot) unchanged(t *testing.T, before, after *unstructured.Unstructured) {
	t.Helper()
	if before.GetResourceVersion() != after.GetResourceVersion() && len(fields.Diff(speaking(before), speaking(after), nil)) > 0 {
		t.Errorf("%v could not be predicted (%v), but Flux changed it, after\n  %s", p.key, p.refused, strings.Join(p.log, "\n  "))
	}
}

// release makes Flux release a chart of these templates.
func (f *fixture) release(ctx context.Context, t *testing.T, name string, templates map[string]string) {
	t.Helper()
	config, err := f.cluster.PodConfig(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: "helm-controller"})
	if err != nil {
		t.Fatal(err)
	}
	f.helm, err = helmcontroller.New(config, f.cluster.Admin().Scheme(), func(name, version string) (*chart.Chart, error) {
		out := &chart.Chart{Metadata: &chart.Metadata{APIVersion: "v2", Name: name, Version: version}}
		for file, content := range templates {
			content = strings.ReplaceAll(content, "[x, y, z]", `[x, why, z]`) // What Helm writes after a post-renderer reads y as true.
			out.Templates = append(out.Templates, &common.File{Name: "templates/" + file, Data: []byte(content)})
		}
		return out, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.owner = client.ObjectKey{Namespace: name, Name: name}
	mode := helmv2.DriftDetectionMode(os.Getenv(modeEnv))
	if mode == "" {
		mode = helmv2.DriftDetectionEnabled
	}
	hr := &helmv2.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.owner.Namespace, Name: f.owner.Name},
		Spec: helmv2.HelmReleaseSpec{
			Interval: metav1.Duration{Duration: time.Hour},
			Chart: &helmv2.HelmChartTemplate{Spec: helmv2.HelmChartTemplateSpec{
				Chart: "shop", Version: "1.0.0", SourceRef: helmv2.CrossNamespaceObjectReference{Kind: "HelmRepository", Name: "charts"},
			}},
			Install:        &helmv2.Install{DisableWait: true},
			DriftDetection: &helmv2.DriftDetection{Mode: mode},
		},
	}
	if err := f.cluster.Admin().Create(ctx, hr); err != nil {
		t.Fatal(err)
	}
	f.reconcile(ctx, t)
	if err := f.cluster.Admin().Get(ctx, f.owner, hr); err != nil {
		t.Fatal(err)
	}
	state, err := f.scanner.Builder.BuildRelease(ctx, hr)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range state.Objects {
		f.keys[desired.KeyOf(object.Unstructured)] = object.Unstructured
	}
}
