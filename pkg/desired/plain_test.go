package desired

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/kustomize"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/kustomize/api/resource"
)

const (
	traced = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nbuildMetadata: [originAnnotations]\n"
	listed = traced + "resources: [a.yaml]\n"
	first  = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: first\n  namespace: shop\ndata: {a: b}\n"
	second = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: second}\n"
	spec   = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      "
)

func TestAPlainBuildIsThatOfKustomize(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"files in their order": {
			"kustomization.yaml": traced + "resources: [b.yaml, ./a.yaml]\n", "a.yaml": first, "b.yaml": second,
		},
		"many in a file, comments and empty documents": {
			"kustomization.yaml": listed, "a.yaml": "# nothing\n---\n" + first + "---\n---\n# none\n---\n" + second + "---\n",
		},
		"an empty file":          {"kustomization.yaml": traced + "resources: [a.yaml, b.yaml]\n", "a.yaml": "", "b.yaml": first},
		"lists":                  {"kustomization.yaml": listed, "a.yaml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: Secret, metadata: {name: b}, stringData: {a: \"1\"}}\n---\n" + first},
		"a typed list":           {"kustomization.yaml": listed, "a.yaml": "apiVersion: v1\nkind: ConfigMapList\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}]\n"},
		"an empty list":          {"kustomization.yaml": traced + "resources: [a.yaml, b.yaml]\n", "a.yaml": "apiVersion: v1\nkind: List\nitems: []\n", "b.yaml": first},
		"JSON":                   {"kustomization.yaml": traced + "resources: [a.json]\n", "a.json": `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","annotations":{}},"data":{"n":"1"}}`},
		"anchors and merge keys": {"kustomization.yaml": listed, "a.yaml": first + "  # b\nx: &x {b: c}\ny: *x\nz: {<<: *x, d: e}\n"},
		"odd scalars":            {"kustomization.yaml": listed, "a.yaml": "apiVersion: example.com/v1\nkind: Odd\nmetadata: {name: odd, annotations: {a: \"1\"}, labels: {}}\nspec: {a: 0x10, b: 1e3, c: yes, d: 012, e: 1.0, f: ~, g: \"\", h: 2020-01-01, i: 'x\n\n    y', j: [], k: {}}\n"},
		"odd text":               {"kustomization.yaml": listed, "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: text\n  annotations: {b: \"2\", a: x}\ndata:\n  folded: >-\n    one\n    two\n  kept: |+\n    x\n\n  number: \"1\"\n  bool: \"true\"\n"},
		"null in a list":         {"kustomization.yaml": listed, "a.yaml": spec + "containers: [null]\n"},
		"two namespaces":         {"kustomization.yaml": traced + "resources: [a.yaml, b.yaml]\n", "a.yaml": first, "b.yaml": strings.Replace(first, "shop", "bar", 1)},
		"two versions":           {"kustomization.yaml": traced + "resources: [a.yaml, b.yaml]\n", "a.yaml": first, "b.yaml": strings.Replace(first, "v1", "example.com/v2", 1)},
		"references":             {"kustomization.yaml": listed, "a.yaml": first + "---\n" + spec + "volumes: [{configMap: {name: first}}]\n      serviceAccountName: web\n"},
		"a binding that names an account of the build": {"kustomization.yaml": listed, "a.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: shop}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\nsubjects: [{kind: ServiceAccount, name: a}]\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: a}\n"},
		"folders": {
			"kustomization.yaml": traced + "resources: [a.yaml, deep, ../outside]\n", "a.yaml": first,
			"deep/kustomization.yml":        "resources: [b.yaml, er/]\n",
			"deep/b.yaml":                   second,
			"deep/er/Kustomization":         "kind: Kustomization\nbuildMetadata: [transformerAnnotations]\nresources: [c.yaml]\n",
			"deep/er/c.yaml":                strings.Replace(second, "second", "third", 1),
			"../outside/kustomization.yaml": "resources: [../folder/d.yaml]\n",
			"d.yaml":                        strings.Replace(second, "second", "fourth", 1),
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := tree(t, files)
			resources, origins, err := buildPlain(root, dir, namespaced)
			if err != nil {
				t.Fatal(err)
			}
			want, err := kustomize.SecureBuild(root, dir, false)
			if err != nil {
				t.Fatal(err)
			}
			wantOrigins, err := takeOrigins(want.Resources(), root, dir, false)
			if err != nil {
				t.Fatal(err)
			}
			wantText, err := want.AsYaml()
			if err != nil {
				t.Fatal(err)
			}
			if text, err := asYAML(resources); err != nil || string(text) != string(wantText) {
				t.Errorf("built\n%s\ninstead of\n%s\n%v", text, wantText, err)
			}
			if got, want := inOrder(resources, origins), inOrder(want.Resources(), wantOrigins); !slices.Equal(got, want) {
				t.Errorf("the objects come from %q instead of %q", got, want)
			}
			// What Flux builds: without a trace of where things come from.
			if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(strings.ReplaceAll(files["kustomization.yaml"], "buildMetadata: [originAnnotations]\n", "")), 0o600); err != nil {
				t.Fatal(err)
			}
			flux, err := kustomize.SecureBuild(root, dir, false)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := flux.AsYaml(); err != nil || string(text) != string(wantText) {
				t.Errorf("Flux builds\n%s\ninstead of\n%s\n%v", text, wantText, err)
			}
		})
	}
}

