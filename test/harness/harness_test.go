package harness_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// shared is the cluster of all tests that need no cluster of their own.
var shared *harness.Cluster

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	if os.Getenv(victimEnv) != "" {
		victim()
	}
	if kind := os.Getenv(standInEnv); kind != "" {
		standIn(kind)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	started := time.Now()
	cluster, err := harness.Start(context.Background(), harness.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("the control plane started in %s\n", time.Since(started).Round(time.Millisecond))
	shared = cluster
	code := m.Run()
	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := left(cluster.Dir()); err != nil {
		fmt.Fprintln(os.Stderr, "after Stop:", err)
		return 1
	}
	return code
}

// application makes a repository with one ConfigMap in a new namespace, named as the Kustomization that applies it.
func application(t *testing.T, name string) (*harness.Repo, client.ObjectKey) {
	t.Helper()
	ctx := patient.Context(t)
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "app.yaml"), []byte(configMap(name, "first")), 0o600); err != nil {
		t.Fatal(err)
	}
	repo, err := shared.NewRepo(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := shared.Admin().Create(ctx, namespace); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}
	kustomization := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name},
		Spec: kustomizev1.KustomizationSpec{
			Interval:  metav1.Duration{Duration: time.Hour},
			Path:      "./",
			Prune:     true,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: name},
		},
	}
	if err := shared.Admin().Create(ctx, kustomization); err != nil {
		t.Fatal(err)
	}
	return repo, key
}

func configMap(namespace, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: %s}\ndata: {key: %s}\n", namespace, value)
}

