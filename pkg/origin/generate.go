package origin

import (
	"encoding/base64"
	"path"
	"strings"
	"unicode/utf8"
)

// generate makes the object of a generator, or changes the one that it merges into or replaces.
func (r *replay) generate(l *layer, g generator, objects []*object) []*object {
	made := r.generated(l, g)
	behavior := g.args.get("behavior").scalar()
	if behavior != "merge" && behavior != "replace" {
		return append(objects, made)
	}
	wanted := made.name()
	for _, o := range objects {
		if !o.has(wanted) {
			continue
		}
		if behavior == "replace" {
			o.root.remove("data")
			o.root.remove("binaryData")
			o.declared = made.declared
		}
		for _, field := range []string{"data", "binaryData"} {
			for _, f := range fieldsOf(made.root.get(field)) {
				o.root.make(field).set(f.name, f.value)
			}
		}
		for _, field := range []string{"labels", "annotations"} {
			for _, f := range fieldsOf(made.root.follow("metadata", field)) {
				o.root.make("metadata", field).set(f.name, f.value)
			}
		}
		if immutable := made.root.get("immutable"); immutable != nil {
			o.root.set("immutable", immutable)
		}
		o.hashed = o.hashed || made.hashed
	}
	return objects
}

// has reports whether the object has or had the name.
func (o *object) has(wanted name) bool {
	for _, n := range append([]name{o.name()}, o.names...) {
		if n.kind == wanted.kind && n.name == wanted.name && effective(n.namespace) == effective(wanted.namespace) {
			return true
		}
	}
	return false
}

func (r *replay) generated(l *layer, g generator) *object {
	root := &node{kind: mapping, at: g.args.at}
	root.set("apiVersion", newScalar("v1", g.args.at))
	root.set("kind", newScalar(g.kind, g.args.at))
	metadata := root.make("metadata")
	metadata.set("name", newScalar(g.args.get("name").scalar(), g.args.place("name")))
	if namespace := filled(g.args.get("namespace")); namespace != nil {
		metadata.set("namespace", namespace)
	}
	if g.kind == "Secret" {
		kind := filled(g.args.get("type"))
		if kind == nil {
			kind = newScalar("Opaque", Origin{}) // kustomize's default
		}
		root.set("type", kind)
	}
	hashed := true
	// Options of the entry win over those of the whole kustomization.
	for _, options := range []*node{g.options, g.args.get("options")} {
		for _, field := range []string{"labels", "annotations"} {
			for _, f := range fieldsOf(options.get(field)) {
				metadata.make(field).set(f.name, f.value)
			}
		}
		if immutable := options.get("immutable"); isTrue(immutable) {
			root.set("immutable", immutable)
		}
		hashed = hashed && !isTrue(options.get("disableNameSuffixHash"))
	}
	r.pairs(l, g, root)
	return &object{root: root, declared: g.args.at, hashed: hashed}
}

// pairs fills in the data.
func (r *replay) pairs(l *layer, g generator, root *node) {
	envs := items(g.args.get("envs"))
	if env := filled(g.args.get("env")); env != nil {
		envs = append(envs, env)
	}
	for _, env := range envs {
		file := join(l.dir, env.scalar())
		content, _ := r.sources.read(file)
		n := 0
		for line := range strings.Lines(content) {
			n++
			line = strings.TrimLeft(strings.TrimPrefix(strings.TrimRight(line, "\r\n"), "\ufeff"), " \t")
			if line == "" || line[0] == '#' {
				continue
			}
			key, value, _ := strings.Cut(line, "=")
			g.add(root, key, value, Origin{file, n})
		}
	}
	for _, literal := range items(g.args.get("literals")) {
		key, value, _ := strings.Cut(literal.scalar(), "=")
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[0] == value[n-1] {
			value = value[1 : n-1]
		}
		g.add(root, key, value, literal.at)
	}
	for _, entry := range items(g.args.get("files")) {
		key, file, ok := strings.Cut(entry.scalar(), "=")
		if !ok {
			file = key
			key = path.Base(file)
		}
		file = join(l.dir, file)
		// The whole file is the value.
		content, held := r.sources.read(file)
		if !held {
			content = anything
		}
		g.add(root, key, content, Origin{File: file})
	}
}

func (g generator) add(root *node, key, value string, at Origin) {
	field := "data"
	switch {
	case g.kind == "Secret" && value != anything:
		value = base64.StdEncoding.EncodeToString([]byte(value))
	case !utf8.ValidString(value):
		field, value = "binaryData", base64.StdEncoding.EncodeToString([]byte(value))
	}
	root.make(field).set(key, newScalar(value, at))
}