func TestWhatIsNotPlainIsLeftToKustomize(t *testing.T) {
	rbac := "apiVersion: rbac.authorization.k8s.io/v1\nkind: "
	for name, files := range map[string]map[string]string{
		"no kustomization":           {"a.yaml": first},
		"two kustomizations":         {"kustomization.yaml": listed, "Kustomization": listed, "a.yaml": first},
		"no trace of origins":        {"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": first},
		"a label of our version":     {"kustomization.yaml": "buildMetadata: [originAnnotations, managedByLabel]\nresources: [a.yaml]\n", "a.yaml": first},
		"an unknown field":           {"kustomization.yaml": listed + "surprise: true\n", "a.yaml": first},
		"an unknown kind":            {"kustomization.yaml": "kind: Surprise\n" + "buildMetadata: [originAnnotations]\nresources: [a.yaml]\n", "a.yaml": first},
		"a component":                {"kustomization.yaml": traced + "resources: [c]\n", "c/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [a.yaml]\n", "c/a.yaml": first},
		"a namespace":                {"kustomization.yaml": listed + "namespace: other\n", "a.yaml": first},
		"a prefix in a folder":       {"kustomization.yaml": traced + "resources: [b]\n", "b/kustomization.yaml": "namePrefix: x-\nresources: [a.yaml]\n", "b/a.yaml": first},
		"bases":                      {"kustomization.yaml": listed + "bases: [b]\n", "a.yaml": first, "b/kustomization.yaml": "resources: [a.yaml]\n", "b/a.yaml": second},
		"labels":                     {"kustomization.yaml": listed + "labels: [{pairs: {a: b}}]\n", "a.yaml": first},
		"images":                     {"kustomization.yaml": listed + "images: [{name: a, newTag: b}]\n", "a.yaml": first},
		"patches":                    {"kustomization.yaml": listed + "patches: [{patch: 'x', target: {kind: None}}]\n", "a.yaml": first},
		"a generator":                {"kustomization.yaml": listed + "configMapGenerator: [{name: g, literals: [a=b]}]\n", "a.yaml": first},
		"an order":                   {"kustomization.yaml": listed + "sortOptions: {order: legacy}\n", "a.yaml": first},
		"a schema":                   {"kustomization.yaml": listed + "openapi: {version: v1.20.4}\n", "a.yaml": first},
		"no resources":               {"kustomization.yaml": traced},
		"a missing file":             {"kustomization.yaml": listed},
		"a folder without any":       {"kustomization.yaml": traced + "resources: [b]\n", "b/a.yaml": first},
		"itself":                     {"kustomization.yaml": traced + "resources: [a.yaml, ./]\n", "a.yaml": first},
		"a cycle":                    {"kustomization.yaml": traced + "resources: [b]\n", "b/kustomization.yaml": "resources: [../]\n"},
		"a folder twice":             {"kustomization.yaml": traced + "resources: [b, b]\n", "b/kustomization.yaml": "resources: [a.yaml]\n", "b/a.yaml": first},
		"a repository's name":        {"kustomization.yaml": traced + "resources: [github.com/a/b]\n", "github.com/a/b/kustomization.yaml": "resources: [a.yaml]\n", "github.com/a/b/a.yaml": first},
		"invalid YAML":               {"kustomization.yaml": listed, "a.yaml": "a: b: c\n"},
		"no object":                  {"kustomization.yaml": listed, "a.yaml": "just: text\n"},
		"a name that is generated":   {"kustomization.yaml": listed, "a.yaml": strings.Replace(second, "name:", "generateName:", 1)},
		"a duplicate in a file":      {"kustomization.yaml": listed, "a.yaml": first + "---\n" + first},
		"a duplicate in another":     {"kustomization.yaml": traced + "resources: [a.yaml, b.yaml]\n", "a.yaml": first, "b.yaml": first},
		"the default namespace":      {"kustomization.yaml": listed, "a.yaml": second + "---\n" + strings.Replace(second, "second", "second, namespace: default", 1)},
		"one cluster-scoped object":  {"kustomization.yaml": listed, "a.yaml": rbac + "ClusterRole\nmetadata: {name: a, namespace: x}\n---\n" + rbac + "ClusterRole\nmetadata: {name: a, namespace: y}\n"},
		"a local object":             {"kustomization.yaml": listed, "a.yaml": strings.Replace(second, "second", "second, annotations: {config.kubernetes.io/local-config: 'true'}", 1)},
		"an internal annotation":     {"kustomization.yaml": listed, "a.yaml": strings.Replace(second, "second", "second, annotations: {internal.config.kubernetes.io/needsHashSuffix: enabled}", 1)},
		"its own origin":             {"kustomization.yaml": listed, "a.yaml": strings.Replace(second, "second", "second, annotations: {config.kubernetes.io/origin: 'path: x'}", 1)},
		"a subject without a name":   {"kustomization.yaml": listed, "a.yaml": rbac + "RoleBinding\nmetadata: {name: a}\nsubjects: [{kind: User}]\n"},
		"a subject that is none":     {"kustomization.yaml": listed, "a.yaml": rbac + "RoleBinding\nmetadata: {name: a}\nsubjects: [text]\n"},
		"text instead of containers": {"kustomization.yaml": listed, "a.yaml": spec + "containers: text\n"},
		"annotations that are none":  {"kustomization.yaml": listed, "a.yaml": strings.Replace(second, "second", "second, annotations: [a]", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			root, dir := tree(t, files)
			if resources, _, err := buildPlain(root, dir, namespaced); err == nil {
				text, _ := asYAML(resources)
				t.Fatalf("it was built to\n%s", text)
			}
		})
	}
}

