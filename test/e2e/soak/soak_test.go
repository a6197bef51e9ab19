package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

const (
	// apps is how many Kustomizations there are, each with so many ConfigMaps: enough that edits of one object are rare, and
	// so no fight.
	apps, objects = 3, 60
	// editPause is the time between edits.
	editPause = 250 * time.Millisecond
	// glassPause is the time between two openings or closings of BreakGlasses.
	glassPause = 700 * time.Millisecond
	// lastEdits are made when everything else is over, so that the loop alone can undo them.
	lastEdits = 10
	// convergence is how long the loop may take: a lease of a killed leader to end, and what is left of a few fights.
	convergence = 2 * time.Minute
)

// policy has every edit admitted, and undone where nobody breaks glass.
const policy = `{apiVersion: gitops-drift.dev/v1alpha1, kind: EditPolicy, metadata: {name: soak}, spec: {priority: 100, action: Record, restore: true,
breakGlass: {allowed: [{kind: Group, name: oncall}], maxDuration: 1h}}}`

const (
	fluxUser = "system:serviceaccount:flux-system:kustomize-controller"
	loopUser = "system:serviceaccount:flux-system:gitops-drift"
	// turns is how often Flux and the loop may write an object in turn while nobody else does: both may see one edit, and
	// a new revision may come before what it says is built here.
	turns = 3
)

var cluster *harness.Cluster

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(harness.Main(m, func(_ context.Context, started *harness.Cluster) error {
		cluster = started
		return nil
	}))
}

func lasting(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("GITOPS_DRIFT_SOAK")
	if text == "" {
		return 20 * time.Second
	}
	out, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("GITOPS_DRIFT_SOAK: %v", err)
	}
	return out
}

// app is one Kustomization, its repository and its namespace, all of one name.
type app struct {
	key     client.ObjectKey
	repo    *harness.Repo
	version int
}

func (a *app) manifests() string {
	var out strings.Builder
	for i := range objects {
		fmt.Fprintf(&out, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d, namespace: %s, labels: {team: payments}}\ndata: {level: info, version: \"%d\"}\n",
			i, a.key.Name, a.version)
	}
	return out.String()
}

// commit changes git and publishes it; the API server may be down.
func (a *app) commit(ctx context.Context) error {
	a.version++
	if err := a.repo.WriteFile("objects.yaml", a.manifests()); err != nil {
		return err
	}
	if _, err := a.repo.Commit(ctx, fmt.Sprintf("Version %d", a.version)); err != nil {
		return err
	}
	return a.publish(ctx)
}

func (a *app) publish(ctx context.Context) error {
	_, err := cluster.Publish(ctx, harness.Publication{Source: a.key, Dir: a.repo.Dir})
	return err
}

func deploy(ctx context.Context, t *testing.T, name string) *app {
	t.Helper()
	a := &app{key: client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}}
	dir := t.TempDir()
	if err := (&harness.Repo{Dir: dir}).WriteFile("objects.yaml", a.manifests()); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.repo, err = cluster.NewRepo(ctx, dir); err != nil {
		t.Fatal(err)
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&kustomizev1.Kustomization{
			ObjectMeta: metav1.ObjectMeta{Namespace: a.key.Namespace, Name: name},
			Spec: kustomizev1.KustomizationSpec{
				Interval: metav1.Duration{Duration: 10 * time.Hour}, RetryInterval: &metav1.Duration{Duration: time.Second},
				Path: "./", Prune: true, SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: name},
			},
		},
	} {
		if err := cluster.Admin().Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.publish(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Reconcile(ctx, a.key); err != nil {
		t.Fatal(err)
	}
	return a
}

// edit does to a random object what people do. The API server may be down, the object gone.
func edit(ctx context.Context, editor client.Client, random *rand.Rand) error {
	object := randomObject(random)
	patches := []string{
		`{"data":{"level":"debug"}}`, `{"data":{"extra":"by hand"}}`, `{"data":{"version":null}}`, `{"metadata":{"labels":{"team":null}}}`,
		`{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null}}}`,
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if n := random.IntN(len(patches) + 1); n < len(patches) {
		return editor.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patches[n])), client.FieldOwner("kubectl-edit"))
	}
	return editor.Delete(ctx, object)
}

