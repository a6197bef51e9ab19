package differential

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/helmcontroller"
)

func TestPredictionEqualsWhatFluxDoes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	f := start(ctx, t)
	f.kubectl(ctx, t, "", "create", "namespace", "shop")
	f.install(ctx, t, "testdata/crd.yaml")
	f.deploy(ctx, t, "shop", map[string]string{"app.yaml": read(t, "testdata/app.yaml")})
	if n := len(f.scan(ctx, t).Findings); n > 0 {
		t.Fatalf("%d findings right after Flux applied", n)
	}
	for _, e := range edits {
		t.Run(e.name, func(t *testing.T) {
			defer f.reset(ctx, t)
			f.make(ctx, t, e)
			before := f.snapshot(ctx, t)
			result := f.scan(ctx, t)
			// Where managedFields were wiped, the first reconcile only makes the API server note who owns what,
			// and the second one removes what git does not declare.
			f.reconcile(ctx, t)
			f.reconcile(ctx, t)
			after := f.snapshot(ctx, t)
			compare(t, e, result, before, after)
		})
	}
}

// compare demands that the findings to be reverted are the very fields that Flux changed, each to the predicted
// value, and that the others are untouched.
func compare(t *testing.T, e edit, result drift.OwnerResult, before, after map[desired.Key]*unstructured.Unstructured) {
	t.Helper()
	if e.none && len(result.Findings) > 0 || !e.none && len(result.Findings) == 0 {
		t.Errorf("%d findings: %s", len(result.Findings), describe(result.Findings))
	}
	if e.persists != slices.ContainsFunc(result.Findings, func(f drift.Finding) bool { return f.Verdict == drift.Persists }) {
		t.Errorf("persisting findings expected: %t; found: %s", e.persists, describe(result.Findings))
	}
	compareOutcome(t, result, before, after)
}

func compareOutcome(t *testing.T, result drift.OwnerResult, before, after map[desired.Key]*unstructured.Unstructured) {
	t.Helper()
	predicted := map[string]string{}
	for _, f := range result.Findings {
		key := desired.Key{Group: f.Object.Group, Kind: f.Object.Kind, Namespace: f.Object.Namespace, Name: f.Object.Name}
		name := fmt.Sprint(key, " ", fields.Name(f.Path))
		switch f.Verdict {
		case drift.Reverts:
			predicted[name] = fmt.Sprint(f.Desired)
		case drift.Persists:
			was, _ := fields.Get(before[key].Object, f.Path)
			is, _ := fields.Get(after[key].Object, f.Path)
			if !fields.Equal(was, is) {
				t.Errorf("%s was to persist, but Flux made %v of %v", name, is, was)
			}
		case drift.Held:
			t.Errorf("%s: nothing holds Flux off", name)
		}
	}
	done := map[string]string{}
	for key, now := range after {
		was := before[key]
		if was == nil {
			done[fmt.Sprint(key, " ")] = fmt.Sprint(nil)
			continue
		}
		for _, change := range fields.Diff(speaking(was), speaking(now), shapeOf(t, was, now)) {
			if byController(t, now, change.Path) {
				continue
			}
			if key.Kind == "Service" {
				if last := change.Path[len(change.Path)-1].FieldName; last != nil && slices.Contains(chosenByServer, *last) && change.Before == nil {
					continue
				}
				if item, ok := change.After.(map[string]any); ok && change.Before == nil {
					delete(item, "nodePort")
				}
			}
			value := fmt.Sprint(change.After)
			if key.Kind == "Secret" && change.Path[0].FieldName != nil && *change.Path[0].FieldName == "data" {
				value = maskedLike(change)
			}
			done[fmt.Sprint(key, " ", fields.Name(change.Path))] = value
		}
	}
	for name, value := range done {
		if want, ok := predicted[name]; !ok {
			t.Errorf("Flux changed %s to %s, which was not predicted", name, value)
		} else if want != value {
			t.Errorf("%s was predicted to become %s; Flux made it %s", name, want, value)
		}
	}
	for name, value := range predicted {
		if _, ok := done[name]; !ok {
			t.Errorf("%s was predicted to become %s; Flux left it", name, value)
		}
	}
}

