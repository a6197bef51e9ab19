package corpus

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// enough is how many Kustomizations the corpus has at least.
const enough = 40

func TestBuildsEqualFluxsOwnAndNothingDiffersAfterwards(t *testing.T) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cluster, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	list := specs(t)
	if len(list) < enough {
		t.Fatalf("the corpus has %d Kustomizations", len(list))
	}
	setUp(ctx, t, cluster, list)
	artifact := publish(ctx, t, cluster)
	apply(ctx, t, cluster, list, artifact.Revision)

	builder, done := desired.NewBuilder(cluster.Admin(), desired.NewClusterFetcher()).Sharing()
	t.Cleanup(func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	})
	for _, ks := range list {
		t.Run(ks.Name, func(t *testing.T) {
			if ks.Status.LastAppliedRevision != artifact.Revision {
				t.Fatalf("Flux has applied %q", ks.Status.LastAppliedRevision)
			}
			state, err := builder.Build(ctx, ks)
			if err != nil {
				t.Fatal(err)
			}
			if ks.Spec.Decryption != nil {
				if state.Digest != "" {
					t.Error("a build of encrypted values has a digest")
				}
			} else if flux := ks.Status.History.Latest().Digest; state.Digest != flux {
				t.Errorf("the build has digest %s, Flux's %s", state.Digest, flux)
			}
			compareInventory(t, ks, state)
		})
	}
	findNothing(ctx, t, cluster, len(list))
	compareKinds(ctx, t, cluster, builder, list)
	meddle(ctx, t, cluster)
	findNothing(ctx, t, cluster, len(list))
}

// specs are the Kustomizations of testdata/specs. What a file does not say is the same for all.
func specs(t *testing.T) []*kustomizev1.Kustomization {
	t.Helper()
	files, err := filepath.Glob("testdata/specs/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out []*kustomizev1.Kustomization
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		ks := &kustomizev1.Kustomization{
			ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: name},
			Spec: kustomizev1.KustomizationSpec{
				Interval:  metav1.Duration{Duration: time.Hour},
				Path:      "./" + name,
				SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: sourcev1.GitRepositoryKind, Name: "corpus"},
			},
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(content, &ks.Spec); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out = append(out, ks)
	}
	return out
}

// setUp makes the namespaces of the corpus, one for each Kustomization, and what substituteFrom and serviceAccountName name.
func setUp(ctx context.Context, t *testing.T, cluster *harness.Cluster, list []*kustomizev1.Kustomization) {
	t.Helper()
	flux := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: name}
	}
	key, err := os.ReadFile("testdata/key.agekey")
	if err != nil {
		t.Fatal(err)
	}
	objects := []client.Object{
		&corev1.Secret{ObjectMeta: flux("corpus-age"), Data: map[string][]byte{"key.agekey": key}},
		&corev1.ConfigMap{ObjectMeta: flux("corpus-vars"), Data: map[string]string{"both": "from-config", "config": "multi\nline", "inline": "config"}},
		&corev1.Secret{ObjectMeta: flux("corpus-vars"), StringData: map[string]string{"both": "from-secret", "secret": "swordfish", "inline": "secret"}},
		&corev1.ServiceAccount{ObjectMeta: flux("corpus")},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "corpus"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: harness.FluxNamespace, Name: "corpus"}},
		},
	}
	objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: everyKind + "-limits"}})
	for _, ks := range list {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ks.Name}})
	}
	for _, object := range objects {
		if err := cluster.Admin().Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
}

