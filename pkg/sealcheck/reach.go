package sealcheck

import (
	"bytes"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reach is what a build of a folder may read.
type reach struct {
	// mentioned are the files that it may read.
	mentioned map[string]bool
	// plain says that the build changes nothing of SealedSecrets and of Flux's Kustomizations but their namespaces, so that
	// it can be spared: kustomize takes some 30 ms for the smallest build.
	plain bool
	// applied are the files with the objects that it applies, each with the namespaces that it applies them to; "" is the one
	// that they have themselves. It holds where plain is true.
	applied map[string]map[string]bool
}

// follower follows files of kustomize.
type follower struct {
	*Repository
	reach
	seen map[string]bool
}

// reachOf returns what a build of a folder may read, whose objects go to a namespace if it is not empty.
func (r *Repository) reachOf(dir, namespace string, components []string) reach {
	f := &follower{r, reach{mentioned: map[string]bool{}, plain: len(components) == 0, applied: map[string]map[string]bool{}}, map[string]bool{}}
	f.mention(dir)
	for _, name := range components {
		f.mention(path.Join(dir, name))
	}
	f.apply(dir, namespace, nil)
	return f.reach
}

// mention follows every text that is the name of a file or a folder of the repository: some too many, none too few.
func (f *follower) mention(name string) {
	if name = path.Clean(name); f.seen[name] || outside(name) {
		return
	}
	f.seen[name] = true
	file, ok := f.kustomizations[name]
	if !ok {
		f.below(name, func(file string) { f.mentioned[file] = true }, f.mention)
		return
	}
	f.mentioned[file] = true
	if root := f.kustomize(file); root != nil {
		scalars(root, func(text string) { f.mention(path.Join(name, text)) })
		f.mentionPlugins(name, root)
	}
}

// mentionPlugins follows the files in which generators and transformers are configured, which name files in turn.
func (f *follower) mentionPlugins(dir string, root *yaml.Node) {
	for _, field := range []string{"generators", "transformers", "validators"} {
		_, list := entry(root, field)
		for _, item := range content(list) {
			f.below(path.Join(dir, item.Value), func(file string) {
				text, err := f.source.ReadFile(file)
				if err != nil {
					return // the build says so
				}
				for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
					var document yaml.Node
					if decoder.Decode(&document) != nil {
						return // at its end, or as above
					}
					scalars(&document, func(text string) { f.mention(path.Join(dir, text)) })
				}
			}, func(string) {})
		}
	}
}

func outside(name string) bool { return name == ".." || strings.HasPrefix(name, "../") }

// below calls file for a file of that name, or for the manifests below that folder, and folder for those folders which have a
// file of kustomize that says what is taken of them. So does Flux where there is none.
func (f *follower) below(name string, file, folder func(string)) {
	if _, found := slices.BinarySearch(f.files, name); found {
		file(name)
		return
	}
	prefix := name + "/"
	if name == "." {
		prefix = ""
	}
	start, _ := slices.BinarySearch(f.files, prefix)
	var taken []string
	for _, entry := range f.files[start:] {
		if !strings.HasPrefix(entry, prefix) {
			break
		}
		if slices.ContainsFunc(taken, func(dir string) bool { return strings.HasPrefix(entry, dir+"/") }) || !manifest(entry) {
			continue
		}
		if dir := f.kustomized(path.Dir(entry), name); dir != "" {
			taken = append(taken, dir)
			folder(dir)
			continue
		}
		file(entry)
	}
}

// kustomized returns the uppermost folder with a file of kustomize from below a folder down to dir; empty if none has.
func (f *follower) kustomized(dir, below string) string {
	found := ""
	for ; dir != below && dir != "."; dir = path.Dir(dir) {
		if f.kustomizations[dir] != "" {
			found = dir
		}
	}
	return found
}

// kustomize reads a file of kustomize; nil if that cannot be read.
func (f *follower) kustomize(file string) *yaml.Node {
	text, err := f.source.ReadFile(file)
	var document yaml.Node
	if err != nil || yaml.Unmarshal(text, &document) != nil || len(document.Content) != 1 {
		return nil
	}
	return document.Content[0]
}

