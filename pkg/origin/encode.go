package origin

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"iter"
	"unique"
)

// encoded is Sources as it is written.
type encoded struct {
	Dir      string
	Folders  map[string]encodedFolder
	Blocks   []encodedBlock
	Spec     string
	Declared string
	Document int
}

type encodedFolder struct {
	Kustomization string
	Resources     []string
}

type encodedBlock struct{ First, Data string }

// MarshalBinary implements encoding.BinaryMarshaler.
func (s *Sources) MarshalBinary() ([]byte, error) {
	out := encoded{Dir: s.dir, Spec: s.spec, Declared: s.declared, Document: s.document, Folders: make(map[string]encodedFolder, len(s.folders))}
	for path, f := range s.folders {
		out.Folders[path] = encodedFolder{f.kustomization, f.resources}
	}
	for _, b := range s.blocks {
		out.Blocks = append(out.Blocks, encodedBlock{b.first, b.data.Value()})
	}
	var text bytes.Buffer
	err := gob.NewEncoder(&text).Encode(out)
	return text.Bytes(), err
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler. It must not be called on Sources that are in use.
func (s *Sources) UnmarshalBinary(text []byte) error {
	var in encoded
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&in); err != nil {
		return fmt.Errorf("these are no sources: %w", err)
	}
	s.dir, s.spec, s.declared, s.document = in.Dir, in.Spec, in.Declared, in.Document
	s.folders = make(map[string]*folder, len(in.Folders))
	for path, f := range in.Folders {
		s.folders[path] = &folder{f.Kustomization, f.Resources}
	}
	s.blocks = nil
	for _, b := range in.Blocks {
		s.blocks = append(s.blocks, block{b.First, unique.Make(b.Data)})
	}
	return nil
}

// Texts are the files and their text, and under no name the spec of the Flux Kustomization as JSON.
func (s *Sources) Texts() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if !yield("", s.spec) {
			return
		}
		for _, b := range s.blocks {
			for name, text := range b.files() {
				if !yield(name, text) {
					return
				}
			}
		}
	}
}
