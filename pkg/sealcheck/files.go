package sealcheck

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Source is where the files of a repository are read from.
type Source interface {
	// Files are the regular files that belong to it, slash-separated from its root on, sorted.
	Files(ctx context.Context) ([]string, error)
	// ReadFile reads one of them.
	ReadFile(name string) ([]byte, error)
}

// WorkingTree is the Source of the files in a folder: those that git has or would add, and all of them where there is no git.
// Symbolic links are left out.
func WorkingTree(root string) Source { return workingTree(root) }

type workingTree string

// ReadFile implements Source.
func (t workingTree) ReadFile(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(t), filepath.FromSlash(name)))
}

// Files implements Source.
func (t workingTree) Files(ctx context.Context) ([]string, error) {
	root := string(t)
	if tracked, ok := gitFiles(ctx, root); ok {
		slices.Sort(tracked)
		return tracked, nil
	}
	var files []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case entry.Type().IsRegular():
			files = append(files, name)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("the repository cannot be read: %w", err)
	}
	slices.Sort(files)
	return files, nil
}

// gitFiles asks git, which knows what .gitignore, .git/info/exclude and the user's own settings leave out.
func gitFiles(ctx context.Context, root string) (files []string, ok bool) {
	if !inGit(root) {
		return nil, false
	}
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", ".")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, false // no git, or one that does not trust the folder
	}
	for name := range bytes.SplitSeq(out, []byte{0}) {
		info, err := os.Lstat(filepath.Join(root, string(name)))
		if len(name) > 0 && err == nil && info.Mode().IsRegular() { // else deleted and not committed, or a submodule
			files = append(files, string(name))
		}
	}
	return files, true
}

func inGit(dir string) bool {
	for {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}

// manifest reports whether a file may hold manifests.
func manifest(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// chartTemplates returns the folders of templates of Helm charts among the files, which are no YAML before Helm has run.
func chartTemplates(files []string) []string {
	var out []string
	for _, file := range files {
		if dir, ok := strings.CutSuffix(file, "Chart.yaml"); ok && (dir == "" || strings.HasSuffix(dir, "/")) {
			out = append(out, dir+"templates/")
		}
	}
	return out
}
