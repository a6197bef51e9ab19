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

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/pkg/wholefile"
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
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a folder; name a file of it", path)
		}
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

// replace puts a text in the place of what was read of a file, unless somebody else has changed that meanwhile.
func replace(path string, before, after []byte) error {
	if now, err := readIfThere(path); err != nil {
		return err
	} else if !bytes.Equal(now, before) {
		return fmt.Errorf("%s was changed meanwhile; nothing is written", path)
	}
	return wholefile.Replace(path, after, 0o644)
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

// sealedFile is a SealedSecret in a file that a command is about.
type sealedFile struct {
	path     string
	text     []byte // of the file, as it was read
	file     *yamledit.File
	document *yamledit.Document
	sealed   *ssv1alpha1.SealedSecret
}

// openFile finds the SealedSecret of a file that a command is about: the only one, or that of a name, [NAMESPACE/]NAME.
func openFile(path string, in io.Reader, wanted string) (*sealedFile, error) {
	text, err := read(path, in)
	if err != nil {
		return nil, err
	}
	f := &sealedFile{path: path, text: text}
	if f.file, err = parseFile(path, text); err != nil {
		return nil, err
	}
	found := 0
	var names []string
	listed := false
	for _, d := range f.file.Documents() {
		listed = listed || sealdoc.ListsSealed(d)
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
			found++
			f.document, f.sealed = d, s
		}
	}
	switch {
	case len(names) == 0 && listed:
		return nil, fmt.Errorf("%s holds SealedSecrets in a List; write each as a document of its own", shown(path))
	case len(names) == 0:
		return nil, fmt.Errorf("%s holds no SealedSecret", shown(path))
	case found == 0:
		return nil, fmt.Errorf("%s holds no SealedSecret %s; it holds %s", shown(path), wanted, strings.Join(names, ", "))
	case found > 1:
		return nil, fmt.Errorf("%s holds %s; choose one with --name", shown(path), strings.Join(names, ", "))
	}
	return f, nil
}

// values opens all items, for the namespace that is given where the manifest does not say its own.
func (f *sealedFile) values(namespace string, keys sealkey.Keyring) (seal.Target, map[string][]byte, error) {
	target, err := sealdoc.TargetOf(f.sealed, namespace)
	if err != nil {
		return target, nil, fmt.Errorf("%s: %w", shown(f.path), err)
	}
	values, err := sealdoc.Items(f.sealed, target, keys)
	if err != nil {
		return target, nil, inFile(shown(f.path), err)
	}
	return target, values, nil
}

// warnSize warns of a SealedSecret that is too large to be stored.
func warnSize(cmd *cobra.Command, path string, d *yamledit.Document) error {
	sealed, err := sealdoc.Read(d)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(path), err)
	}
	if remark := sealdoc.SizeRemark(sealed); remark != "" {
		warn(cmd.ErrOrStderr(), "%s: %s", shown(path), remark)
	}
	return nil
}