// byController reports whether a cluster controller, not Flux, wrote what is at path: a Deployment's revision.
func byController(t *testing.T, object *unstructured.Unstructured, path fieldpath.Path) bool {
	t.Helper()
	managers, err := ownership.Managers(object)
	if err != nil {
		t.Fatal(err)
	}
	last, ok := ownership.Last(managers, ownership.Kustomization, path)
	return ok && last.Name == "kube-controller-manager"
}

// maskedLike is how a finding shows what git has of a Secret.
func maskedLike(change fields.Change) string {
	if change.After == nil {
		return fmt.Sprint(nil)
	}
	return "***"
}

func describe(findings []drift.Finding) string {
	var lines []string
	for _, f := range findings {
		lines = append(lines, fmt.Sprintf("%s/%s %s %v→%v %s by %s", f.Object.Kind, f.Object.Name, fields.Name(f.Path), f.Desired, f.Live, f.Verdict, f.Manager))
	}
	return strings.Join(lines, "; ")
}

// speaking is everything of an object that desired state can speak of.
func speaking(object *unstructured.Unstructured) map[string]any {
	out := object.DeepCopy().Object
	delete(out, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		unstructured.RemoveNestedField(out, "metadata", field)
	}
	// Requests to Flux, and what the API server makes of other fields.
	annotations := object.GetAnnotations()
	for key := range annotations {
		if strings.HasPrefix(key, "reconcile.fluxcd.io/") || strings.HasPrefix(key, "autoscaling.alpha.kubernetes.io/") ||
			key == "deprecated.daemonset.template.generation" {
			unstructured.RemoveNestedField(out, "metadata", "annotations", key)
			delete(annotations, key)
		}
	}
	if len(annotations) == 0 {
		unstructured.RemoveNestedField(out, "metadata", "annotations")
	}
	return out
}

func shapeOf(t *testing.T, objects ...*unstructured.Unstructured) *fields.Shape {
	t.Helper()
	var all [][]ownership.Manager
	for _, object := range objects {
		managers, err := ownership.Managers(object)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, managers)
	}
	return ownership.Shape(all...)
}

type fixture struct {
	cluster *harness.Cluster
	// owner is the Kustomization under test, or the HelmRelease where helm is not nil.
	owner client.ObjectKey
	helm  *helmcontroller.Controller
	// ignore are the rules of the Kustomization.
	ignore  []kustomizev1.IgnoreRule
	scanner *drift.Scanner
	keys    map[desired.Key]*unstructured.Unstructured
}

func start(ctx context.Context, t *testing.T) *fixture {
	t.Helper()
	cluster, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	pages, err := drift.NewPages(cluster.RESTConfig(harness.Admin), cluster.Admin().RESTMapper())
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{
		cluster: cluster,
		scanner: &drift.Scanner{
			Client:      cluster.Admin(),
			Pages:       pages,
			Builder:     desired.NewBuilder(cluster.Admin(), desired.NewClusterFetcher()),
			Concurrency: 4,
		},
		keys: map[desired.Key]*unstructured.Unstructured{},
	}
}

// install applies the CRDs in file and waits until the API server serves them.
func (f *fixture) install(ctx context.Context, t *testing.T, file string) {
	t.Helper()
	f.kubectl(ctx, t, "", "apply", "-f", file)
	f.kubectl(ctx, t, "", "wait", "--for=condition=Established", "-f", file)
}

// deploy makes Flux apply files, by their names, as a Kustomization of this name.
func (f *fixture) deploy(ctx context.Context, t *testing.T, name string, files map[string]string) {
	t.Helper()
	from := t.TempDir()
	for file, manifest := range files {
		if err := os.WriteFile(filepath.Join(from, file), []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	repo, err := f.cluster.NewRepo(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.cluster.Publish(ctx, harness.Publication{Dir: repo.Dir}); err != nil {
		t.Fatal(err)
	}
	f.owner = client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}
	kustomization := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.owner.Namespace, Name: f.owner.Name},
		Spec: kustomizev1.KustomizationSpec{
			Interval:  metav1.Duration{Duration: time.Hour},
			Path:      "./",
			Prune:     true,
			Ignore:    f.ignore,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "flux-system"},
		},
	}
	if err := f.cluster.Admin().Create(ctx, kustomization); err != nil {
		t.Fatal(err)
	}
	f.reconcile(ctx, t)
	if err := f.cluster.Admin().Get(ctx, f.owner, kustomization); err != nil {
		t.Fatal(err)
	}
	state, err := f.scanner.Builder.Build(ctx, kustomization)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range state.Objects {
		f.keys[desired.KeyOf(object.Unstructured)] = object.Unstructured
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (f *fixture) kubectl(ctx context.Context, t *testing.T, stdin string, args ...string) {
	t.Helper()
	result, err := f.cluster.Kubectl(ctx, harness.Admin, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	if result.Code != 0 {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), result.Stderr)
	}
}

