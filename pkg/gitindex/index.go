package gitindex

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Index is the index of a git repository, below a folder of it. It may be used concurrently, until Close.
type Index struct {
	blobs map[string]string // by name

	mu  sync.Mutex // guards what follows: git answers one question after the other
	git *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Open reads the index of the repository that a folder is in, its files below that folder. It is an error if some of them
// are in conflict. The context ends git, too.
func Open(ctx context.Context, folder string) (*Index, error) {
	top, err := run(ctx, folder, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	below, err := relative(strings.TrimRight(string(top), "\r\n"), folder)
	if err != nil {
		return nil, err
	}
	listed, err := run(ctx, folder, "ls-files", "-z", "--stage", "--full-name", "--", ":(top,literal)"+below)
	if err != nil {
		return nil, err
	}
	index := &Index{}
	if index.blobs, err = blobs(listed, below); err != nil {
		return nil, err
	}
	index.git = command(ctx, folder, "cat-file", "--batch")
	out, err := index.git.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if index.in, err = index.git.StdinPipe(); err != nil {
		return nil, err
	}
	if err := index.git.Start(); err != nil {
		return nil, fmt.Errorf("git cannot be run: %w", err)
	}
	index.out = bufio.NewReader(out)
	return index, nil
}

// relative is the slash-separated path of a folder below the top one, empty for that itself.
func relative(top, folder string) (string, error) {
	top, errTop := filepath.EvalSymlinks(top)
	folder, errFolder := filepath.EvalSymlinks(folder)
	if err := errors.Join(errTop, errFolder); err != nil {
		return "", err
	}
	below, err := filepath.Rel(top, folder)
	if err != nil || !filepath.IsLocal(below) {
		return "", fmt.Errorf("%s is not in the repository %s that git works in", folder, top)
	}
	if below == "." {
		return "", nil
	}
	return filepath.ToSlash(below), nil
}

// blobs reads what git ls-files --stage writes: mode, blob, stage, tabulator, name. Links and submodules are left out.
func blobs(listed []byte, below string) (map[string]string, error) {
	out := map[string]string{}
	for line := range strings.SplitSeq(string(listed), "\x00") {
		if line == "" {
			continue
		}
		head, name, named := strings.Cut(line, "\t")
		parts := strings.Fields(head)
		if !named || len(parts) != 3 {
			return nil, errors.New("git ls-files answers in a form that is not known")
		}
		if below != "" {
			if name, named = strings.CutPrefix(name, below+"/"); !named {
				continue
			}
		}
		if parts[2] != "0" {
			return nil, fmt.Errorf("%s is in conflict; resolve that and git add it", name)
		}
		if strings.HasPrefix(parts[0], "100") {
			out[name] = parts[1]
		}
	}
	return out, nil
}

// Files are the regular files, slash-separated and sorted.
func (x *Index) Files(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(x.blobs)), nil
}

// ReadFile reads a file. That it is not in the index is an error of fs.ErrNotExist.
func (x *Index) ReadFile(name string) ([]byte, error) {
	blob, ok := x.blobs[name]
	if !ok {
		return nil, &fs.PathError{Op: "read from git's index", Path: name, Err: fs.ErrNotExist}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	content, err := x.read(blob)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read from git's index: %w", name, err)
	}
	return content, nil
}

func (x *Index) read(blob string) ([]byte, error) {
	if _, err := io.WriteString(x.in, blob+"\n"); err != nil {
		return nil, err
	}
	head, err := x.out.ReadString('\n')
	if err != nil {
		return nil, err
	}
	parts := strings.Fields(head) // BLOB blob SIZE, or BLOB missing
	if len(parts) != 3 || parts[1] != "blob" {
		return nil, errors.New("git does not have it")
	}
	size, err := strconv.Atoi(parts[2])
	if err != nil || size < 0 {
		return nil, errors.New("git answers in a form that is not known")
	}
	content := make([]byte, size+1) // and a line break
	if _, err := io.ReadFull(x.out, content); err != nil {
		return nil, err
	}
	return content[:size], nil
}

// Close ends git.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return errors.Join(x.in.Close(), x.git.Wait())
}

func run(ctx context.Context, folder string, args ...string) ([]byte, error) {
	cmd := command(ctx, folder, args...)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("git %s: %s", args[0], strings.TrimPrefix(strings.TrimSpace(problem.String()), "fatal: "))
	} else if err != nil {
		return nil, fmt.Errorf("git cannot be run: %w", err)
	}
	return out, nil
}

// command is git as it works for a folder. A hook of git has variables that say which index is meant, relative to the
// folder that the hook runs in.
func command(ctx context.Context, folder string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	if os.Getenv("GIT_DIR") == "" && os.Getenv("GIT_INDEX_FILE") == "" {
		cmd.Dir = folder
	}
	return cmd
}
