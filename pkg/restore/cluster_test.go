package restore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/restore"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// The one cluster, loop and manager of all tests; each test has a namespace and a Kustomization of its own.
var (
	cluster  *harness.Cluster
	store    = &desired.Store{}
	loop     *restore.Loop
	logged   log
	measured = prometheus.NewRegistry()
	// forbidden are the owners whose objects policy leaves alone.
	forbidden sync.Map
	// additions are the owners whose objects' additions do not stay.
	additions sync.Map
)

// loopUser is who the loop writes as; nobody else does during the tests, for people use kubectl as OnCall.
const loopUser = string(harness.Admin)

const fluxUser = "system:serviceaccount:flux-system:kustomize-controller"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if cluster, err = harness.Start(context.Background(), harness.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := context.WithCancel(context.Background())
	ended, err := startLoop(ctx)
	code := 1
	if err == nil {
		code = m.Run()
	}
	stop()
	if ended != nil {
		err = errors.Join(err, <-ended)
	}
	if err = errors.Join(err, cluster.Stop()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// startLoop runs the loop in a manager, and beside it a controller that keeps the store up to date.
func startLoop(ctx context.Context) (<-chan error, error) {
	ctrl.SetLogger(logr.Discard())
	manager, err := ctrl.NewManager(cluster.RESTConfig(harness.Admin), ctrl.Options{
		Scheme: harness.Scheme(), Metrics: server.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.ConfigMap{}, &corev1.Secret{}}}},
	})
	if err != nil {
		return nil, err
	}
	loop, err = restore.New(restore.Options{
		Config: manager.GetConfig(), Mapper: manager.GetRESTMapper(), Owners: manager.GetCache(), Desired: store,
		Allowed: func(owner ownership.Owner, _ desired.Key) bool {
			_, no := forbidden.Load(owner.Name)
			return !no
		},
		Additions: func(owner ownership.Owner, _ desired.Key) restore.Additions {
			rule, _ := additions.Load(owner.Name)
			out, _ := rule.(restore.Additions)
			return out
		},
		Metrics: measured, Log: funcr.New(logged.write, funcr.Options{}),
		Recorder: manager.GetEventRecorder("gitops-drift"),
	})
	if err != nil {
		return nil, err
	}
	if err := manager.Add(loop); err != nil {
		return nil, err
	}
	builder := desired.NewBuilder(manager.GetClient(), desired.NewClusterFetcher())
	err = ctrl.NewControllerManagedBy(manager).For(&kustomizev1.Kustomization{}).Complete(
		reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
			return reconcile.Result{}, build(ctx, manager.GetClient(), builder, request.NamespacedName)
		}))
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	if !manager.GetCache().WaitForCacheSync(ctx) {
		return ended, errors.New("the manager's cache does not start")
	}
	return ended, nil
}

// build keeps the store's state of one Kustomization up to date.
func build(ctx context.Context, c client.Client, builder *desired.Builder, key client.ObjectKey) error {
	owner := ownership.Owner{Kind: ownership.Kustomization, Namespace: key.Namespace, Name: key.Name}
	ks := &kustomizev1.Kustomization{}
	if err := c.Get(ctx, key, ks); apierrors.IsNotFound(err) {
		store.Delete(owner)
		return nil
	} else if err != nil {
		return err
	}
	latest := ks.Status.History.Latest()
	if ks.Status.LastAppliedRevision == "" || latest == nil {
		return nil
	}
	if old, ok := store.State(owner); ok && old.Revision == ks.Status.LastAppliedRevision && old.Generation == ks.Generation &&
		old.Digest == latest.Digest {
		return nil
	}
	if _, no := unbuildable.Load(key.Name); no {
		store.Delete(owner)
		return nil
	}
	state, err := builder.Build(ctx, ks)
	if err != nil {
		return err
	}
	return store.Set(state)
}

// log keeps the lines of the loop.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) write(prefix, args string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, prefix+args)
}

// about returns the lines that hold all words.
func (l *log) about(words ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
next:
	for _, line := range l.lines {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// app is one applied Kustomization with a repository and namespace of its own.
type app struct {
	*testing.T
	ctx  context.Context
	name string
	repo *harness.Repo
	key  client.ObjectKey
}

// deploy publishes files, has Flux apply them, and waits until the loop knows the state. $NS in the files is the
// namespace, which is named as the Kustomization. Changes are made to the Kustomization before it is created.
func deploy(t *testing.T, name string, files map[string]string, changes ...func(*kustomizev1.Kustomization)) *app {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	a := &app{T: t, ctx: ctx, name: name, key: client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}}
	var err error
	if a.repo, err = cluster.NewRepo(ctx, a.folder(files)); err != nil {
		t.Fatal(err)
	}
	if _, own := files["namespace.yaml"]; !own {
		if err := cluster.Admin().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	ks := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.key.Namespace, Name: name},
		Spec: kustomizev1.KustomizationSpec{
			Interval: metav1.Duration{Duration: time.Hour}, Path: "./", Prune: true,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: name},
		},
	}
	for _, change := range changes {
		change(ks)
	}
	if err := cluster.Admin().Create(ctx, ks); err != nil {
		t.Fatal(err)
	}
	a.publish()
	a.reconcile()
	return a
}