func publish(t *testing.T, repo *harness.Repo, source client.ObjectKey, fault harness.Fault) string {
	t.Helper()
	artifact, err := shared.Publish(patient.Context(t), harness.Publication{Source: source, Dir: repo.Dir, Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	return artifact.Revision
}

func value(t *testing.T, namespace string) string {
	t.Helper()
	var applied corev1.ConfigMap
	if err := shared.Admin().Get(patient.Context(t), client.ObjectKey{Namespace: namespace, Name: "app"}, &applied); err != nil {
		t.Fatal(err)
	}
	return applied.Data["key"]
}

func TestFluxAppliesPublishedCommitsUnderItsPodsIdentity(t *testing.T) {
	ctx := patient.Context(t)
	repo, key := application(t, "commits")
	for _, want := range []string{"first", "second"} {
		if want != "first" {
			if err := repo.WriteFile("app.yaml", configMap("commits", want)); err != nil {
				t.Fatal(err)
			}
			if _, err := repo.Commit(ctx, "Change the value"); err != nil {
				t.Fatal(err)
			}
		}
		head, err := repo.Head(ctx)
		if err != nil {
			t.Fatal(err)
		}
		revision := publish(t, repo, key, harness.NoFault)
		if revision != "main@sha1:"+head {
			t.Errorf("published revision %s of commit %s", revision, head)
		}
		applied, err := shared.Reconcile(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if applied.Status.LastAppliedRevision != revision {
			t.Errorf("applied revision is %s, want %s", applied.Status.LastAppliedRevision, revision)
		}
		if got := value(t, "commits"); got != want {
			t.Errorf("value is %q, want %q", got, want)
		}
	}

	writes, err := shared.AuditEvents(func(e harness.AuditEvent) bool {
		return e.ObjectRef.Resource == "configmaps" && e.ObjectRef.Namespace == "commits" && e.ObjectRef.Name == "app"
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(writes) < 2 {
		t.Fatalf("%d writes of the ConfigMap in the audit log, want one for each commit at least", len(writes))
	}
	pod := shared.Flux().Pod()
	for _, write := range writes {
		if write.User.Username != "system:serviceaccount:flux-system:kustomize-controller" || write.User.UID == "" {
			t.Errorf("%s by user %q with uid %q", write.Verb, write.User.Username, write.User.UID)
		}
		for extra, want := range map[string]string{
			"authentication.kubernetes.io/pod-name": pod.Name,
			"authentication.kubernetes.io/pod-uid":  string(pod.UID),
		} {
			if got := write.User.Extra[extra]; len(got) != 1 || got[0] != want {
				t.Errorf("%s by a user with %s %q, want %q", write.Verb, extra, got, want)
			}
		}
		if len(write.User.Extra["authentication.kubernetes.io/credential-id"]) != 1 {
			t.Errorf("%s by a user without a credential id", write.Verb)
		}
	}
}

func TestReconcileReportsABrokenArtifact(t *testing.T) {
	repo, key := application(t, "broken")
	for _, test := range []struct {
		name  string
		fault harness.Fault
		want  string
	}{
		{"digest", harness.WrongDigest, "digest"},
		{"absent", harness.NotFound, "artifact not found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			publish(t, repo, key, test.fault)
			_, err := shared.Reconcile(patient.Context(t), key)
			if !errors.Is(err, harness.ErrNotReady) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want ErrNotReady and the word %q", err, test.want)
			}
		})
	}
	publish(t, repo, key, harness.NoFault)
	if _, err := shared.Reconcile(patient.Context(t), key); err != nil {
		t.Errorf("sound again, yet: %v", err)
	}
}

func TestReconcileRefusesASuspendedKustomization(t *testing.T) {
	ctx := patient.Context(t)
	repo, key := application(t, "suspended")
	publish(t, repo, key, harness.NoFault)
	if _, err := shared.Reconcile(ctx, key); err != nil {
		t.Fatal(err)
	}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"suspend":true}}`))
	owner := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if err := shared.Admin().Patch(ctx, owner, patch); err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Reconcile(ctx, key); err == nil || !strings.Contains(err.Error(), "suspended") {
		t.Errorf("error is %v, want one about the suspension", err)
	}
}

func TestPackingIsReproducibleAndBelowAFolder(t *testing.T) {
	ctx := patient.Context(t)
	repo, key := application(t, "folder")
	if err := repo.WriteFile("below/app.yaml", configMap("folder", "below")); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Commit(ctx, "Add a folder"); err != nil {
		t.Fatal(err)
	}
	// Not committed, so not published.
	if err := repo.WriteFile("below/app.yaml", "not YAML: ["); err != nil {
		t.Fatal(err)
	}
	var digests []string
	for range 2 {
		artifact, err := shared.Publish(ctx, harness.Publication{Source: key, Dir: filepath.Join(repo.Dir, "below")})
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, artifact.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("two packings of one commit differ: %v", digests)
	}
	if _, err := shared.Reconcile(ctx, key); err != nil {
		t.Fatal(err)
	}
	if got := value(t, "folder"); got != "below" {
		t.Errorf("value is %q, want the folder's", got)
	}
}

func TestControllerManagerComesBack(t *testing.T) {
	ctx := patient.Context(t)
	manager := func() int {
		t.Helper()
		running, err := processesOf(shared.Dir())
		if err != nil {
			t.Fatal(err)
		}
		for pid, args := range running {
			if strings.Contains(strings.Fields(args)[0], "kube-controller-manager") {
				return pid
			}
		}
		return 0
	}
	before := manager()
	if before == 0 {
		t.Fatal("kube-controller-manager does not run")
	}
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "comes-back"}}
	if err := shared.Admin().Create(ctx, namespace); err != nil {
		t.Fatal(err)
	}
	for {
		account := client.ObjectKey{Namespace: "comes-back", Name: "default"}
		err := shared.Admin().Get(ctx, account, &corev1.ServiceAccount{})
		if after := manager(); err == nil && after != 0 && after != before {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the controllers do not work again: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestAuditEventsSinceAMarkAreTheLaterOnes(t *testing.T) {
	ctx := t.Context()
	for n := range 3 {
		mark, err := shared.AuditMark()
		if err != nil {
			t.Fatal(err)
		}
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("audited-%d", n)}}
		if err := shared.Admin().Create(ctx, object); err != nil {
			t.Fatal(err)
		}
		events, err := shared.AuditEventsSince(mark, func(e harness.AuditEvent) bool { return strings.HasPrefix(e.ObjectRef.Name, "audited-") })
		if err != nil {
			t.Fatal(err)
		}
		if len(events) != 1 || events[0].ObjectRef.Name != object.Name {
			t.Errorf("events of %s: %+v", object.Name, events)
		}
	}
}
