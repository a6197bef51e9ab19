package ephemeral

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// prefix begins the name of every folder, before the ID of the process that it belongs to, where that ID counts, and what
// makes it its own.
const prefix = "gitops-seal-"

// Dir is a folder that goes with the process. It must not be used concurrently.
type Dir struct {
	path   string
	memory bool
	guard  *exec.Cmd
	alive  io.Closer
}

// New makes a folder. Guard is a program, its path and arguments, that the path of the folder is added to: it has to call Reap.
// It runs until the folder is closed or this process is gone.
func New(guard ...string) (_ *Dir, err error) {
	base, memory := storage()
	sweep(base)
	path, err := os.MkdirTemp(base, prefix+strconv.Itoa(os.Getpid())+"-"+processes()+"-") // 0700
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, memory: memory}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path)) // nothing is in it yet
		}
	}()
	d.guard = exec.Command(guard[0], append(guard[1:], path)...)
	detach(d.guard)
	in, err := d.guard.StdinPipe()
	if err != nil {
		return nil, err
	}
	d.alive = in
	out, err := d.guard.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.guard.Start(); err != nil {
		return nil, fmt.Errorf("start what cleans up behind this process: %w", err)
	}
	// From its first byte on it is there; before, nothing secret is.
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		return nil, errors.Join(errors.New("what cleans up behind this process does not run"), in.Close(), d.guard.Wait())
	}
	return d, nil
}

// InMemory reports whether what is in the folder reaches no disk, swap space apart.
func (d *Dir) InMemory() bool { return d.memory }

// Path is that of a file in the folder.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Write makes or replaces a file of the folder, for its owner alone.
func (d *Dir) Write(name string, content []byte) error {
	return os.WriteFile(d.Path(name), content, 0o600)
}

// Read reads a file of the folder.
func (d *Dir) Read(name string) ([]byte, error) { return os.ReadFile(d.Path(name)) }

// Close removes the folder and all that is in it, backups that an editor left there, too.
func (d *Dir) Close() error {
	err := os.RemoveAll(d.path)
	return errors.Join(err, d.alive.Close(), d.guard.Wait())
}

// Reap is the guard of a folder: it says on out that it is there, waits until in ends, which it does with the process at its
// other end, and removes the folder. Nothing but a folder of this package is ever removed.
func Reap(in io.Reader, out io.Writer, path string) error {
	if !ours(path) {
		return fmt.Errorf("%s is not one of the folders that are removed here", path)
	}
	ignoreSignals()
	if _, err := out.Write([]byte{'\n'}); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return errors.Join(err, os.RemoveAll(path))
	}
	return os.RemoveAll(path)
}

func ours(path string) bool {
	_, _, ok := owner(filepath.Base(path))
	base, _ := storage()
	return ok && filepath.Clean(filepath.Dir(path)) == filepath.Clean(base)
}

// owner is the process that a folder belongs to by its name, and where its ID counts.
func owner(name string) (pid int, where string, ok bool) {
	rest, ours := strings.CutPrefix(name, prefix)
	parts := strings.Split(rest, "-")
	if !ours || len(parts) != 3 {
		return 0, "", false
	}
	pid, err := strconv.Atoi(parts[0])
	return pid, parts[1], err == nil && pid > 0
}

// sweep removes folders whose process and guard died together. Others' cannot be removed, which is right.
func sweep(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if pid, where, ok := owner(entry.Name()); ok && where == processes() && entry.IsDir() && !running(pid) && mine(entry) {
			_ = os.RemoveAll(filepath.Join(base, entry.Name())) // the next one tries again
		}
	}
}