// scalars calls use for every text of a document. Generators name files as key=file.
func scalars(n *yaml.Node, use func(string)) {
	if n.Kind == yaml.ScalarNode && !strings.Contains(n.Value, "\n") {
		use(n.Value)
		if _, file, found := strings.Cut(n.Value, "="); found {
			use(file)
		}
	}
	for _, inner := range n.Content {
		scalars(inner, use)
	}
}

// harmless are the fields of kustomize that change neither name nor namespace nor annotations of what they list.
var harmless = []string{"apiVersion", "kind", "metadata", "configMapGenerator", "secretGenerator", "generatorOptions", "images", "replicas", "commonLabels", "sortOptions", "namespace", "resources", "bases", "components"}

// apply follows what is applied, as long as it is plain. The namespace of the outermost folder counts.
func (f *follower) apply(name, namespace string, above []string) {
	if name = path.Clean(name); !f.plain || outside(name) || slices.Contains(above, name) {
		return
	}
	above = append(above, name)
	add := func(file string) {
		if f.applied[file] == nil {
			f.applied[file] = map[string]bool{}
		}
		f.applied[file][namespace] = true
	}
	file, ok := f.kustomizations[name]
	if !ok {
		f.below(name, add, func(dir string) { f.apply(dir, namespace, above) })
		return
	}
	root := f.kustomize(file)
	if root == nil || root.Kind != yaml.MappingNode {
		f.plain = false
		return
	}
	if _, own := entry(root, "namespace"); namespace == "" && own != nil {
		namespace = own.Value
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i].Value, root.Content[i+1]
		switch key {
		case "resources", "bases", "components":
			for _, entry := range value.Content {
				f.apply(path.Join(name, entry.Value), namespace, above)
			}
		case "patches":
			for _, patch := range value.Content {
				f.plain = f.plain && f.elsewhere(name, patch)
			}
		case "commonAnnotations":
			for n := 0; n < len(value.Content); n += 2 {
				f.plain = f.plain && !strings.HasPrefix(value.Content[n].Value, "sealedsecrets.bitnami.com/")
			}
		case "labels":
			for _, label := range value.Content {
				_, fields := entry(label, "fields")
				f.plain = f.plain && fields == nil
			}
		default:
			f.plain = f.plain && slices.Contains(harmless, key)
		}
	}
}

var (
	kindName  = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	patchKind = regexp.MustCompile(`(?m)^kind:\s*([A-Za-z0-9]+)\s*$`)
)

// elsewhere reports whether a patch is for another kind than those that matter: by its target, or by what it is itself.
func (f *follower) elsewhere(dir string, patch *yaml.Node) bool {
	if _, target := entry(patch, "target"); target != nil {
		_, kind := entry(target, "kind")
		return kind != nil && kindName.MatchString(kind.Value) && !matters[kind.Value]
	}
	text := ""
	if _, inline := entry(patch, "patch"); inline != nil {
		text = inline.Value
	} else if _, file := entry(patch, "path"); file != nil {
		content, err := f.source.ReadFile(path.Join(dir, file.Value))
		if err != nil {
			return false
		}
		text = string(content)
	}
	return otherKinds(text)
}

// otherKinds reports whether a patch in block style is for kinds that do not matter.
func otherKinds(text string) bool {
	kinds := patchKind.FindAllStringSubmatch(text, -1)
	return len(kinds) > 0 && len(kinds) == strings.Count(text, "kind:") && !slices.ContainsFunc(kinds, func(kind []string) bool { return matters[kind[1]] })
}

// matters are the kinds whose names and namespaces matter here.
var matters = map[string]bool{"SealedSecret": true, "Kustomization": true}

// namespaces are those that a file's objects go to.
func (r reach) namespaces(file string) []string { return slices.Sorted(maps.Keys(r.applied[file])) }
