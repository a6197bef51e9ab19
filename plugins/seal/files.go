package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// stdin is how people name what comes in on standard input.
const stdin = "-"

// maxInput bounds what is read of a file: more than any manifest holds that an API server takes.
const maxInput = 64 << 20

// manifests are the files at a path: itself, or all of a folder that may hold manifests, sorted.
func manifests(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var out []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case entry.Type().IsRegular() && slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(file))):
			out = append(out, file)
		}
		return nil
	})
	return out, err
}

// read reads a file, or standard input for "-".
func read(path string, in io.Reader) (_ []byte, err error) {
	if path != stdin {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown(path), err)
	}
	if len(text) > maxInput {
		return nil, fmt.Errorf("%s is larger than %d MiB", shown(path), maxInput>>20)
	}
	return text, nil
}

// readIfThere reads a file; one that is not there is empty.
func readIfThere(path string) ([]byte, error) {
	text, err := read(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// shown is a path for people.
func shown(path string) string {
	if path == stdin {
		return "standard input"
	}
	return path
}

// parseFile reads the documents of a file.
func parseFile(path string, text []byte) (*yamledit.File, error) {
	f, err := yamledit.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown(path), err)
	}
	return f, nil
}

// mentions reports whether a text can hold an object of a kind. Others need not be read.
func mentions(text []byte, kind string) bool { return bytes.Contains(text, []byte(kind)) }

// isTemplate reports whether a text that is no YAML can be a template, of a chart for instance, which need not be.
func isTemplate(text []byte) bool { return bytes.Contains(text, []byte("{{")) }

// sealedIn finds the SealedSecret of a file that a command is about: the only one, or that of a name, [NAMESPACE/]NAME.
func sealedIn(path string, f *yamledit.File, wanted string) (*yamledit.Document, error) {
	var found []*yamledit.Document
	var names []string
	for _, d := range f.Documents() {
		if sealdoc.Kind(d) != sealdoc.SealedSecretKind {
			continue
		}
		s, err := sealdoc.Read(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shown(path), err)
		}
		full := s.Name
		if s.Namespace != "" {
			full = s.Namespace + "/" + s.Name
		}
		names = append(names, full)
		if wanted == "" || wanted == s.Name || wanted == full {
			found = append(found, d)
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("%s holds no SealedSecret", shown(path))
	case len(found) == 0:
		return nil, fmt.Errorf("%s holds no SealedSecret %s; it holds %s", shown(path), wanted, strings.Join(names, ", "))
	case len(found) > 1:
		return nil, fmt.Errorf("%s holds %s; choose one with --name", shown(path), strings.Join(names, ", "))
	}
	return found[0], nil
}
