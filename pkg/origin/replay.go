package origin

import (
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// replay follows single objects through the layers of a build.
type replay struct {
	sources *Sources
	owner   owner
	// file is the one whose objects are followed. The others are only read where a replacement copies from them. Empty
	// stands for all files with objects of the kind.
	file, kind string
	// name, if not empty, is what the object that is followed is called in the end: of the manifests in a file only those
	// are parsed whose names fit it best. chosen says that some were left out.
	name   string
	chosen bool
	// left is how many bytes of manifests may still be parsed, steps see maxSteps.
	left, steps int
	// affixes are those that layers give to names.
	affixes []string
	// copied are the names of the objects that replacements copy from.
	copied []string
	// layers and parsed are what has been read already.
	layers map[string]*layer
	parsed map[string][]document
	holds  map[string]bool
	// within are the folders that are being gone through: none is a part of itself.
	within map[string]bool
}

func newReplay(s *Sources, file string, applied *unstructured.Unstructured) *replay {
	return &replay{
		sources: s, owner: s.owner(), file: file, kind: applied.GetKind(), name: applied.GetName(), left: maxParsed, steps: maxSteps,
		layers: map[string]*layer{}, parsed: map[string][]document{}, holds: map[string]bool{}, within: map[string]bool{},
	}
}

// maxLayers bounds how deep kustomizations build on each other, maxSteps how many there are, together with the objects
// that each of them changes.
const (
	maxLayers = 32
	maxSteps  = 50_000
)

// run returns the objects of the file, as they leave the build.
func (r *replay) run() []*object {
	r.look(r.sources.dir, 0)
	var out []*object
	for _, o := range r.layer(r.sources.dir, nil, 0) {
		if r.file == "" || o.declared.File == r.file {
			r.owner.common(o.root)
			o.affixes = r.affixes
			out = append(out, o)
		}
	}
	return out
}

// look finds out which folders lead to the file, and which objects replacements copy from on the way.
func (r *replay) look(dir string, depth int) bool {
	if held, ok := r.holds[dir]; ok || depth > maxLayers {
		return held
	}
	r.holds[dir] = false
	l := r.read(dir)
	if l == nil {
		return false
	}
	held := r.file == "" || r.sources.folder(dir).kustomization == r.file
	for _, name := range append(l.resources, l.components...) {
		target := join(dir, name)
		if r.sources.folder(target) != nil {
			held = r.look(target, depth+1) || held
		} else {
			held = held || target == r.file
		}
	}
	for _, entry := range l.replacements {
		for _, replacement := range r.replacement(l, entry) {
			if source := replacement.follow("source", "name").scalar(); source != "" {
				r.copied = append(r.copied, source)
			}
		}
	}
	r.holds[dir] = held
	return held
}

// read parses the kustomization of a folder, nil if there is none.
func (r *replay) read(dir string) *layer {
	if l, ok := r.layers[dir]; ok {
		return l
	}
	folder := r.sources.folder(dir)
	if folder == nil {
		return nil
	}
	content, _ := r.sources.read(folder.kustomization)
	l := newLayer(dir, text{content: content, file: folder.kustomization}.first())
	if folder.kustomization == "" {
		l.resources = folder.resources
	}
	if dir == r.sources.dir {
		r.owner.merge(l)
	}
	for _, affix := range []*node{l.prefix, l.suffix} {
		if affix != nil {
			r.affixes = append(r.affixes, affix.text)
		}
	}
	r.layers[dir] = l
	return l
}

// layer adds to objects what a folder holds, and does to them what it says; a component does so to those of the
// kustomization that names it (kustomize, KustTarget.accumulateTarget).
func (r *replay) layer(dir string, objects []*object, depth int) []*object {
	l := r.read(dir)
	if l == nil || depth > maxLayers || r.within[dir] || r.steps < 0 {
		return objects
	}
	r.within[dir] = true
	defer delete(r.within, dir)
	for _, name := range l.resources {
		target := join(dir, name)
		if r.sources.folder(target) == nil {
			objects = append(objects, r.manifests(target)...)
		} else if r.holds[target] || len(r.copied) > 0 {
			objects = append(objects, r.layer(target, nil, depth+1)...)
		}
	}
	for _, g := range l.generators {
		objects = r.generate(l, g, objects)
	}
	for _, name := range l.components {
		objects = r.layer(join(dir, name), objects, depth+1)
	}
	r.steps -= 1 + len(objects)
	return r.transform(l, objects)
}

// manifests are the objects of a file that are followed.
func (r *replay) manifests(file string) []*object {
	if file != r.file && r.file != "" && len(r.copied) == 0 {
		return nil
	}
	content, _ := r.sources.read(file)
	best := r.best(file, content)
	docs := text{content: content, file: file}.documents(func(content string) bool {
		needed := (file == r.file || r.file == "" && strings.Contains(content, r.kind)) && fit(content, r.name) >= best
		r.chosen = r.chosen || !needed
		for _, name := range r.copied {
			needed = needed || strings.Contains(content, name)
		}
		if needed {
			r.left -= len(content)
		}
		return needed && r.left >= 0
	})
	var out []*object
	for _, doc := range docs {
		if kind := doc.root.get("kind").scalar(); strings.HasSuffix(kind, "List") && doc.root.get("items") != nil {
			for _, item := range items(doc.root.get("items")) {
				out = append(out, &object{root: item, declared: item.at})
			}
			continue
		}
		out = append(out, &object{root: doc.root, declared: doc.at})
	}
	return out
}

// best is how well the names in a file fit, at best.
func (r *replay) best(file, content string) int {
	best := 0
	if file == r.file && r.name != "" {
		for _, part := range split(content) {
			best = max(best, fit(part.content, r.name))
		}
	}
	return best
}

// fit is the length of the longest name in a manifest that is a part of a name, for affixes may come to it.
func fit(content, name string) int {
	best := 0
	for {
		_, rest, ok := strings.Cut(content, "name")
		if !ok {
			return best
		}
		content = rest
		value := strings.TrimLeft(rest, `"'`)
		if value, ok = strings.CutPrefix(value, ":"); !ok {
			continue
		}
		value = strings.TrimLeft(value, " \"'")
		if end := strings.IndexAny(value, " \t\r\n\"',}"); end >= 0 {
			value = value[:end]
		}
		if len(value) > best && strings.Contains(name, value) {
			best = len(value)
		}
	}
}

// documents are those of a patch.
func (r *replay) documents(l *layer, p patch) []document {
	if p.file == "" {
		return p.text.documents(nil)
	}
	file := path.Join(l.dir, p.file)
	docs, ok := r.parsed[file]
	if !ok {
		content, _ := r.sources.read(file)
		docs = text{content: content, file: file}.documents(nil)
		r.parsed[file] = docs
	}
	return docs
}
