package origin

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// layer is one kustomization, with the places of what it says. What is in a list comes in the order in which kustomize
// applies it.
type layer struct {
	dir        string
	resources  []string
	components []string
	patches    []patch
	// late are those of patchesJson6902, which come after names and labels.
	late                      []patch
	namespace, prefix, suffix *node
	labels                    []labelling
	annotations               *node
	replicas                  []*node
	images                    []image
	generators                []generator
	replacements              []*node
}

// patch is a patch of either kind; which one shows in its text.
type patch struct {
	// target is nil for a strategic merge patch that names its object itself.
	target *node
	text   text
	// file, if not empty, holds the text.
	file string
	// renames says that it may change name and kind.
	renames bool
}

// labelling is one set of labels and where it goes to.
type labelling struct {
	pairs                         *node
	selectors, templates, volumes bool
	fields                        []*node
}

// image is what an entry of images sets; nil for what it leaves alone.
type image struct {
	name                               string
	newName, newTag, digest, tagSuffix *node
}

// generator is an entry of configMapGenerator or secretGenerator.
type generator struct {
	kind string
	args *node
	// options are those of the whole kustomization.
	options *node
}

// newLayer reads a kustomization.
func newLayer(dir string, doc *node) *layer {
	l := &layer{
		dir:          dir,
		resources:    append(texts(doc.get("resources")), texts(doc.get("bases"))...),
		components:   texts(doc.get("components")),
		namespace:    filled(doc.get("namespace")),
		prefix:       filled(doc.get("namePrefix")),
		suffix:       filled(doc.get("nameSuffix")),
		annotations:  doc.get("commonAnnotations"),
		replicas:     items(doc.get("replicas")),
		replacements: items(doc.get("replacements")),
	}
	for _, entry := range items(doc.get("patchesStrategicMerge")) {
		if strings.ContainsAny(entry.scalar(), "\n{") {
			l.patches = append(l.patches, patch{text: inner(entry)})
		} else {
			l.patches = append(l.patches, patch{file: entry.scalar()})
		}
	}
	l.patches = append(l.patches, patches(doc.get("patches"))...)
	l.late = patches(doc.get("patchesJson6902"))
	for _, entry := range items(doc.get("labels")) {
		l.labels = append(l.labels, labelling{
			pairs: entry.get("pairs"), selectors: isTrue(entry.get("includeSelectors")),
			templates: isTrue(entry.get("includeTemplates")), volumes: isTrue(entry.get("includeVolumeClaimTemplates")),
			fields: items(entry.get("fields")),
		})
	}
	if common := doc.get("commonLabels"); common != nil {
		l.labels = append(l.labels, labelling{pairs: common, selectors: true})
	}
	for _, entry := range append(items(doc.get("imageTags")), items(doc.get("images"))...) {
		l.images = append(l.images, newImage(entry))
	}
	for _, kind := range []string{"ConfigMap", "Secret"} {
		for _, entry := range items(doc.get(strings.ToLower(kind[:1]) + kind[1:] + "Generator")) {
			l.generators = append(l.generators, generator{kind, entry, doc.get("generatorOptions")})
		}
	}
	return l
}

func newImage(entry *node) image {
	return image{
		name: entry.get("name").scalar(), newName: filled(entry.get("newName")), newTag: filled(entry.get("newTag")),
		digest: filled(entry.get("digest")), tagSuffix: filled(entry.get("tagSuffix")),
	}
}

func patches(entries *node) []patch {
	var out []patch
	for _, entry := range items(entries) {
		p := patch{target: entry.get("target"), file: entry.get("path").scalar()}
		p.renames = isTrue(entry.follow("options", "allowNameChange")) || isTrue(entry.follow("options", "allowKindChange"))
		if inline := entry.get("patch"); filled(inline) != nil {
			p.text, p.file = inner(inline), ""
		}
		out = append(out, p)
	}
	return out
}

// join is a path that a kustomization in dir names, relative to the root of the artifact.
func join(dir, name string) string { return path.Join(dir, name) }

// filled is n, or nil where it is empty.
func filled(n *node) *node {
	if n == nil || n.kind == scalar && (n.null || n.text == "") {
		return nil
	}
	return n
}

func items(n *node) []*node {
	if n == nil || n.kind != list {
		return nil
	}
	return slices.Clone(n.items)
}

func texts(n *node) []string {
	var out []string
	for _, item := range items(n) {
		if item.scalar() != "" {
			out = append(out, item.text)
		}
	}
	return out
}

func isTrue(n *node) bool {
	value, err := strconv.ParseBool(n.scalar())
	return err == nil && value
}