// publish offers testdata/repo as the artifact of a source of each kind, and of one in another namespace.
func publish(ctx context.Context, t *testing.T, cluster *harness.Cluster) *meta.Artifact {
	t.Helper()
	from := t.TempDir()
	if err := os.CopyFS(from, os.DirFS("testdata/repo")); err != nil {
		t.Fatal(err)
	}
	copyKinds(t, filepath.Join(from, everyKind))
	repo, err := cluster.NewRepo(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	var artifact *meta.Artifact
	for _, namespace := range []string{"default", harness.FluxNamespace} {
		source := client.ObjectKey{Namespace: namespace, Name: "corpus"}
		if artifact, err = cluster.Publish(ctx, harness.Publication{Source: source, Dir: repo.Dir}); err != nil {
			t.Fatal(err)
		}
	}
	key := metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: "corpus"}
	ready := []metav1.Condition{{
		Type: meta.ReadyCondition, Status: metav1.ConditionTrue, Reason: meta.SucceededReason, ObservedGeneration: 1, LastTransitionTime: metav1.Now(),
	}}
	oci := &sourcev1.OCIRepository{ObjectMeta: key, Spec: sourcev1.OCIRepositorySpec{URL: "oci://registry.example.com/corpus"}}
	bucket := &sourcev1.Bucket{ObjectMeta: key, Spec: sourcev1.BucketSpec{BucketName: "corpus", Endpoint: "s3.example.com"}}
	external := &sourcev1.ExternalArtifact{ObjectMeta: key}
	for object, report := range map[client.Object]func(){
		oci:      func() { oci.Status.Artifact, oci.Status.Conditions = artifact, ready },
		bucket:   func() { bucket.Status.Artifact, bucket.Status.Conditions = artifact, ready },
		external: func() { external.Status.Artifact, external.Status.Conditions = artifact, ready },
	} {
		if err := cluster.Admin().Create(ctx, object); err != nil {
			t.Fatal(err)
		}
		report()
		if err := cluster.Admin().Status().Update(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	return artifact
}

// apply has Flux apply everything, and reads how it is afterwards.
func apply(ctx context.Context, t *testing.T, cluster *harness.Cluster, list []*kustomizev1.Kustomization, revision string) {
	t.Helper()
	for _, ks := range list {
		if err := cluster.Admin().Create(ctx, ks); err != nil {
			t.Fatal(err)
		}
	}
	for _, ks := range list {
		for ks.Status.LastAppliedRevision != revision {
			if err := cluster.Admin().Get(ctx, client.ObjectKeyFromObject(ks), ks); err != nil {
				t.Fatal(err)
			}
			ready := apimeta.FindStatusCondition(ks.Status.Conditions, meta.ReadyCondition)
			if ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason != meta.DependencyNotReadyReason && ready.Reason != meta.ArtifactFailedReason {
				t.Errorf("%s: %s", ks.Name, ready.Message)
				break
			}
			select {
			case <-ctx.Done():
				t.Fatalf("%s: %v: %+v", ks.Name, ctx.Err(), ready)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// compareInventory demands that the build has the very objects that Flux applied.
func compareInventory(t *testing.T, ks *kustomizev1.Kustomization, state *desired.State) {
	t.Helper()
	inventory := map[string]bool{}
	if ks.Status.Inventory != nil {
		for _, entry := range ks.Status.Inventory.Entries {
			inventory[entry.ID] = true
		}
	}
	for _, object := range state.Objects {
		key := desired.KeyOf(object.Unstructured)
		// As Flux writes it: a colon is no character of a name in an inventory.
		id := strings.Join([]string{key.Namespace, strings.ReplaceAll(key.Name, ":", "__"), key.Group, key.Kind}, "_")
		if !inventory[id] {
			t.Errorf("%s is not in Flux's inventory", id)
		}
		delete(inventory, id)
	}
	for id := range inventory {
		t.Errorf("%s is in Flux's inventory, but not in the build", id)
	}
}

// findNothing scans the whole cluster, orphans included.
func findNothing(ctx context.Context, t *testing.T, cluster *harness.Cluster, owners int) {
	t.Helper()
	kinds, err := discovery.NewDiscoveryClientForConfig(cluster.RESTConfig(harness.Admin))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := drift.NewPages(cluster.RESTConfig(harness.Admin), cluster.Admin().RESTMapper())
	if err != nil {
		t.Fatal(err)
	}
	scanner := &drift.Scanner{
		Client: cluster.Admin(), Pages: pages, Builder: desired.NewBuilder(cluster.Admin(), desired.NewClusterFetcher()), Concurrency: 4,
		Discovery: kinds, Lister: cluster.Admin(),
	}
	result, err := scanner.Scan(ctx, drift.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Owners) != owners || len(result.Elsewhere) > 0 || len(result.Unlisted) > 0 {
		t.Errorf("scanned %d owners, want %d; elsewhere %v, unlisted %v", len(result.Owners), owners, result.Elsewhere, result.Unlisted)
	}
	for _, owner := range result.Owners {
		if owner.Err != nil {
			t.Errorf("%s: %v", owner.Owner, owner.Err)
		}
		if owner.Owner.Name == "encrypted" {
			if len(owner.Unproven) != 2 || !strings.Contains(owner.Unproven[0].Err.Error(), "its values are encrypted with SOPS") {
				t.Errorf("of what is encrypted is said: %v", owner.Unproven)
			}
			owner.Unproven = nil
		}
		for _, e := range owner.Unproven {
			t.Errorf("%s: %s: %v", owner.Owner, e.Object, e.Err)
		}
		for _, f := range owner.Findings {
			t.Errorf("%s: %s %s %s: git %v, live %v", owner.Owner, f.Kind, f.Object, fields.Name(f.Path), f.Desired, f.Live)
		}
	}
}
