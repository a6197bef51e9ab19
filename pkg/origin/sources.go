package origin

import (
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"weak"
)

// Sources is the text from which the objects of one Kustomization were built, compressed, with nothing of it on disk. It
// is immutable, so any number of goroutines may ask it. It answers from memory alone. The zero Sources and nil know
// nothing.
type Sources struct {
	// dir is the folder that is built.
	dir     string
	folders map[string]*folder
	blocks  []block
	// spec is the spec of the Flux Kustomization as JSON. declared is the file that declares it, empty if that is not
	// known, and document the number of its document there.
	spec     string
	declared string
	document int
	// last is the text that was unpacked last, for as long as memory is not short: the objects of a file are often asked
	// for one after the other.
	last atomic.Pointer[unpacked]
}

type unpacked struct {
	file    string
	content weak.Pointer[string]
}

// folder is a folder with a kustomization.
type folder struct {
	// kustomization is the path of its kustomization.yaml; empty where Flux makes one of everything that it finds.
	kustomization string
	// resources are what Flux puts into that.
	resources []string
}

func (s *Sources) folder(dir string) *folder { return s.folders[path.Clean(dir)] }

// read returns the text of a file; false where it is not kept.
func (s *Sources) read(file string) (string, bool) {
	if last := s.last.Load(); last != nil && last.file == file {
		if content := last.content.Value(); content != nil {
			return *content, true
		}
	}
	content, ok := find(s.blocks, file)
	if ok && len(content) >= blockSize/4 {
		s.last.Store(&unpacked{file, weak.Make(&content)})
	}
	return content, ok
}

// owner reads what the spec of the Flux Kustomization says, with places where these are known.
func (s *Sources) owner() owner {
	if s.declared != "" {
		content, _ := s.read(s.declared)
		docs := text{content: content, file: s.declared}.documents(nil)
		if s.document < len(docs) {
			return owner{docs[s.document].root.get("spec")}
		}
	}
	return owner{text{content: s.spec, blind: true}.first()}
}

// inside reports whether a path is below the root of the artifact.
func inside(name string) bool {
	return name != ".." && !strings.HasPrefix(name, "../") && !path.IsAbs(name) && !slices.Contains(strings.Split(name, "/"), "..")
}
