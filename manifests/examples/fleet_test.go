package examples_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/kustomize"
	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

var clusters = []string{"dev", "prod-ap", "prod-eu", "prod-us", "stage"}

// customKinds are the kinds whose definitions the infrastructure brings along.
var customKinds = map[schema.GroupKind]bool{
	{Group: "bitnami.com", Kind: "SealedSecret"}:          true,
	{Group: "platform.contoso.com", Kind: "ServiceLevel"}: true,
}

func TestEveryClusterHasItsFolders(t *testing.T) {
	for _, dir := range []string{
		"clusters", "infrastructure/overlays", "apps/overlays",
		"apps/payments-api/overlays", "apps/catalog-api/overlays",
	} {
		entries, err := os.ReadDir(filepath.Join("fleet", dir))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if !slices.Equal(names, clusters) {
			t.Errorf("%s holds %v, want one folder for each of %v", dir, names, clusters)
		}
	}
}

func TestEveryKustomizationFileBuilds(t *testing.T) {
	built := 0
	err := filepath.WalkDir("fleet", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "kustomization.yaml" {
			return err
		}
		dir := filepath.Dir(path)
		if isComponent(t, path) {
			return nil // built as a part of the overlays that name it
		}
		built++
		t.Run(dir, func(t *testing.T) {
			res, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if res.Size() == 0 {
				t.Error("the build is empty")
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := 3 /* bases */ + 4*len(clusters); built != want {
		t.Errorf("built %d folders, want %d", built, want)
	}
}

// Builds what each cluster would apply, the way kustomize-controller does: from the path of each
// Flux Kustomization in clusters/<name>.
func TestClustersApplyValidObjects(t *testing.T) {
	decoder := strictDecoder(t)
	for _, cluster := range clusters {
		t.Run(cluster, func(t *testing.T) {
			root := copyFleet(t)
			owners := build(t, root, flux("./clusters/"+cluster))
			if owners.Size() != 2 {
				t.Fatalf("clusters/%s holds %d objects, want the Kustomizations infrastructure and apps", cluster, owners.Size())
			}
			defined, used := map[schema.GroupKind]bool{}, map[schema.GroupKind]bool{}
			hosts := map[string]bool{}
			for _, owner := range owners.Resources() {
				ks := decode(t, decoder, []byte(owner.MustYaml())).(*kustomizev1.Kustomization)
				if ks.Spec.Path != "./"+ks.Name+"/overlays/"+cluster {
					t.Errorf("Kustomization %s of %s applies %s, another cluster's folder", ks.Name, cluster, ks.Spec.Path)
				}
				for _, res := range build(t, root, unstructuredOf(t, []byte(owner.MustYaml()))).Resources() {
					gvk := schema.FromAPIVersionAndKind(res.GetApiVersion(), res.GetKind())
					if got := res.GetLabels()["contoso.com/environment"]; got != cluster {
						t.Errorf("%s %s carries environment %q", gvk.Kind, res.GetName(), got)
					}
					if customKinds[gvk.GroupKind()] {
						used[gvk.GroupKind()] = true
						continue
					}
					switch obj := decode(t, decoder, []byte(res.MustYaml())).(type) {
					case *apiextensionsv1.CustomResourceDefinition:
						defined[schema.GroupKind{Group: obj.Spec.Group, Kind: obj.Spec.Names.Kind}] = true
					case *appsv1.Deployment:
						checkDeployment(t, obj)
					case *networkingv1.Ingress:
						hosts[obj.Spec.Rules[0].Host] = true
					}
				}
			}
			if !maps.Equal(defined, used) || !maps.Equal(used, customKinds) {
				t.Errorf("infrastructure defines %v, apps use %v", defined, used)
			}
			domain := strings.TrimPrefix(cluster, "prod-") + ".contoso.com"
			if want := map[string]bool{"payments." + domain: true, "catalog." + domain: true}; !maps.Equal(hosts, want) {
				t.Errorf("ingress hosts are %v, want %v", hosts, want)
			}
		})
	}
}

func checkDeployment(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	c := d.Spec.Template.Spec.Containers[0]
	if c.Name != d.Name {
		t.Errorf("Deployment %s: container is named %s", d.Name, c.Name)
	}
	if !strings.Contains(c.Image, ":") {
		t.Errorf("Deployment %s: image %s has no pinned tag", d.Name, c.Image)
	}
	for key, value := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Labels[key] != value {
			t.Errorf("Deployment %s: its pods lack the selector's label %s=%s", d.Name, key, value)
		}
	}
	switch d.Name {
	case "payments-api":
		if d.Spec.Replicas == nil {
			t.Error("payments-api declares no replicas")
		}
		if got := c.Resources.Limits.Memory().String(); got != "512Mi" {
			t.Errorf("payments-api's memory limit is %s, want 512Mi", got)
		}
	case "catalog-api":
		if d.Spec.Replicas != nil {
			t.Error("catalog-api declares replicas although an autoscaler owns them")
		}
	}
}

func isComponent(t *testing.T, file string) bool {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	object := unstructuredOf(t, data)
	return object.GetKind() == "Component"
}

// copyFleet copies the repository, because Flux writes the kustomization.yaml that a folder lacks.
func copyFleet(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("fleet")); err != nil {
		t.Fatal(err)
	}
	return root
}

// build renders the path of a Flux Kustomization in root as kustomize-controller does.
func build(t *testing.T, root string, ks unstructured.Unstructured) resmap.ResMap {
	t.Helper()
	path, _, err := unstructured.NestedString(ks.Object, "spec", "path")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, path)
	if _, err := kustomize.NewGenerator(root, ks).WriteFile(dir); err != nil {
		t.Fatal(err)
	}
	res, err := kustomize.SecureBuild(root, dir, false)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func flux(path string) unstructured.Unstructured {
	return unstructured.Unstructured{Object: map[string]any{
		"apiVersion": kustomizev1.GroupVersion.String(),
		"kind":       kustomizev1.KustomizationKind,
		"metadata":   map[string]any{"name": "flux-system", "namespace": "flux-system"},
		"spec":       map[string]any{"path": path},
	}}
}

func unstructuredOf(t *testing.T, data []byte) unstructured.Unstructured {
	t.Helper()
	var u unstructured.Unstructured
	if err := yaml.Unmarshal(data, &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// strictDecoder refuses fields that the API types do not have, as the API server's strict field
// validation does.
func strictDecoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, kustomizev1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

func decode(t *testing.T, decoder runtime.Decoder, data []byte) runtime.Object {
	t.Helper()
	obj, _, err := decoder.Decode(data, nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return obj
}