// every does something again and again until ctx ends, and counts how often it was done.
func every(ctx context.Context, group *sync.WaitGroup, pause time.Duration, done *atomic.Int64, do func() error) {
	group.Go(func() {
		for ctx.Err() == nil {
			if do() == nil {
				done.Add(1)
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	})
}

func TestTheClusterEqualsGitAfterAllThatCanHappen(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), lasting(t)+8*time.Minute)
	defer cancel()
	var all []*app
	for i := range apps {
		all = append(all, deploy(ctx, t, fmt.Sprintf("soak-%d", i)))
	}
	// At this level a watch says why it ended.
	first, err := cluster.StartProduct(ctx, "enforce", "--zap-log-level=4")
	if err != nil {
		t.Fatal(err)
	}
	second, err := cluster.StartReplica(ctx, "--zap-log-level=4")
	if err != nil {
		t.Fatal(err)
	}
	if result, err := cluster.Kubectl(ctx, harness.Admin, policy, "apply", "-f-"); err != nil || result.Code != 0 {
		t.Fatal(err, result.Stderr)
	}
	scheme := harness.Scheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	editor, err := client.New(cluster.RESTConfig(harness.OnCall), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	source := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) } //nolint:gosec // Not for secrets.

	storm, calm := context.WithTimeout(ctx, lasting(t))
	defer calm()
	var group sync.WaitGroup
	var edits, commits, requests, kills, broken atomic.Int64
	people, git, flux := source(1), source(2), source(3)
	every(storm, &group, editPause, &edits, func() error { return edit(storm, editor, people) })
	every(storm, &group, 4*time.Second, &commits, func() error { return all[git.IntN(apps)].commit(storm) })
	every(storm, &group, time.Second, &requests, func() error {
		ks := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: all[flux.IntN(apps)].key.Name}}
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, meta.ReconcileRequestAnnotation, time.Now().Format(time.RFC3339Nano))
		return cluster.Admin().Patch(storm, ks, client.RawPatch(types.MergePatchType, patch))
	})
	glasses := source(5)
	every(storm, &group, glassPause, &broken, func() error { return breakGlass(storm, editor, glasses) })
	replicas := []*harness.Instance{first, second}
	worse := chaos(replicas, source(4))
	every(storm, &group, 2*time.Second, &kills, func() error { return worse(ctx) })
	group.Wait()
	happened := fmt.Sprintf("%d edits, %d commits, %d requests to Flux, %d BreakGlasses opened or ended, %d times chaos",
		edits.Load(), commits.Load(), requests.Load(), broken.Load(), kills.Load())
	if edits.Load() == 0 || commits.Load() == 0 || requests.Load() == 0 || broken.Load() == 0 || kills.Load() < 2 {
		t.Fatalf("%s: too little happened", happened)
	}
	t.Log(happened)
	for _, replica := range replicas { // Chaos may have failed halfway.
		select {
		case <-replica.Exited():
			if err := replica.Restart(ctx); err != nil {
				t.Fatal(err)
			}
		default:
		}
	}

	// What a broken commit or publication left out.
	for _, a := range all {
		if err := a.commit(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := cluster.Reconcile(ctx, a.key); err != nil {
			t.Fatal(err)
		}
	}
	givenBack(ctx, t, editor, replicas)
	mark, err := cluster.AuditMark()
	if err != nil {
		t.Fatal(err)
	}
	undone(ctx, t, editor, people, replicas)
	// Once more with a leader that is sure to be watching.
	if err := cluster.ExpireWatches(ctx); err != nil {
		t.Fatal(err)
	}
	undone(ctx, t, editor, people, replicas)
	for _, a := range all {
		if _, err := cluster.Reconcile(ctx, a.key); err != nil {
			t.Fatal(err)
		}
	}
	writes, err := cluster.AuditEventsSince(mark, func(e harness.AuditEvent) bool {
		return e.User.Username == fluxUser && strings.HasPrefix(e.ObjectRef.Namespace, "soak-") && !strings.Contains(e.RequestURI, "dryRun=All")
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range writes {
		t.Errorf("Flux found something to do: %s %s", e.Verb, e.RequestURI)
	}
	givenBack(ctx, t, editor, replicas)
	taking(t)
	expired(t, replicas)
}

// undone makes a few edits, and fails unless the loop undoes them all.
func undone(ctx context.Context, t *testing.T, editor client.Client, people *rand.Rand, replicas []*harness.Instance) {
	t.Helper()
	for range lastEdits {
		if err := edit(ctx, editor, people); err != nil {
			t.Log(err) // the object may be gone for the moment
		}
	}
	began := time.Now()
	for left := differences(ctx, t); len(left) > 0; left = differences(ctx, t) {
		if time.Since(began) > convergence {
			t.Fatalf("after %s there is drift: %v\n%s", convergence, left, logs(t, replicas))
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Logf("in sync after %s", time.Since(began).Round(time.Millisecond))
}

// taking fails where Flux and the loop undid each other.
func taking(t *testing.T) {
	t.Helper()
	events, err := cluster.AuditEvents(func(e harness.AuditEvent) bool {
		done := e.ResponseStatus != nil && e.ResponseStatus.Code < 300
		return done && e.ObjectRef.Resource == "configmaps" && strings.HasPrefix(e.ObjectRef.Namespace, "soak-") && !strings.Contains(e.RequestURI, "dryRun=All")
	})
	if err != nil {
		t.Fatal(err)
	}
	last, taken, restored := map[harness.AuditObject]string{}, map[harness.AuditObject]int{}, 0
	for _, e := range events {
		object := harness.AuditObject{Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name}
		user := e.User.Username
		if strings.Contains(e.RequestURI, "fieldManager="+ownership.HoldManager) {
			continue // by the same account as the loop, and nothing that Flux undoes
		}
		if user == loopUser {
			restored++
		}
		switch before := last[object]; {
		case user != fluxUser && user != loopUser:
			taken[object] = 0
		case before != user && (before == fluxUser || before == loopUser):
			taken[object]++
		}
		last[object] = user
		if taken[object] > turns {
			t.Errorf("Flux and the loop write %s/%s in turn, %d times", object.Namespace, object.Name, taken[object])
		}
	}
	if restored == 0 {
		t.Error("the loop has restored nothing")
	}
	t.Logf("%d writes by the loop", restored)
}

// differences are what drift finds in the whole cluster.
func differences(ctx context.Context, t *testing.T) []string {
	t.Helper()
	config := cluster.RESTConfig(harness.Admin)
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := drift.NewPages(config, cluster.Admin().RESTMapper())
	if err != nil {
		t.Fatal(err)
	}
	scanner := &drift.Scanner{
		Client: cluster.Admin(), Pages: pages, Builder: desired.NewBuilder(cluster.Admin(), desired.NewClusterFetcher()), Concurrency: 2,
		Discovery: kinds, Lister: cluster.Admin(),
	}
	result, err := scanner.Scan(ctx, drift.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Owners) != apps {
		t.Fatalf("%d owners were compared, want %d", len(result.Owners), apps)
	}
	var out []string
	for _, owner := range result.Owners {
		if owner.Err != nil {
			out = append(out, owner.Err.Error())
		}
		for _, unproven := range owner.Unproven {
			out = append(out, unproven.Err.Error())
		}
		for _, f := range owner.Findings {
			out = append(out, fmt.Sprint(f.Kind, " ", f.Object, " ", fields.Name(f.Path)))
		}
	}
	return out
}

// logs is the end of what the replicas said.
func logs(t *testing.T, replicas []*harness.Instance) string {
	t.Helper()
	var out strings.Builder
	for _, replica := range replicas {
		text, err := replica.Log()
		if err != nil {
			t.Error(err)
		}
		out.WriteString(text[max(0, len(text)-3000):])
	}
	return out.String()
}
