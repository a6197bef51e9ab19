package differential

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/ssa"
	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// The seed of TestRandomEdits and the number of edits that it makes at least.
const (
	seedEnv  = "GITOPS_DRIFT_FUZZ_SEED"
	editsEnv = "GITOPS_DRIFT_FUZZ_EDITS"
)

// copiesOfEach is how many objects of every manifest in testdata/random are there to be edited.
const copiesOfEach = 4

// chain is how many edits one object gets at most before it is reconciled.
const chain = 3

func TestRandomEditsArePredicted(t *testing.T) {
	edited(t, 150, (*fixture).deploy)
}

func TestRandomEditsUnderIgnoreRulesArePredicted(t *testing.T) {
	edited(t, 60, func(f *fixture, ctx context.Context, t *testing.T, name string, files map[string]string) {
		t.Helper()
		f.ignore = ignored
		f.deploy(ctx, t, name, files)
	})
}

// edited makes random edits of what apply, of a fixture, has made Flux apply.
func edited(t *testing.T, edits int, apply func(*fixture, context.Context, *testing.T, string, map[string]string)) {
	t.Helper()
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	seed, target := number(t, seedEnv, 1), number(t, editsEnv, edits)
	t.Logf("seed %d, %d edits (set %s and %s)", seed, target, seedEnv, editsEnv)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+time.Duration(target)*time.Second)
	defer cancel()
	f := start(ctx, t)
	g := newGarden(ctx, t, f, apply)
	counts := map[string]int{}
	for round := 0; counts["edits"] < target; round++ {
		g.round(ctx, t, uint64(seed), uint64(round), counts) //nolint:gosec // any bits make a seed
		t.Logf("round %d: %v", round, counts)
	}
}

func number(t *testing.T, env string, otherwise int) int {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	return n
}

// garden is the cluster with the objects that get edited.
type garden struct {
	*fixture
	// donors are the manifests by kind.
	donors map[string][]map[string]any
	// still are the kinds and names of what is not edited.
	still map[desired.Key]bool
	// pristine are the objects as Flux last made them.
	pristine map[desired.Key]*unstructured.Unstructured
	seed     uint64
	// parent can be owner of all namespaced objects, anchor of the others.
	parent, anchor map[string]any
}

func newGarden(ctx context.Context, t *testing.T, f *fixture, apply func(*fixture, context.Context, *testing.T, string, map[string]string)) *garden {
	t.Helper()
	g := &garden{fixture: f, donors: map[string][]map[string]any{}, still: map[desired.Key]bool{}}
	for _, namespace := range []string{"fuzz", "fuzz-limits"} {
		f.kubectl(ctx, t, "", "create", "namespace", namespace)
	}
	f.kubectl(ctx, t, "", "create", "configmap", "parent", "-n", "fuzz")
	f.kubectl(ctx, t, "", "create", "clusterrole", "fuzz-anchor", "--verb=get", "--resource=pods")
	g.parent = g.reference(ctx, t, "v1", "ConfigMap", "parent")
	g.anchor = g.reference(ctx, t, "rbac.authorization.k8s.io/v1", "ClusterRole", "fuzz-anchor")
	f.install(ctx, t, "testdata/random/crds.yaml")
	files := map[string]string{"still.yaml": read(t, "testdata/random/still.yaml")}
	for _, object := range documents(t, files["still.yaml"]) {
		g.still[desired.KeyOf(object)] = true
	}
	manifests, err := filepath.Glob("testdata/random/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range manifests {
		name := filepath.Base(file)
		if name == "crds.yaml" || name == "still.yaml" {
			continue
		}
		content := read(t, file)
		for _, object := range documents(t, content) {
			g.donors[object.GetKind()] = append(g.donors[object.GetKind()], object.Object)
		}
		files[name] = multiply(content)
	}
	apply(f, ctx, t, "fuzz", files)
	g.fresh(ctx, t)
	return g
}

// multiply writes every document of manifest several times, under names of its own. The manifests name the object
// right after "metadata: {name: ". What is named by its own content stays alone.
func multiply(manifest string) string {
	var out []string
	for _, document := range strings.Split(manifest, "\n---\n") {
		copies := copiesOfEach
		if strings.Contains(document, "kind: CustomResourceDefinition") {
			copies = 1
		}
		before, after, _ := strings.Cut(document, "metadata: {name: ")
		end := strings.IndexAny(after, ",}")
		for i := range copies {
			name := after[:end]
			if copies > 1 {
				name = fmt.Sprintf("%s-%d", name, i)
			}
			out = append(out, before+"metadata: {name: "+name+after[end:])
		}
	}
	return strings.Join(out, "\n---\n")
}

