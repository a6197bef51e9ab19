package desired

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

const revision = "main@sha1:3f2c9e1d0b7a4f6e8c5d2a1b0c9d8e7f6a5b4c3d"

// hidden is the value of every Secret in testdata.
const hidden = "swordfish"

// folder is a Fetcher that copies a folder, and then writes files into the copy.
type folder struct {
	dir   string
	files map[string]string
	err   error
}

func (f folder) Fetch(_ context.Context, _ *meta.Artifact, dir string) error {
	if f.err != nil {
		return f.err
	}
	if err := os.CopyFS(dir, os.DirFS(f.dir)); err != nil {
		return err
	}
	for name, content := range f.files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func newClient(t testing.TB, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kustomizev1.AddToScheme, sourcev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	mapper := apimeta.NewDefaultRESTMapper(nil)
	for _, gvk := range []schema.GroupVersionKind{
		{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "Service"},
		{Group: "apps", Version: "v1", Kind: "Deployment"}, sourcev1.GroupVersion.WithKind("GitRepository"),
	} {
		mapper.Add(gvk, apimeta.RESTScopeNamespace)
	}
	for _, gvk := range []schema.GroupVersionKind{
		{Version: "v1", Kind: "Namespace"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
	} {
		mapper.Add(gvk, apimeta.RESTScopeRoot)
	}
	return fake.NewClientBuilder().WithReturnManagedFields().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(objects...).Build()
}

func source(artifact string) *sourcev1.GitRepository {
	repository := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "fleet"}}
	if artifact != "" {
		repository.Status.Artifact = &meta.Artifact{Revision: artifact, URL: "http://source/a.tar.gz", Digest: "sha256:x"}
	}
	return repository
}

func kustomization(path string, change func(*kustomizev1.Kustomization)) *kustomizev1.Kustomization {
	ks := &kustomizev1.Kustomization{
		TypeMeta:   metav1.TypeMeta{APIVersion: kustomizev1.GroupVersion.String(), Kind: "Kustomization"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "apps"},
		Spec: kustomizev1.KustomizationSpec{
			Path:      path,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "fleet"},
		},
		Status: kustomizev1.KustomizationStatus{LastAppliedRevision: revision},
	}
	if change != nil {
		change(ks)
	}
	return ks
}

func build(t *testing.T, ks *kustomizev1.Kustomization, fetcher Fetcher, objects ...client.Object) (*State, error) {
	t.Helper()
	ownTemp(t)
	return NewBuilder(newClient(t, append(objects, source(revision))...), fetcher).Build(t.Context(), ks)
}

var repo = folder{dir: "testdata/repo"}

// mustBuild returns the objects by kind/name.
func mustBuild(t *testing.T, ks *kustomizev1.Kustomization, fetcher Fetcher) map[string]Object {
	t.Helper()
	state, err := build(t, ks, fetcher)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Object{}
	for _, object := range state.Objects {
		out[object.GetKind()+"/"+object.GetName()] = object
	}
	return out
}

