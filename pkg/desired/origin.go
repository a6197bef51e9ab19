package desired

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/kustomize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/resource"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/origin"
)

// Fields finds out where the fields of one of the state's objects are set, from what the state keeps in memory.
func (s *State) Fields(object Object) *origin.Fields {
	return s.Sources.Object(object.File, object.Unstructured)
}

// collect keeps the text that the build reads. Content is ks as JSON values.
func collect(root, dir string, ks *kustomizev1.Kustomization, content map[string]any) (*origin.Sources, error) {
	path, err := filepath.Rel(root, dir)
	if err != nil {
		return nil, err
	}
	spec, _ := content["spec"].(map[string]any)
	return origin.Collect(root, filepath.ToSlash(path), origin.Owner{Namespace: ks.Namespace, Name: ks.Name, Spec: spec})
}

// generate writes the kustomization.yaml that merges the Flux spec into the path's own, with kustomize's origin
// annotations switched on. It reports whether they were on already, so that they belong to the desired state. undo puts
// the path's own kustomization.yaml back.
func generate(root, dir string, spec unstructured.Unstructured) (ownOrigins bool, undo func() error, err error) {
	manifest, file, _, err := kustomize.NewGenerator(root, spec).GenerateManifest(dir)
	if err != nil {
		return false, nil, fmt.Errorf("the kustomization.yaml cannot be generated: %w", err)
	}
	var content kustypes.Kustomization
	if err := yaml.Unmarshal(manifest, &content); err != nil {
		return false, nil, err
	}
	ownOrigins = slices.Contains(content.BuildMetadata, kustypes.OriginAnnotations)
	if !ownOrigins {
		content.BuildMetadata = append(content.BuildMetadata, kustypes.OriginAnnotations)
		if manifest, err = yaml.Marshal(content); err != nil {
			return false, nil, err
		}
	}
	before, err := os.ReadFile(file)
	switch {
	case os.IsNotExist(err):
		undo = func() error { return os.Remove(file) }
	case err != nil:
		return false, nil, err
	default:
		undo = func() error { return os.WriteFile(file, before, 0o600) }
	}
	if err := os.WriteFile(file, manifest, 0o600); err != nil {
		return false, nil, errors.Join(err, undo())
	}
	return ownOrigins, undo, nil
}

// buildKustomization returns the resources of the kustomization in dir and the file that each comes from, relative to
// root; ownOrigins as of generate.
func (b *Builder) buildKustomization(root, dir string, ownOrigins bool) ([]*resource.Resource, map[*resource.Resource]string, error) {
	if !ownOrigins {
		if resources, files, err := buildPlain(root, dir, b.namespaced); err == nil {
			return resources, files, nil
		}
	}
	built, err := kustomize.SecureBuild(root, dir, false)
	if err != nil {
		return nil, nil, err
	}
	resources := built.Resources()
	files, err := takeOrigins(resources, root, dir, ownOrigins)
	return resources, files, err
}

// asYAML writes the resources as resmap.ResMap does.
func asYAML(resources []*resource.Resource) ([]byte, error) {
	var out bytes.Buffer
	for i, r := range resources {
		content, err := r.AsYAML()
		if err != nil {
			return nil, &objectError{r.GetKind(), r.GetName(), "writing it as YAML", err}
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(content)
	}
	return out.Bytes(), nil
}

// takeOrigins returns the file that each resource comes from, relative to root, and takes the origin annotations off
// again unless keep says that they are part of the desired state.
func takeOrigins(resources []*resource.Resource, root, dir string, keep bool) (map[*resource.Resource]string, error) {
	files := map[*resource.Resource]string{}
	base, err := filepath.Rel(root, dir)
	if err != nil {
		return nil, err
	}
	for _, r := range resources {
		annotated, err := r.GetOrigin()
		if err != nil {
			return nil, err
		}
		if file := originFile(annotated); file != "" {
			files[r] = filepath.ToSlash(filepath.Join(base, file))
		}
		if keep {
			continue
		}
		if err := r.SetOrigin(nil); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// byKey finds the files by the names that the resources have now; substitution may have changed them.
func byKey(files map[*resource.Resource]string) map[Key]string {
	out := make(map[Key]string, len(files))
	for r, file := range files {
		// GetGvk reads what other builds write.
		group, _ := resid.ParseGroupVersion(r.GetApiVersion())
		out[Key{Group: group, Kind: r.GetKind(), Namespace: r.GetNamespace(), Name: r.GetName()}] = file
	}
	return out
}

// originFile is the manifest of a resource, or the kustomization.yaml whose generator made it; empty where the
// resource comes from another repository.
func originFile(of *resource.Origin) string {
	switch {
	case of == nil || of.Repo != "":
		return ""
	case of.Path != "":
		return of.Path
	}
	return of.ConfiguredIn
}
