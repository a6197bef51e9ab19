package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Repo is a git repository in the cluster's temporary folder, on branch main.
type Repo struct {
	// Dir is its working tree.
	Dir string
}

// NewRepo makes a repository whose first commit holds a copy of the folder from.
func (c *Cluster) NewRepo(ctx context.Context, from string) (*Repo, error) {
	dir, err := os.MkdirTemp(c.dir, "repo-")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		return nil, fmt.Errorf("copy %s: %w", from, err)
	}
	if _, err := git(ctx, dir, "init", "--quiet", "--initial-branch=main"); err != nil {
		return nil, err
	}
	r := &Repo{Dir: dir}
	_, err = r.Commit(ctx, "Copy "+filepath.Base(from))
	return r, err
}

// ReadFile returns a file of the working tree; path is relative and slash-separated.
func (r *Repo) ReadFile(path string) (string, error) {
	content, err := os.ReadFile(filepath.Join(r.Dir, filepath.FromSlash(path)))
	return string(content), err
}

// WriteFile writes a file of the working tree, and the folders above it.
func (r *Repo) WriteFile(path, content string) error {
	file := filepath.Join(r.Dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(content), 0o644)
}

// RemoveFile removes a file of the working tree.
func (r *Repo) RemoveFile(path string) error {
	return os.Remove(filepath.Join(r.Dir, filepath.FromSlash(path)))
}

// Commit commits the whole working tree and returns the commit's id. Nothing to commit is an error.
func (r *Repo) Commit(ctx context.Context, message string) (string, error) {
	if _, err := git(ctx, r.Dir, "add", "--all"); err != nil {
		return "", err
	}
	if _, err := git(ctx, r.Dir, "commit", "--quiet", "--message", message); err != nil {
		return "", err
	}
	return r.Head(ctx)
}

// Head returns the id of the last commit.
func (r *Repo) Head(ctx context.Context) (string, error) {
	id, err := git(ctx, r.Dir, "rev-parse", "HEAD")
	return strings.TrimSpace(string(id)), err
}

// git runs git in dir with a fixed identity and none of the user's settings.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "gc.auto=0", "-c", "safe.directory=*"}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=Platform Team", "GIT_AUTHOR_EMAIL=platform@contoso.com",
		"GIT_COMMITTER_NAME=Platform Team", "GIT_COMMITTER_EMAIL=platform@contoso.com",
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("git %s in %s: %w: %s", args[0], dir, err, strings.TrimSpace(stderr.String()+stdout.String()))
	}
	return stdout.Bytes(), nil
}
