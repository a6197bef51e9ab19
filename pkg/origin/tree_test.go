package origin_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

const revision = "main@sha1:3f2c9e1d0b7a4f6e8c5d2a1b0c9d8e7f6a5b4c3d"

// repo is the content of files.
type repo map[string]string

func load(t *testing.T, dir string) repo {
	t.Helper()
	out := repo{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Fetch implements desired.Fetcher.
func (r repo) Fetch(_ context.Context, _ *meta.Artifact, dir string) error {
	for name, content := range r {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// builds is the corpus on which builds are compared with Flux's own, with a manifest for each of its specs. What cannot be
// built without Flux, its keys or its version, is left out.
func builds(t *testing.T, corpus string) repo {
	t.Helper()
	out := load(t, filepath.Join(corpus, "repo"))
	for file, spec := range load(t, filepath.Join(corpus, "specs")) {
		name := strings.TrimSuffix(file, ".yaml")
		if strings.Contains(out[name+"/kustomization.yaml"], "managedByLabel") || strings.Contains(spec, "decryption:") {
			continue
		}
		if strings.TrimSpace(spec) == "{}" {
			spec = ""
		}
		if !regexp.MustCompile(`(?m)^path:`).MatchString(spec) {
			spec += "path: ./" + name + "\n"
		}
		spec = regexp.MustCompile(`(?m)^sourceRef:.*\n`).ReplaceAllString(spec, "") + "sourceRef: {kind: GitRepository, name: flux-system}\n"
		out["clusters/"+file] = owner(name, spec)
	}
	return out
}

// kinds are the objects of almost all built-in kinds that random edits start from, and a Kustomization for them.
func kinds(t *testing.T, dir string) repo {
	t.Helper()
	out := repo{"clusters/kinds.yaml": owner("kinds", "path: ./kinds\nsourceRef: {kind: GitRepository, name: flux-system}\n")}
	for file, content := range load(t, dir) {
		out["kinds/"+file] = content
	}
	return out
}

// owner is the manifest of a Kustomization with the lines of a spec.
func owner(name, spec string) string {
	return "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: " + name +
		"\nspec:\n" + regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(spec, "  $1")
}

// owners are the Flux Kustomizations in the folder clusters.
func (r repo) owners(t *testing.T) []*kustomizev1.Kustomization {
	t.Helper()
	var out []*kustomizev1.Kustomization
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if !strings.HasPrefix(name, "clusters/") {
			continue
		}
		for _, doc := range regexp.MustCompile(`(?m)^---\n`).Split(r[name], -1) {
			ks := &kustomizev1.Kustomization{}
			if err := yaml.Unmarshal([]byte(doc), ks); err != nil {
				t.Fatal(name, err)
			}
			ks.Namespace = "flux-system"
			ks.Status.LastAppliedRevision = revision
			out = append(out, ks)
		}
	}
	slices.SortFunc(out, func(a, b *kustomizev1.Kustomization) int { return cmp.Compare(a.Spec.Path, b.Spec.Path) })
	return out
}

func build(t *testing.T, tree repo, ks *kustomizev1.Kustomization) (*desired.State, error) {
	t.Helper()
	// What an edit changes in the manifest of the Kustomization itself is what Flux applies next.
	return desired.NewBuilder(client(), tree.of(ks)).Build(t.Context(), tree.declared(t, ks))
}

var above = regexp.MustCompile(`(?:\.\./)+([\w-]+)`)

// of leaves out the folders that neither the Kustomization nor any other folder names; to write them takes its time.
func (r repo) of(ks *kustomizev1.Kustomization) repo {
	needed := append(strings.Split(ks.Spec.Path, "/"), "clusters")
	for _, content := range r {
		for _, match := range above.FindAllStringSubmatch(content, -1) {
			needed = append(needed, match[1])
		}
	}
	out := maps.Clone(r)
	maps.DeleteFunc(out, func(file, _ string) bool {
		folder, _, _ := strings.Cut(file, "/")
		return !slices.Contains(needed, folder)
	})
	return out
}

// client serves the source, and what the corpus substitutes from.
var client = sync.OnceValue(func() ctrlclient.Client {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), kustomizev1.AddToScheme(scheme), sourcev1.AddToScheme(scheme)); err != nil {
		panic(err)
	}
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "flux-system"}}
	source.Status.Artifact = &meta.Artifact{Revision: revision, URL: "http://source/a.tar.gz", Digest: "sha256:x"}
	vars := metav1.ObjectMeta{Namespace: "flux-system", Name: "corpus-vars"}
	mapper := apimeta.NewDefaultRESTMapper(nil)
	mapper.Add(sourcev1.GroupVersion.WithKind("GitRepository"), apimeta.RESTScopeNamespace)
	return fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(source,
		&corev1.ConfigMap{ObjectMeta: vars, Data: map[string]string{"both": "from-config", "config": "multi\nline", "inline": "config"}},
		&corev1.Secret{ObjectMeta: vars, Data: map[string][]byte{"both": []byte("from-secret"), "secret": []byte("swordfish")}},
	).Build()
})

// declared is the Kustomization as the tree has it now.
func (r repo) declared(t *testing.T, ks *kustomizev1.Kustomization) *kustomizev1.Kustomization {
	t.Helper()
	for name, content := range r {
		if !strings.HasPrefix(name, "clusters/") || !strings.Contains(content, ks.Name) {
			continue
		}
		for _, doc := range regexp.MustCompile(`(?m)^---\n`).Split(content, -1) {
			now := &kustomizev1.Kustomization{}
			if err := yaml.Unmarshal([]byte(doc), now); err == nil && now.Name == ks.Name && now.Spec.Path == ks.Spec.Path {
				now.Namespace, now.Status = ks.Namespace, ks.Status
				return now
			}
		}
	}
	text, err := json.Marshal(ks)
	t.Fatalf("the tree does not declare %s (%v)", text, err)
	return nil
}
