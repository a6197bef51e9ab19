package origin

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
)

// maxKept bounds the text that is kept for one Kustomization, in bytes before compression.
const maxKept = 32 << 20

// Owner is the Flux Kustomization that is built.
type Owner struct {
	Namespace, Name string
	// Spec is its spec as JSON values.
	Spec map[string]any
}

// Collect reads what the build of dir below root reads, both as the path of a folder, before anything is written there.
// What is not a regular file below root is left out, and what is too large: the lines there are not known then.
func Collect(root, dir string, of Owner) (_ *Sources, err error) {
	tree, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	c := collector{tree: tree.FS(), left: maxKept, files: map[string]string{}, sources: &Sources{dir: path.Clean(dir), folders: map[string]*folder{}}}
	own := c.own(of)
	l := c.folder(c.sources.dir, 0)
	own.merge(l)
	c.layer(l, 0)
	return c.finish(of)
}

type collector struct {
	tree    fs.FS
	left    int
	files   map[string]string
	sources *Sources
}

// keep reads a file, once.
func (c *collector) keep(file string) string {
	if content, ok := c.files[file]; ok || !inside(file) {
		return content
	}
	info, err := fs.Lstat(c.tree, file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxText || int(info.Size()) > c.left {
		return ""
	}
	content, err := fs.ReadFile(c.tree, file)
	if err != nil {
		return ""
	}
	c.left -= len(content)
	c.files[file] = string(content)
	return c.files[file]
}

// folder notes a folder and returns its kustomization, not what that names.
func (c *collector) folder(dir string, depth int) *layer {
	f := &folder{}
	c.sources.folders[dir] = f
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		file := join(dir, name)
		content := c.keep(file)
		if content == "" {
			continue
		}
		f.kustomization = file
		return newLayer(dir, text{content: content, file: file}.first())
	}
	l := newLayer(dir, nil)
	if depth == 0 {
		f.resources = c.found(dir)
		l.resources = f.resources
	}
	return l
}

// found is what Flux makes a kustomization of where there is none: all manifests, and folders that have one.
func (c *collector) found(dir string) []string {
	var out []string
	err := fs.WalkDir(c.tree, dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(file, dir), "/")
		switch {
		case file == dir:
		case entry.IsDir() && c.kustomized(file):
			out = append(out, name)
			return fs.SkipDir
		case entry.Type().IsRegular() && (path.Ext(file) == ".yaml" || path.Ext(file) == ".yml"):
			out = append(out, name)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return out
}

func (c *collector) kustomized(dir string) bool {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if info, err := fs.Stat(c.tree, join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// layer keeps what a kustomization names, and what those name that it builds on.
func (c *collector) layer(l *layer, depth int) {
	for _, name := range append(l.resources, l.components...) {
		target := join(l.dir, name)
		if !inside(target) {
			continue
		}
		if info, err := fs.Stat(c.tree, target); err != nil {
			continue
		} else if !info.IsDir() {
			c.keep(target)
		} else if c.sources.folders[target] == nil && depth < maxLayers {
			c.layer(c.folder(target, depth+1), depth+1)
		}
	}
	for _, p := range append(l.patches, l.late...) {
		if p.file != "" {
			c.keep(join(l.dir, p.file))
		}
	}
	for _, entry := range l.replacements {
		if file := entry.get("path").scalar(); file != "" {
			c.keep(join(l.dir, file))
		}
	}
	for _, g := range l.generators {
		for _, name := range append(texts(g.args.get("envs")), texts(g.args.get("files"))...) {
			if _, file, ok := strings.Cut(name, "="); ok {
				name = file
			}
			c.keep(join(l.dir, name))
		}
		if name := g.args.get("env").scalar(); name != "" {
			c.keep(join(l.dir, name))
		}
	}
}

func (c *collector) finish(of Owner) (*Sources, error) {
	spec, err := json.Marshal(relevant(of.Spec))
	if err != nil {
		return nil, err
	}
	c.sources.spec = string(spec)
	var p packer
	for _, file := range slices.Sorted(maps.Keys(c.files)) {
		if err := p.add(file, c.files[file]); err != nil {
			return nil, err
		}
	}
	if err := p.flush(); err != nil {
		return nil, err
	}
	c.sources.blocks = p.blocks
	return c.sources, nil
}