func field(t *testing.T, object Object, path ...string) string {
	t.Helper()
	if object.Unstructured == nil {
		t.Fatal("the object is not there")
	}
	value, _, err := unstructured.NestedString(object.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestEveryObjectKnowsItsFileAndCarriesNoTraceOfIt(t *testing.T) {
	objects := mustBuild(t, kustomization("./overlay", nil), repo)
	for name, file := range map[string]string{
		"Deployment/api":     "base/deployment.yaml",
		"Namespace/shop":     "base/namespace.yaml",
		"ClusterRole/reader": "base/namespace.yaml",
		"Service/api":        "component/service.yaml",
		"ConfigMap/settings": "overlay/kustomization.yaml",
	} {
		object, ok := objects[name]
		if !ok || object.File != file {
			t.Errorf("%s comes from %q (%t), want %q", name, object.File, ok, file)
			continue
		}
		if annotations := object.GetAnnotations(); len(annotations) > 0 {
			t.Errorf("%s has annotations %v", name, annotations)
		}
		if labels := object.GetLabels(); labels["kustomize.toolkit.fluxcd.io/name"] != "apps" || labels["kustomize.toolkit.fluxcd.io/namespace"] != "flux-system" {
			t.Errorf("%s has labels %v", name, labels)
		}
	}
	if len(objects) != 5 {
		t.Errorf("%d objects", len(objects))
	}
}

func TestOriginAnnotationsThatGitAsksForAreDesired(t *testing.T) {
	service := mustBuild(t, kustomization("./own", nil), repo)["Service/api"]
	if origin := service.GetAnnotations()["config.kubernetes.io/origin"]; !strings.Contains(origin, "path: service.yaml") {
		t.Errorf("annotations %v", service.GetAnnotations())
	}
	if service.File != "own/service.yaml" {
		t.Errorf("file %s", service.File)
	}
}

func TestAFolderWithoutKustomizationIsBuiltAsFluxDoes(t *testing.T) {
	objects := mustBuild(t, kustomization("plain", nil), repo)
	if objects["ConfigMap/app"].File != "plain/app.yaml" || len(objects) != 2 {
		t.Errorf("got %v", objects)
	}
	// The API server turns stringData into data, so Flux does it before it compares.
	if got := field(t, objects["Secret/token"], "data", "password"); got != "c3dvcmRmaXNo" {
		t.Errorf("data.password is %q", got)
	}
}

func TestTheFluxSpecIsMergedIntoTheBuild(t *testing.T) {
	objects := mustBuild(t, kustomization("overlay", func(ks *kustomizev1.Kustomization) {
		ks.Spec.TargetNamespace = "other"
		ks.Spec.NamePrefix = "x-"
		ks.Spec.NameSuffix = "-y"
		ks.Spec.Images = []kustomize.Image{{Name: "registry.example.com/api", NewTag: "2.0"}}
		ks.Spec.CommonMetadata = &kustomizev1.CommonMetadata{Labels: map[string]string{"team": "red"}, Annotations: map[string]string{"note": "hello"}}
		ks.Spec.Patches = []kustomize.Patch{{Patch: `[{"op": "add", "path": "/spec/replicas", "value": 3}]`, Target: &kustomize.Selector{Kind: "Deployment"}}}
	}), repo)
	deployment := objects["Deployment/x-api-y"]
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		t.Fatal(containers, err)
	}
	if image := containers[0].(map[string]any)["image"]; image != "registry.example.com/api:2.0" {
		t.Errorf("image %v", image)
	}
	if replicas, _, err := unstructured.NestedInt64(deployment.Object, "spec", "replicas"); err != nil || replicas != 3 {
		t.Errorf("replicas %v, %v", replicas, err)
	}
	for name, object := range objects {
		if object.GetLabels()["team"] != "red" || object.GetAnnotations()["note"] != "hello" {
			t.Errorf("%s: %v %v", name, object.GetLabels(), object.GetAnnotations())
		}
		want := "other"
		if object.GetKind() == "ClusterRole" || object.GetKind() == "Namespace" {
			want = ""
		}
		if object.GetNamespace() != want {
			t.Errorf("%s is in namespace %q, want %q", name, object.GetNamespace(), want)
		}
		if object.File == "" {
			t.Errorf("%s lost its file", name)
		}
	}
}

func TestClusterScopedObjectsLoseTheirNamespace(t *testing.T) {
	objects := mustBuild(t, kustomization("app", nil), folder{dir: "testdata/repo", files: map[string]string{
		"app/role.yaml":   "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a, namespace: shop}\n",
		"app/widget.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: b, namespace: shop}\n",
	}})
	if role := objects["ClusterRole/a"]; role.GetNamespace() != "" || role.File != "app/role.yaml" {
		t.Errorf("ClusterRole in %q from %q", role.GetNamespace(), role.File)
	}
	if widget := objects["Widget/b"]; widget.GetNamespace() != "shop" {
		t.Errorf("an unknown kind lost its namespace")
	}
}

func substituting(change func(*kustomizev1.PostBuild)) func(*kustomizev1.Kustomization) {
	return func(ks *kustomizev1.Kustomization) {
		ks.Spec.PostBuild = &kustomizev1.PostBuild{
			Substitute:     map[string]string{"cluster": "prod-eu"},
			SubstituteFrom: []kustomizev1.SubstituteReference{{Kind: "ConfigMap", Name: "vars"}, {Kind: "Secret", Name: "vars"}},
		}
		if change != nil {
			change(ks.Spec.PostBuild)
		}
	}
}

func variables() []client.Object {
	meta := metav1.ObjectMeta{Namespace: "flux-system", Name: "vars"}
	return []client.Object{
		&corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"region": "eu-west-1", "cluster": "overridden"}},
		&corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"password": []byte(hidden)}},
	}
}