func TestASymbolicLinkIsLeftToKustomize(t *testing.T) {
	root, dir := tree(t, map[string]string{"kustomization.yaml": listed, "b.yaml": first})
	if err := os.Symlink("b.yaml", filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := buildPlain(root, dir, namespaced); err == nil {
		t.Error("a link was followed")
	}
}

func TestTheFieldsThatNameObjectsAreThoseOfKustomize(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kustomize/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "internal/konfig/builtinpluginconsts/namereference.go"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), "`\n"+string(referenceConfig)+"`") {
		t.Error("namereference.yaml is not that of the kustomize which is used; copy it from", filepath.Base(string(out)))
	}
}

// tree writes files below a folder of a new tree.
func tree(t *testing.T, files map[string]string) (root, dir string) {
	t.Helper()
	root = t.TempDir()
	dir = filepath.Join(root, "folder")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(files[name]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root, dir
}

func namespaced(_, kind string) bool { return kind == "ConfigMap" }

func inOrder(resources []*resource.Resource, files map[*resource.Resource]string) []string {
	out := make([]string, len(resources))
	for i, r := range resources {
		out[i] = files[r]
	}
	return out
}

func TestASubstitutionThatGivesAnObjectTheNameOfAnotherFails(t *testing.T) {
	for variable, fails := range map[string]bool{"second": true, "third": false} {
		ks := kustomization("./", func(ks *kustomizev1.Kustomization) {
			ks.Spec.PostBuild = &kustomizev1.PostBuild{Substitute: map[string]string{"name": variable}}
		})
		_, err := build(t, ks, folder{dir: t.TempDir(), files: map[string]string{
			"a.yaml": strings.Replace(second, "second", "'${name}'", 1), "b.yaml": second,
		}})
		if (err != nil) != fails {
			t.Errorf("with the name %q: %v", variable, err)
		}
	}
}

func TestPlainAndOtherBuildsRunAtOnce(t *testing.T) {
	ownTemp(t)
	custom := "apiVersion: example.com/v1\nkind: Custom\nmetadata: {name: a, namespace: b}\n"
	builder := NewBuilder(newClient(t, source(revision)), folder{dir: t.TempDir(), files: map[string]string{
		"plain/a.yaml": first, "plain/b.yaml": strings.Replace(first, "shop", "bar", 1), "plain/c.yaml": custom,
		"other/kustomization.yaml": "namePrefix: x-\nresources: [c.yaml]\n", "other/c.yaml": custom,
	}})
	var group errgroup.Group
	for range 8 {
		for path, want := range map[string]int{"plain": 3, "other": 1} {
			group.Go(func() error {
				state, err := builder.Build(t.Context(), kustomization(path, nil))
				if err == nil && len(state.Objects) != want {
					err = fmt.Errorf("%s has %d objects instead of %d", path, len(state.Objects), want)
				}
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}