func (a *app) folder(files map[string]string) string {
	a.Helper()
	dir := a.TempDir()
	for path, content := range files {
		if err := (&harness.Repo{Dir: dir}).WriteFile(path, strings.ReplaceAll(content, "$NS", a.name)); err != nil {
			a.Fatal(err)
		}
	}
	return dir
}

// change commits and publishes a file.
func (a *app) change(path, content string) {
	a.Helper()
	if err := a.repo.WriteFile(path, strings.ReplaceAll(content, "$NS", a.name)); err != nil {
		a.Fatal(err)
	}
	if _, err := a.repo.Commit(a.ctx, "Change "+path); err != nil {
		a.Fatal(err)
	}
	a.publish()
}

func (a *app) publish() {
	a.Helper()
	if _, err := cluster.Publish(a.ctx, harness.Publication{Source: a.key, Dir: a.repo.Dir}); err != nil {
		a.Fatal(err)
	}
}

// reconcile makes Flux reconcile, and waits until the loop knows what it applied.
func (a *app) reconcile() {
	a.Helper()
	ks, err := cluster.Reconcile(a.ctx, a.key)
	if err != nil {
		a.Fatal(err)
	}
	owner := ownership.Owner{Kind: ownership.Kustomization, Namespace: a.key.Namespace, Name: a.key.Name}
	a.eventually("the state of "+owner.String()+" to be built", func() bool {
		state, ok := store.State(owner)
		return ok && state.Revision == ks.Status.LastAppliedRevision && state.Generation == ks.Generation
	})
}

// kubectl runs the real kubectl as the engineer on call.
func (a *app) kubectl(args ...string) {
	a.Helper()
	a.kubectlInput("", args...)
}

func (a *app) kubectlInput(stdin string, args ...string) {
	a.Helper()
	result, err := cluster.Kubectl(a.ctx, harness.OnCall, stdin, args...)
	if err != nil {
		a.Fatal(err)
	}
	if result.Code != 0 {
		a.Fatalf("kubectl %s: %s", strings.Join(args, " "), result.Stderr)
	}
}

// get reads an object, nil if there is none.
func (a *app) get(apiVersion, kind, name string) *unstructured.Unstructured {
	a.Helper()
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		a.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gv.WithKind(kind))
	err = cluster.Admin().Get(a.ctx, client.ObjectKey{Namespace: a.name, Name: name}, u)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		a.Fatal(err)
	}
	return u
}

func (a *app) eventually(what string, holds func() bool) {
	a.Helper()
	for started := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if a.ctx.Err() != nil || time.Since(started) > 30*time.Second {
			a.Fatalf("waited in vain for %s; the loop says:\n%s", what, strings.Join(logged.about(a.name), "\n"))
		}
	}
}

// never fails if something comes to hold within a time in which the loop would have restored many times over.
func (a *app) never(what string, holds func() bool) {
	a.Helper()
	for started := time.Now(); time.Since(started) < 1500*time.Millisecond; time.Sleep(20 * time.Millisecond) {
		if holds() {
			a.Fatalf("%s; the loop says:\n%s", what, strings.Join(logged.about(a.name), "\n"))
		}
	}
}

// quiet fails unless Flux, asked to reconcile, finds nothing to do.
func (a *app) quiet() {
	a.Helper()
	before := a.writes(fluxUser)
	a.reconcile()
	if after := a.writes(fluxUser); len(after) != len(before) {
		a.Errorf("Flux found something to do:\n%s\nthe loop says:\n%s", strings.Join(after[len(before):], "\n"), strings.Join(logged.about(a.name), "\n"))
	}
}

// writes returns what a user wrote as Flux's field manager in this app's namespace so far, dry-runs left out.
func (a *app) writes(user string) []string {
	a.Helper()
	return a.requests(func(e harness.AuditEvent) bool {
		return e.User.Username == user && !strings.Contains(e.RequestURI, "dryRun=All")
	})
}

// requests returns the requests of Flux's field manager in this app's namespace so far that match accepts.
func (a *app) requests(match func(harness.AuditEvent) bool) []string {
	a.Helper()
	events, err := cluster.AuditEvents(func(e harness.AuditEvent) bool {
		return e.ObjectRef.Namespace == a.name && strings.Contains(e.RequestURI, "fieldManager=kustomize-controller") && match(e)
	})
	if err != nil {
		a.Fatal(err)
	}
	var requests []string
	for _, e := range events {
		requests = append(requests, e.Verb+" "+e.RequestURI)
	}
	return requests
}