func TestVariablesAreSubstituted(t *testing.T) {
	state, err := build(t, kustomization("variables", substituting(nil)), repo, variables()...)
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string]Object{}
	for _, object := range state.Objects {
		objects[object.GetName()] = object
	}
	app := objects["prod-eu-app"]
	for key, want := range map[string]string{"region": "eu-west-1", "zone": "a", "address": "postgres://api:swordfish@db"} {
		if got := field(t, app, "data", key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if app.File != "variables/app.yaml" {
		t.Errorf("an object whose name holds a variable lost its file: %q", app.File)
	}
	if got := field(t, objects["literal"], "data", "script"); got != "echo ${HOME}" {
		t.Errorf("substitution was switched off, but made %q", got)
	}
	if before, after := state.Hidden.Change("postgres://api:swordfish@db", "postgres://db"); before != "***" || after != "*** (differs)" {
		t.Errorf("the value of a Secret in another object is shown: %v, %v", before, after)
	}
	if before, after := state.Hidden.Change("eu-west-1", "eu-west-2"); before != "eu-west-1" || after != "eu-west-2" {
		t.Errorf("the value of a ConfigMap is hidden: %v, %v", before, after)
	}
}

func TestWhatSOPSEncryptedIsMarked(t *testing.T) {
	decrypts := func(ks *kustomizev1.Kustomization) { ks.Spec.Decryption = &kustomizev1.Decryption{Provider: "sops"} }
	objects := mustBuild(t, kustomization("encrypted", decrypts), repo)
	for name, want := range map[string]bool{"Secret/whole": true, "Secret/generated": true, "Secret/plain": false} {
		if object, ok := objects[name]; !ok || object.Encrypted != want {
			t.Errorf("%s: there %t, encrypted %t", name, ok, object.Encrypted)
		}
	}
	// Flux applies what it does not decrypt as it is.
	if mustBuild(t, kustomization("encrypted", nil), repo)["Secret/generated"].Encrypted {
		t.Error("a Secret of a Kustomization that does not decrypt is taken for one that it decrypts")
	}
}

func TestAnEncryptedSecretHasTheNameThatFluxGaveIt(t *testing.T) {
	with := repo
	with.files = map[string]string{
		"encrypted/kustomization.yaml": "namespace: shop\nresources: [user.yaml]\nsecretGenerator: [{name: db, envs: [app.env]}]\n",
		"encrypted/user.yaml":          "apiVersion: v1\nkind: Pod\nmetadata: {name: user}\nspec: {containers: [{name: c, envFrom: [{secretRef: {name: db}}]}]}\n",
	}
	inventory := func(ids ...string) func(*kustomizev1.Kustomization) {
		return func(ks *kustomizev1.Kustomization) {
			ks.Spec.Decryption = &kustomizev1.Decryption{Provider: "sops"}
			ks.Status.Inventory = &kustomizev1.ResourceInventory{}
			for _, id := range ids {
				ks.Status.Inventory.Entries = append(ks.Status.Inventory.Entries, kustomizev1.ResourceRef{ID: id, Version: "v1"})
			}
		}
	}
	objects := mustBuild(t, kustomization("encrypted", inventory("shop_db-9f8c7b6d5t__Secret", "shop_db-9f8c7b6d5t__ConfigMap", "other_db-4444444444__Secret")), with)
	containers, _, _ := unstructured.NestedSlice(objects["Pod/user"].Object, "spec", "containers")
	if !objects["Secret/db-9f8c7b6d5t"].Encrypted || !strings.Contains(fmt.Sprint(containers), "db-9f8c7b6d5t") {
		t.Errorf("got %v, used as %v", objects, containers)
	}
	if _, err := build(t, kustomization("encrypted", inventory()), with); err == nil || !strings.Contains(err.Error(), "its Secret db-* is named by the content of a file that SOPS encrypted") {
		t.Errorf("got %v", err)
	}
}

func TestBuildFailures(t *testing.T) {
	withFile := func(name, content string) folder {
		return folder{dir: "testdata/repo", files: map[string]string{name: content}}
	}
	const header = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
	tests := []struct {
		name    string
		ks      *kustomizev1.Kustomization
		fetcher folder
		objects []client.Object
		err     []string
	}{
		{name: "a path that is not there", ks: kustomization("./absent", nil), err: []string{`spec.path "./absent" is not in the artifact`}},
		{name: "a path outside", ks: kustomization("../../../etc", nil), err: []string{`spec.path "../../../etc" is not in the artifact`}},
		{name: "the artifact cannot be fetched", ks: kustomization("base", nil), fetcher: folder{err: errors.New("404 Not Found")},
			err: []string{"GitRepository flux-system/fleet", "404 Not Found"}},
		{name: "a resource that is not there", ks: kustomization("broken", nil),
			fetcher: withFile("broken/kustomization.yaml", header+"resources: [absent.yaml]\n"), err: []string{`broken/kustomization.yaml names "absent.yaml", which is not in the artifact`}},
		{name: "a remote base", ks: kustomization("broken", nil),
			fetcher: withFile("broken/kustomization.yaml", header+"resources: ['https://github.com/x/y?ref=main']\n"), err: []string{`broken/kustomization.yaml names "https://github.com/x/y?ref=main"`}},
		{name: "a remote base without a scheme", ks: kustomization("broken", nil),
			fetcher: withFile("broken/kustomization.yaml", header+"resources: ['github.com/x/y?ref=main']\n"), err: []string{`names "github.com/x/y?ref=main"`}},
		{name: "a remote base behind a base", ks: kustomization("broken", nil),
			fetcher: folder{dir: "testdata/repo", files: map[string]string{
				"broken/kustomization.yaml":      header + "resources: [below]\n",
				"broken/below/kustomization.yml": header + "components: ['git@github.com:x/y.git']\n"}},
			err: []string{`broken/below/kustomization.yml names "git@github.com:x/y.git"`}},
		{name: "a remote base with a password", ks: kustomization("broken", nil),
			fetcher: withFile("broken/kustomization.yaml", header+"resources: ['https://me:swordfish@github.com/x/y']\n"), err: []string{`names "https://me:xxxxx@github.com/x/y"`}},
		{name: "a remote patch", ks: kustomization("broken", nil),
			fetcher: withFile("broken/kustomization.yaml", header+"patches: [{path: 'https://example.com/p.yaml'}]\n"), err: []string{`names "https://example.com/p.yaml"`}},
		{name: "a remote file in a generator", ks: kustomization("broken", nil),
			fetcher: withFile("broken/kustomization.yaml", header+"configMapGenerator: [{name: a, files: ['k=https://example.com/f']}]\n"), err: []string{`names "https://example.com/f"`}},
		{name: "a base outside the artifact", ks: kustomization("broken", nil),
			fetcher: withFile("broken/kustomization.yaml", header+"resources: [../../../../etc]\n"), err: []string{`names "../../../../etc"`}},
		{name: "a variable that is missing", ks: kustomization("variables", substituting(func(p *kustomizev1.PostBuild) { p.SubstituteFrom = p.SubstituteFrom[1:] })),
			objects: variables(), err: []string{"post-build substitution in ConfigMap", "region"}},
		{name: "variables that are missing", ks: kustomization("variables", substituting(nil)), objects: variables()[:1], err: []string{"Secret/vars"}},
		{name: "a variable that breaks the YAML", ks: kustomization("variables", substituting(nil)), objects: []client.Object{variables()[0],
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "vars"}, Data: map[string][]byte{"password": []byte("x: swordfish: {")}}},
			err: []string{"post-build substitution in ConfigMap"}},
		{name: "a literal that is none", ks: kustomization("broken", nil),
			fetcher: withFile("broken/kustomization.yaml", header+"secretGenerator: [{name: a, literals: [swordfish]}]\n"), err: []string{"kustomize build", "***"}},
		{name: "a Secret without a name", ks: kustomization("broken", nil),
			fetcher: withFile("broken/a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {}\nstringData: {p: swordfish}\n"), err: []string{"kustomiz"}},
		{name: "a Secret that is no YAML", ks: kustomization("broken", nil),
			fetcher: withFile("broken/a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {p: swordfish\n"), err: []string{"kustomiz"}},
		{name: "a patch that is none", ks: kustomization("base", func(ks *kustomizev1.Kustomization) {
			ks.Spec.Patches = []kustomize.Patch{{Patch: "stringData: {password: swordfish}\n", Target: &kustomize.Selector{Kind: "Secret"}}}
		}), err: []string{"kustomize build"}},
		{name: "a patch that cannot be read", ks: kustomization("base", func(ks *kustomizev1.Kustomization) {
			ks.Spec.Patches = []kustomize.Patch{{Patch: "kind: Secret\nstringData: {password: swordfish\n"}}
		}), err: []string{"kustomiz"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fetcher := test.fetcher
			if fetcher.dir == "" && fetcher.err == nil {
				fetcher = repo
			}
			state, err := build(t, test.ks, fetcher, test.objects...)
			if err == nil || state != nil {
				t.Fatalf("got %v, %v", state, err)
			}
			t.Log(err)
			for _, part := range test.err {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			if strings.Contains(err.Error(), hidden) || strings.Contains(err.Error(), "c3dvcmRmaXNo") {
				t.Errorf("the error shows the value of a Secret: %v", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %v", err)
			}
			if strings.Contains(err.Error(), os.TempDir()) {
				t.Errorf("the error names a temporary file: %v", err)
			}
		})
	}
}

func TestAFailingObjectIsNamedThoughASecretHoldsTheSameWord(t *testing.T) {
	_, err := build(t, kustomization("app", func(ks *kustomizev1.Kustomization) {
		ks.Spec.PostBuild = &kustomizev1.PostBuild{Substitute: map[string]string{"OTHER": "x"}}
	}), folder{dir: "testdata/repo", files: map[string]string{
		"app/kustomization.yaml": "resources: [settings.yaml]\nsecretGenerator: [{name: login, files: [login.yaml]}]\n",
		"app/login.yaml":         "kind: ConfigMap\nowner: settings\n",
		"app/settings.yaml":      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {host: \"${HOST}\"}\n",
	}})
	if err == nil || !strings.HasPrefix(err.Error(), `post-build substitution in ConfigMap "settings" failed: `) {
		t.Errorf("the error is %v", err)
	}
}

// counted is a Fetcher that counts.
type counted struct {
	Fetcher
	calls atomic.Int32
}

func (c *counted) Fetch(ctx context.Context, artifact *meta.Artifact, dir string) error {
	c.calls.Add(1)
	return c.Fetcher.Fetch(ctx, artifact, dir)
}

func TestASharedArtifactIsUnpackedOnceAndBuildsAsIfItWereNot(t *testing.T) {
	ownTemp(t)
	fetcher := &counted{Fetcher: folder{dir: "testdata/repo", files: map[string]string{
		"bare/settings.yaml":     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bare}\n",
		"own/settings.yaml":      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n",
		"own/kustomization.yaml": "resources: [settings.yaml, ../bare]\n",
	}}}
	one := NewBuilder(newClient(t, source(revision)), fetcher)
	shared, done := one.Sharing()
	owners := []*kustomizev1.Kustomization{
		// The first build of each path adds a prefix, which the second must not inherit.
		kustomization("own", func(ks *kustomizev1.Kustomization) { ks.Spec.NamePrefix = "a-" }),
		kustomization("own", nil),
		kustomization("bare", func(ks *kustomizev1.Kustomization) { ks.Spec.NamePrefix = "b-" }),
		kustomization("bare", nil),
		kustomization("./", func(ks *kustomizev1.Kustomization) { ks.Spec.Path = "missing" }),
		kustomization("own", nil),
	}
	var group sync.WaitGroup
	for _, ks := range append(owners, owners...) {
		group.Go(func() {
			got, gotErr := shared.Build(t.Context(), ks)
			want, wantErr := one.Build(t.Context(), ks)
			if (gotErr == nil) != (wantErr == nil) {
				t.Errorf("%s: shared %v, alone %v", ks.Spec.Path, gotErr, wantErr)
			} else if gotErr == nil && (got.Digest != want.Digest || len(got.Objects) != len(want.Objects)) {
				t.Errorf("%s: shared %v, alone %v", ks.Spec.Path, got.Objects, want.Objects)
			}
		})
	}
	group.Wait()
	if calls := int(fetcher.calls.Load()); calls != 2*len(owners)+1 {
		t.Errorf("%d artifacts were fetched for %d builds alone and as many that share", calls, 2*len(owners))
	}
	if err := done(); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheRevisionThatFluxAppliedIsBuilt(t *testing.T) {
	ownTemp(t)
	for applied, want := range map[string]string{
		"":               "Flux has not applied any revision yet",
		"main@sha1:0000": "Flux last applied main@sha1:0000, but the source now offers " + revision,
	} {
		ks := kustomization("base", func(ks *kustomizev1.Kustomization) { ks.Status.LastAppliedRevision = applied })
		_, err := NewBuilder(newClient(t, source(revision)), folder{err: errors.New("must not be fetched")}).Build(t.Context(), ks)
		var mismatch *RevisionError
		if !errors.As(err, &mismatch) || mismatch.Applied != applied || mismatch.Available != revision || !strings.Contains(err.Error(), want) {
			t.Errorf("applied %q: %v", applied, err)
		}
	}
}

func TestSourcesThatCannotBeUsedAreNamed(t *testing.T) {
	ownTemp(t)
	tests := []struct {
		name    string
		objects []client.Object
		change  func(*kustomizev1.Kustomization)
		err     string
	}{
		{"no artifact yet", []client.Object{source("")}, nil, "its source GitRepository flux-system/fleet has no artifact yet"},
		{"no source", nil, nil, "its source GitRepository flux-system/fleet cannot be read"},
		{"in another namespace", nil, func(ks *kustomizev1.Kustomization) { ks.Spec.SourceRef.Namespace = "team" }, "GitRepository team/fleet cannot be read"},
		{"of an unknown kind", nil, func(ks *kustomizev1.Kustomization) { ks.Spec.SourceRef.Kind = "HelmChart" }, "HelmChart flux-system/fleet is of a kind that is not supported"},
		{"applied elsewhere", []client.Object{source(revision)}, func(ks *kustomizev1.Kustomization) { ks.Spec.KubeConfig = &meta.KubeConfigReference{} }, "spec.kubeConfig"},
	}
	for _, test := range tests {
		_, err := NewBuilder(newClient(t, test.objects...), repo).Build(t.Context(), kustomization("base", test.change))
		if err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.name == "applied elsewhere" && !errors.Is(err, ErrElsewhere) {
			t.Errorf("%s: %v is not ErrElsewhere", test.name, err)
		}
	}
}

func TestOwnerAndRevisionAreInTheState(t *testing.T) {
	state, err := build(t, kustomization("base", nil), repo)
	if err != nil {
		t.Fatal(err)
	}
	if state.Owner.String() != "Kustomization/flux-system/apps" || state.Revision != revision {
		t.Errorf("%s at %s", state.Owner, state.Revision)
	}
}

func TestATemporaryFolderBehindALinkIsFine(t *testing.T) {
	target := t.TempDir()
	link := filepath.Join(t.TempDir(), "tmp")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", link)
	state, err := NewBuilder(newClient(t, source(revision)), repo).Build(t.Context(), kustomization("overlay", nil))
	if err != nil || len(state.Objects) != 5 || state.Objects[0].File == "" {
		t.Errorf("%v, %v", state, err)
	}
}
