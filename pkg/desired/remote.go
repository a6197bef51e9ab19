package desired

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/yaml"
)

// RemoteError says that a kustomization takes something from outside the artifact. What Flux made of it when it
// applied cannot be known, and kustomize would run git and fetch over HTTP to find out what it is now.
type RemoteError struct {
	// File is the kustomization, relative to the artifact's root; Entry is what it names.
	File, Entry string
}

// Error implements error.
func (e *RemoteError) Error() string {
	return fmt.Sprintf("%s names %q, which is not in the artifact; what Flux applied of it cannot be known", e.File, e.Entry)
}

// refuseRemote returns a *RemoteError if the kustomization in dir, or one that it builds on, names something that is
// not below root. It leaves alone what kustomize itself refuses, with a better message.
func refuseRemote(root, dir string) error {
	return remoteCheck{root: root, seen: map[string]bool{}}.folder(dir)
}

type remoteCheck struct {
	root string
	seen map[string]bool
}

func (c remoteCheck) folder(dir string) error {
	if c.seen[dir] {
		return nil
	}
	c.seen[dir] = true
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		var kustomization map[string]any
		if err := yaml.Unmarshal(content, &kustomization); err != nil {
			return nil //nolint:nilerr // kustomize says better what is wrong with it
		}
		file, err := filepath.Rel(c.root, filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return c.kustomization(filepath.ToSlash(file), dir, kustomization)
	}
	return nil
}

// bases are the fields whose entries kustomize clones where they are no local files or folders.
var bases = []string{"resources", "components", "bases", "generators", "transformers", "validators"}

func (c remoteCheck) kustomization(file, dir string, content map[string]any) error {
	for _, field := range bases {
		entries, _ := content[field].([]any)
		for _, entry := range entries {
			name, ok := entry.(string)
			if !ok || strings.Contains(name, "\n") { // a generator may be written in place
				continue
			}
			path := filepath.Join(dir, name)
			info, err := os.Stat(path)
			if err != nil || !c.inside(path) || hasScheme(name) {
				return &RemoteError{File: file, Entry: withoutPassword(name)}
			}
			if !info.IsDir() {
				continue
			}
			if err := c.folder(path); err != nil {
				return err
			}
		}
	}
	return c.files(file, content)
}

// files looks for addresses in all other places in which kustomize loads a file.
func (c remoteCheck) files(file string, value any) error {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if slices.Contains([]string{"literals", "patch"}, name) {
				continue
			}
			if err := c.files(file, inner); err != nil {
				return err
			}
		}
	case []any:
		for _, inner := range v {
			if err := c.files(file, inner); err != nil {
				return err
			}
		}
	}
	return c.loaded(file, value)
}

func (c remoteCheck) loaded(file string, value any) error {
	fields, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	for _, field := range []string{"path", "files", "envs", "env", "crds", "configurations", "patchesStrategicMerge"} {
		entries, ok := fields[field].([]any)
		if !ok {
			entries = []any{fields[field]}
		}
		for _, entry := range entries {
			name, _ := entry.(string)
			if _, path, ok := strings.Cut(name, "="); ok && !hasScheme(name) {
				name = path
			}
			if hasScheme(name) {
				return &RemoteError{File: file, Entry: withoutPassword(name)}
			}
		}
	}
	return nil
}

func (c remoteCheck) inside(path string) bool {
	relative, err := filepath.Rel(c.root, path)
	return err == nil && filepath.IsLocal(relative)
}

func hasScheme(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// withoutPassword hides the password that an address may hold.
func withoutPassword(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}
