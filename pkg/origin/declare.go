package origin

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"strings"

	"sigs.k8s.io/yaml"
)

// fluxGroup is the API group of Flux's Kustomizations.
const fluxGroup = "kustomize.toolkit.fluxcd.io/"

// maxSearched bounds how much of an artifact is searched for the manifest of the Kustomization, in bytes.
const maxSearched = 32 << 20

// writing are the fields of a Flux Kustomization's spec that write into the objects.
var writing = []string{"patches", "images", "components", "namePrefix", "nameSuffix", "targetNamespace", "commonMetadata"}

// relevant is the part of a spec that writes into the objects.
func relevant(spec map[string]any) map[string]any {
	out := map[string]any{}
	for _, name := range writing {
		if v, ok := spec[name]; ok {
			out[name] = v
		}
	}
	return out
}

// own finds the manifest that declares the Kustomization, in the artifact that it builds itself from: of its name, with
// the path of its spec and all that it writes. Where two fit, as of clusters that are configured alike, it is not told
// which one is meant.
func (c *collector) own(of Owner) owner {
	spec, err := json.Marshal(relevant(of.Spec))
	if err != nil {
		return owner{}
	}
	blind := owner{text{content: string(spec), blind: true}.first()}
	if len(relevant(of.Spec)) == 0 {
		return blind
	}
	type place struct {
		file     string
		document int
	}
	var fits []place
	left := maxSearched
	err = fs.WalkDir(c.tree, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || path.Ext(file) != ".yaml" && path.Ext(file) != ".yml" {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() > maxText {
			return err
		}
		if left -= int(info.Size()); left < 0 {
			return fmt.Errorf("more than %d bytes", maxSearched)
		}
		content, err := fs.ReadFile(c.tree, file)
		if err != nil {
			return err
		}
		for _, document := range declaring(string(content), of) {
			fits = append(fits, place{file, document})
		}
		return nil
	})
	if err != nil || len(fits) != 1 {
		return blind
	}
	docs := text{content: c.keep(fits[0].file), file: fits[0].file}.documents(nil)
	if fits[0].document >= len(docs) {
		return blind
	}
	c.sources.declared, c.sources.document = fits[0].file, fits[0].document
	return owner{docs[fits[0].document].root.get("spec")}
}

// declaring are the numbers of the documents that declare the Kustomization.
func declaring(content string, of Owner) []int {
	if !strings.Contains(content, fluxGroup) || !strings.Contains(content, of.Name) {
		return nil
	}
	var out []int
	n := 0
	for _, part := range split(content) {
		if (text{content: part.content}).parse() == nil {
			continue
		}
		var manifest struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name      string `json:"name"`
				Namespace string `json:"namespace"`
			} `json:"metadata"`
			Spec map[string]any `json:"spec"`
		}
		err := yaml.Unmarshal([]byte(strings.TrimSpace(part.content)), &manifest)
		if err == nil && strings.HasPrefix(manifest.APIVersion, fluxGroup) && manifest.Kind == "Kustomization" &&
			manifest.Metadata.Name == of.Name && (manifest.Metadata.Namespace == "" || manifest.Metadata.Namespace == of.Namespace) &&
			samePath(manifest.Spec["path"], of.Spec["path"]) && same(relevant(manifest.Spec), relevant(of.Spec)) {
			out = append(out, n)
		}
		n++
	}
	return out
}

func samePath(a, b any) bool {
	x, _ := a.(string)
	y, _ := b.(string)
	return path.Clean("/"+x) == path.Clean("/"+y)
}

// same compares JSON values, whatever Go types their numbers have.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	var u, v any
	return errX == nil && errY == nil && json.Unmarshal(x, &u) == nil && json.Unmarshal(y, &v) == nil && reflect.DeepEqual(u, v)
}