func (f *fixture) make(ctx context.Context, t *testing.T, e edit) {
	t.Helper()
	for _, args := range e.run {
		if e.editor == "" {
			f.kubectl(ctx, t, e.stdin, args...)
			continue
		}
		cmd, err := f.cluster.Command(ctx, harness.Admin, "kubectl", args...)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, fmt.Sprintf("KUBE_EDITOR=sed -i -e '%s'", e.editor))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("kubectl edit: %v: %s", err, out)
		}
	}
}

func (f *fixture) reconcile(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := f.tryReconcile(ctx); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) tryReconcile(ctx context.Context) error {
	if f.helm != nil {
		return f.helm.Reconcile(ctx, f.owner)
	}
	_, err := f.cluster.Reconcile(ctx, f.owner)
	return err
}

// kind is that of the owner under test.
func (f *fixture) kind() ownership.Kind {
	if f.helm != nil {
		return ownership.HelmRelease
	}
	return ownership.Kustomization
}

func (f *fixture) scan(ctx context.Context, t *testing.T) drift.OwnerResult {
	t.Helper()
	owner := f.look(ctx, t)
	for _, e := range owner.Unproven {
		t.Fatalf("%s/%s: %v", e.Object.Kind, e.Object.Name, e.Err)
	}
	return owner
}

// look scans, and leaves what could not be proven in the result.
func (f *fixture) look(ctx context.Context, t *testing.T) drift.OwnerResult {
	t.Helper()
	result, err := f.scanner.Scan(ctx, drift.Selection{Owner: ownership.Owner{Kind: f.kind(), Namespace: f.owner.Namespace, Name: f.owner.Name}})
	if err != nil {
		t.Fatal(err)
	}
	owner := result.Owners[0]
	if owner.Err != nil {
		t.Fatal(owner.Err)
	}
	return owner
}

// snapshot reads every desired object as it is now; missing ones are left out.
func (f *fixture) snapshot(ctx context.Context, t *testing.T) map[desired.Key]*unstructured.Unstructured {
	t.Helper()
	out := map[desired.Key]*unstructured.Unstructured{}
	for key, want := range f.keys {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(want.GroupVersionKind())
		err := f.cluster.Admin().Get(ctx, client.ObjectKeyFromObject(want), live)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out[key] = live
	}
	return out
}

// reset replaces every object that carries traces of the edit with a fresh one that Flux makes.
func (f *fixture) reset(ctx context.Context, t *testing.T) {
	t.Helper()
	admin := f.cluster.Admin()
	drifted := map[desired.Key]bool{}
	for _, found := range f.scan(ctx, t).Findings {
		o := found.Object
		drifted[desired.Key{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}] = true
	}
	for key, live := range f.snapshot(ctx, t) {
		managers, err := ownership.Managers(live)
		if err != nil {
			t.Fatal(err)
		}
		foreign := slices.ContainsFunc(managers, func(m ownership.Manager) bool {
			return !ownership.ClusterController(m.Name)
		})
		if !foreign && len(managers) > 0 && !drifted[key] {
			continue
		}
		if len(live.GetFinalizers()) > 0 {
			live.SetFinalizers(nil)
			if err := admin.Update(ctx, live); err != nil {
				t.Fatal(err)
			}
		}
		if err := admin.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
			t.Fatalf("%v: %v", key, err)
		}
	}
	f.reconcile(ctx, t)
	if left := f.scan(ctx, t).Findings; len(left) > 0 {
		t.Fatalf("after the reset: %s", describe(left))
	}
}