func documents(t *testing.T, manifest string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, document := range strings.Split(manifest, "\n---\n") {
		raw, err := yaml.ToJSON([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(raw); err != nil {
			t.Fatal(err)
		}
		out = append(out, object)
	}
	return out
}

func (g *garden) reference(ctx context.Context, t *testing.T, apiVersion, kind, name string) map[string]any {
	t.Helper()
	owner := &unstructured.Unstructured{}
	owner.SetAPIVersion(apiVersion)
	owner.SetKind(kind)
	key := client.ObjectKey{Name: name}
	if kind == "ConfigMap" {
		key.Namespace = "fuzz"
	}
	if err := g.cluster.Admin().Get(ctx, key, owner); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"apiVersion": apiVersion, "kind": kind, "name": name, "uid": string(owner.GetUID())}
}

// fresh demands that nothing is found of what Flux just applied, and notes how it is.
func (g *garden) fresh(ctx context.Context, t *testing.T) {
	t.Helper()
	if found := g.scan(ctx, t).Findings; len(found) > 0 {
		t.Errorf("right after Flux applied: %s", describe(found))
	}
	g.pristine = g.snapshot(ctx, t)
}

// plot is one object and what happened to it.
type plot struct {
	key             desired.Key
	want            *unstructured.Unstructured
	log             []string
	edits           int
	refused         error
	findings        []drift.Finding
	before          *unstructured.Unstructured
	pristine, after *unstructured.Unstructured
}

func (g *garden) round(ctx context.Context, t *testing.T, seed, round uint64, counts map[string]int) {
	t.Helper()
	g.seed = seed
	plots := g.edit(ctx, t, seed, round)
	g.settle(ctx, t)
	before := g.snapshot(ctx, t)
	g.predict(ctx, t, plots)
	g.withdraw(ctx, t, plots, counts)
	for range 2 {
		if err := g.tryReconcile(ctx); err != nil && !g.mayFail(plots) {
			g.explain(t, err, plots)
		}
	}
	after := g.snapshot(ctx, t)
	for _, p := range plots {
		counts["edits"] += p.edits
		if p.refused != nil && g.helm != nil {
			p.unchanged(t, before[p.key], after[p.key])
		}
		if p.edits == 0 || p.refused != nil {
			continue
		}
		p.pristine, p.before, p.after = g.pristine[p.key], before[p.key], after[p.key]
		for _, f := range p.findings {
			counts[string(f.Verdict)]++
		}
		if problems := p.problems(t, g.kind()); len(problems) > 0 {
			t.Errorf("seed %d, round %d: %s %s/%s after\n  %s\nfindings: %s\n%s", seed, round, p.key.Kind, p.key.Namespace, p.key.Name,
				strings.Join(p.log, "\n  "), describe(p.findings), strings.Join(problems, "\n"))
		}
	}
	g.restore(ctx, t, plots)
}

// explain ends the test with the edits of the object that Flux could not apply.
func (g *garden) explain(t *testing.T, err error, plots map[desired.Key]*plot) {
	t.Helper()
	for key, p := range plots {
		if strings.Contains(err.Error(), key.Kind+"/"+key.Namespace+"/"+key.Name+" apply failed") {
			t.Errorf("seed %d: after\n  %s\nfindings: %s", g.seed, strings.Join(p.log, "\n  "), describe(p.findings))
		}
	}
	t.Fatal(err)
}

// edit edits every object a few times, several objects at a time; what happens to one depends on the seed alone.
func (g *garden) edit(ctx context.Context, t *testing.T, seed, round uint64) map[desired.Key]*plot {
	t.Helper()
	var keys []desired.Key
	for key := range g.keys {
		if !g.still[key] {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b desired.Key) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	plots := map[desired.Key]*plot{}
	var group errgroup.Group
	group.SetLimit(4)
	for i, key := range keys {
		p := &plot{key: key, want: g.keys[key]}
		plots[key] = p
		group.Go(func() error {
			random := rand.New(rand.NewPCG(seed, round<<32|uint64(i))) //nolint:gosec // reproducible on purpose
			want := g.keys[key]
			parent := g.parent
			if want.GetNamespace() != "fuzz" {
				parent = g.anchor
			}
			w := &writer{
				client: g.cluster.Admin(), rand: random, flux: g.kind().Manager(), desired: want, versions: otherVersions(want.GroupVersionKind()),
				mutator: &mutator{rand: random, donors: g.donors[key.Kind], parent: parent},
			}
			for range 1 + random.IntN(chain) {
				what, err := w.edit(ctx)
				if errors.Is(err, errRefused) {
					continue
				}
				if err != nil {
					return fmt.Errorf("%v: %s: %w", key, what, err)
				}
				p.edits++
				p.log = append(p.log, what)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return plots
}

// seenTo are the finalizers of the cluster's own controllers.
var seenTo = []string{
	"kubernetes.io/pvc-protection", "kubernetes.io/pv-protection", "batch.kubernetes.io/job-tracking", "customresourcecleanup.apiextensions.k8s.io",
	metav1.FinalizerDeleteDependents, metav1.FinalizerOrphanDependents,
}

// settle waits until the cluster's own controllers have done with deletions: only what somebody's finalizer holds is
// still terminating.
func (g *garden) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	for {
		pending := false
		for _, live := range g.snapshot(ctx, t) {
			pending = pending || live.GetDeletionTimestamp() != nil && !slices.ContainsFunc(live.GetFinalizers(), func(name string) bool {
				return !slices.Contains(seenTo, name)
			})
		}
		if !pending {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (g *garden) predict(ctx context.Context, t *testing.T, plots map[desired.Key]*plot) {
	t.Helper()
	owner := g.look(ctx, t)
	plot := func(o drift.Object) *plot {
		key := desired.Key{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
		if plots[key] == nil {
			t.Errorf("%s was not edited, but something was found", o)
			return &plot{}
		}
		return plots[key]
	}
	for _, f := range owner.Findings {
		p := plot(f.Object)
		p.findings = append(p.findings, f)
	}
	for _, e := range owner.Unproven {
		plot(e.Object).refused = e.Err
	}
}

// withdraw takes out of the round what the prediction says Flux cannot apply: it would keep Flux from applying the
// others. That it cannot is tried out with the library that Flux applies with.
func (g *garden) withdraw(ctx context.Context, t *testing.T, plots map[desired.Key]*plot, counts map[string]int) {
	t.Helper()
	if g.helm != nil {
		return
	}
	flux := ssa.NewResourceManager(g.cluster.Admin(), nil, ssa.Owner{Field: ownership.KustomizeManager, Group: ownership.KustomizeGroup})
	options := ssa.DefaultApplyOptions()
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: ownership.StrippedAnnotations(), Labels: ownership.StrippedLabels(), FieldManagers: ownership.Takeover(nil),
		Exclusions: map[string]string{ownership.SSA: ownership.Merge},
	}
	options.DriftIgnoreRules = drift.PolicyOf(&kustomizev1.Kustomization{Spec: kustomizev1.KustomizationSpec{Ignore: g.ignore}}, nil).Ignore
	for key, p := range plots {
		if p.refused == nil {
			continue
		}
		counts["cannot be applied"]++
		if _, err := flux.Apply(ctx, g.keys[key].DeepCopy(), options); err == nil {
			t.Errorf("seed %d: %v could not be predicted (%v), but Flux can apply it, after\n  %s", g.seed, key, p.refused, strings.Join(p.log, "\n  "))
		}
		g.renew(ctx, t, key)
	}
}

// renew puts an object back as it was.
func (g *garden) renew(ctx context.Context, t *testing.T, key desired.Key) {
	t.Helper()
	admin := g.cluster.Admin()
	live := g.keys[key].DeepCopy()
	err := admin.Get(ctx, client.ObjectKeyFromObject(live), live)
	if apierrors.IsNotFound(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if definition(live) {
		g.rewrite(ctx, t, live, g.pristine[key])
		return
	}
	if len(live.GetFinalizers()) > 0 {
		if err := admin.Patch(ctx, live, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
	if err := admin.Delete(ctx, live, client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
		t.Fatalf("%v: %v", key, err)
	}
}

// rewrite gives an object that cannot be deleted its old content and then its old managers.
func (g *garden) rewrite(ctx context.Context, t *testing.T, live, old *unstructured.Unstructured) {
	t.Helper()
	for range 2 {
		// A controller may report on it meanwhile.
		err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			fresh := live.DeepCopy()
			if err := g.cluster.Admin().Get(ctx, client.ObjectKeyFromObject(live), fresh); err != nil {
				return err
			}
			object := old.DeepCopy()
			object.SetResourceVersion(fresh.GetResourceVersion())
			return g.cluster.Admin().Update(ctx, object)
		})
		if err != nil {
			t.Fatalf("%s %s: %v", live.GetKind(), live.GetName(), err)
		}
	}
}

// restore makes Flux apply every edited object afresh.
func (g *garden) restore(ctx context.Context, t *testing.T, plots map[desired.Key]*plot) {
	t.Helper()
	for key, p := range plots {
		if p.edits > 0 {
			g.renew(ctx, t, key)
		}
	}
	g.settle(ctx, t)
	if g.helm != nil {
		g.corrected(ctx, t)
	} else {
		g.reconcile(ctx, t)
	}
	g.fresh(ctx, t)
}

// problems compares the findings with what was edited, and with what Flux did.
func (p *plot) problems(t *testing.T, kind ownership.Kind) []string {
	t.Helper()
	if p.before == nil {
		if len(p.findings) != 1 || p.findings[0].Kind != drift.Missing {
			return []string{"it was deleted, and must be missing"}
		}
		if p.after == nil && p.findings[0].Verdict == drift.Reverts {
			return []string{"Flux did not make it again"}
		}
		return nil
	}
	if p.after == nil {
		return []string{"it is gone afterwards"}
	}
	if p.before.GetDeletionTimestamp() != nil {
		// Whoever holds it says when it goes; then Flux makes a new one.
		return p.unreported(t, kind)
	}
	return append(p.unreported(t, kind), p.mispredicted(t)...)
}

// unreported are the edited fields that no finding tells of, though git declares them or somebody owns them.
func (p *plot) unreported(t *testing.T, kind ownership.Kind) []string {
	t.Helper()
	declares, err := ownership.Managers(p.pristine)
	if err != nil {
		t.Fatal(err)
	}
	managers, err := ownership.Managers(p.before)
	if err != nil {
		t.Fatal(err)
	}
	declared, _ := ownership.Declared(declares, kind)
	var out []string
	for _, change := range fields.DiffNulls(speaking(p.pristine), speaking(p.before), shapeOf(t, p.pristine, p.before)) {
		_, wanted := fields.Lookup(p.want.Object, change.Path)
		counts := ownership.Holds(declared, change.Path) && (wanted || kind == ownership.Kustomization) || slices.ContainsFunc(managers, func(m ownership.Manager) bool {
			return !m.ClusterController() && ownership.Holds(m.Fields, change.Path)
		})
		told := slices.ContainsFunc(p.findings, func(f drift.Finding) bool {
			n := min(len(f.Path), len(change.Path))
			return f.Path[:n].Equals(change.Path[:n])
		})
		if counts && !told && !p.byOthers(t, change.Path) && !lessOfDefaults(change) {
			out = append(out, fmt.Sprintf("not reported: %s was %v and is %v", fields.Name(change.Path), change.Before, change.After))
		}
	}
	return out
}

// lessOfDefaults reports whether a map has lost some of what it had: git declares such a map as a whole only where it is
// empty there, so that all it had were defaults, which nobody brings back.
func lessOfDefaults(change fields.Change) bool {
	before, ok := change.Before.(map[string]any)
	after, stays := change.After.(map[string]any)
	if !ok || !stays || len(after) == 0 || len(after) >= len(before) {
		return false
	}
	for name, v := range after {
		if !fields.Equal(before[name], v) {
			return false
		}
	}
	return true
}

// mispredicted are the differences between what the findings make of the edited object and what Flux made of it.
func (p *plot) mispredicted(t *testing.T) []string {
	t.Helper()
	var out []string
	var expected any = speaking(p.before)
	for _, f := range p.findings {
		if f.Path == nil {
			return []string{"it is not missing"}
		}
		switch f.Verdict {
		case drift.Reverts:
			expected = fields.With(expected, f.Path, p.known(f))
		case drift.Persists:
			was, _ := fields.Lookup(p.before.Object, f.Path)
			is, _ := fields.Lookup(p.after.Object, f.Path)
			if !reflect.DeepEqual(was, is) {
				out = append(out, fmt.Sprintf("%s was to persist, but Flux made %v of %v", fields.Name(f.Path), is, was))
			}
		}
	}
	known := 0
	expected = plain(expected)
	for _, change := range fields.DiffNulls(expected, speaking(p.after), shapeOf(t, p.before, p.after)) {
		if p.byOthers(t, change.Path) || sameItems(change.Before, change.After) || p.emptied(change) || p.chosen(change) {
			known++
			continue
		}
		out = append(out, fmt.Sprintf("%s was predicted to become %v; Flux made it %v", fields.Name(change.Path), change.Before, change.After))
	}
	// The same without pkg/fields, whose mistakes would hide on both sides.
	if known == 0 && len(out) == 0 && len(places(p.before.Object, isEmpty))+len(places(p.after.Object, isEmpty)) == 0 && !reflect.DeepEqual(expected, any(speaking(p.after))) {
		out = append(out, fmt.Sprintf("what was predicted differs from what Flux made:\n  %v\n  %v", expected, speaking(p.after)))
	}
	return out
}

// plain writes nulls as JSON has them.
func plain(v any) any {
	switch x := v.(type) {
	case fields.Null:
		return nil
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, inner := range x {
			out[k] = plain(inner)
		}
		return out
	case []any:
		out := make([]any, 0, len(x))
		for _, inner := range x {
			out = append(out, plain(inner))
		}
		return out
	}
	return v
}

// byOthers reports whether somebody else than Flux wrote what is at path meanwhile: a cluster controller, or a person's
// request to reconcile, which is no drift and is not reported.
func (p *plot) byOthers(t *testing.T, path fieldpath.Path) bool {
	t.Helper()
	name := fields.Name(path)
	return byController(t, p.after, path) || strings.Contains(name, "reconcile.fluxcd.io/") ||
		// An HPA's status, as version 1 shows it, and a count that the API server keeps.
		// Of an object whose managedFields were wiped nobody knows who wrote it.
		len(p.after.GetManagedFields()) == 0 && strings.Contains(name, "deployment.kubernetes.io/revision") ||
		strings.Contains(name, "autoscaling.alpha.kubernetes.io/") || strings.Contains(name, "deprecated.daemonset.template.generation")
}

// known is what the finding predicts, with those values filled in that nobody can know: Secrets', which are
// masked, and those that the API server chooses when it stores a Service.
func (p *plot) known(f drift.Finding) any {
	actual, _ := fields.Get(p.after.Object, f.Path)
	if f.Desired == nil || actual == nil {
		return f.Desired
	}
	if strings.Contains(fmt.Sprint(f.Desired), "***") {
		return actual
	}
	if p.key.Kind == "Service" {
		return allocated(f.Path, f.Desired, actual)
	}
	return f.Desired
}

// chosenByServer are the fields of a Service that the API server chooses.
var chosenByServer = []string{"clusterIP", "clusterIPs", "ipFamilies", "nodePort", "healthCheckNodePort"}

// allocated is what is predicted of a Service with what nobody can predict of it filled in.
func allocated(path fieldpath.Path, want, actual any) any {
	if last := path[len(path)-1].FieldName; last != nil && slices.Contains(chosenByServer, *last) {
		return actual
	}
	out := clone(want)
	if item, ok := out.(map[string]any); ok && path[len(path)-1].Key != nil {
		if port := at(actual, place{"nodePort"}); port != nil {
			item["nodePort"] = port
		}
	}
	return out
}

// chosen reports whether the API server chose what was not there before, as nobody asked for any.
func (p *plot) chosen(change fields.Change) bool {
	last := change.Path[len(change.Path)-1].FieldName
	if p.key.Kind != "Service" || change.Before != nil || last == nil || !slices.Contains(chosenByServer, *last) {
		return false
	}
	_, asked := fields.Lookup(p.want.Object, change.Path)
	_, had := fields.Lookup(p.before.Object, change.Path)
	return !asked && !had
}

// emptied reports whether nothing but empty maps and lists is left of what was predicted to lose all it has.
func (p *plot) emptied(change fields.Change) bool {
	return change.Before == nil && hollow(change.After) && slices.ContainsFunc(p.findings, func(f drift.Finding) bool {
		return f.Kind == drift.Added && len(f.Path) > len(change.Path) && f.Path[:len(change.Path)].Equals(change.Path)
	})
}

// hollow reports whether v has no value but empty maps and lists.
func hollow(v any) bool {
	leaves := places(v, func(_ place, v any) bool {
		switch x := v.(type) {
		case map[string]any, []any:
			return false
		default:
			return x != nil
		}
	})
	scalar := false
	switch v.(type) {
	case map[string]any, []any:
	default:
		scalar = v != nil
	}
	return len(leaves) == 0 && !scalar
}

// sameItems reports whether both are lists of the same items: a restored item is not predicted to be at its old place.
func sameItems(a, b any) bool {
	x, xok := a.([]any)
	y, yok := b.([]any)
	if !xok || !yok || len(x) != len(y) {
		return false
	}
	return !slices.ContainsFunc(x, func(item any) bool {
		return !slices.ContainsFunc(y, func(other any) bool { return fields.Equal(item, other) })
	})
}

func isEmpty(_ place, v any) bool {
	switch x := v.(type) {
	case map[string]any:
		return len(x) == 0
	case []any:
		return len(x) == 0
	}
	return v == nil
}
