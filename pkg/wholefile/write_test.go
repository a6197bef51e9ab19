package wholefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, entry := range entries {
		out = append(out, entry.Name())
	}
	return out
}

func holds(t *testing.T, path, want string, mode fs.FileMode) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(content) != want || info.Mode().Perm() != mode {
		t.Errorf("%s: %q, %v; want %q, %v", path, content, info.Mode(), want, mode)
	}
}

func TestAReplacedFileKeepsItsModeAndItsLinks(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := Replace(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, file, "new", 0o640)
	if target, err := os.Readlink(link); err != nil || target != "file" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("left over: %v", got)
	}
}

func TestAFileThatIsThereIsNotCreated(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := Create(file, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Create(file, []byte("two"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	holds(t, file, "one", 0o600)
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := Create(filepath.Join(dir, "link"), []byte("two"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a link that leads nowhere: got %v", err)
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("left over: %v", got)
	}
}

func TestWhatCannotBeWrittenLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"folder", "link", "missing/file"} {
		if err := Replace(filepath.Join(dir, path), []byte("new"), 0o600); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("left over: %v", got)
	}
}

func TestWhatAKilledProcessLeftIsRemovedAndWhatALivingOneWritesIsNot(t *testing.T) {
	dir := t.TempDir()
	file, left := filepath.Join(dir, "file"), filepath.Join(dir, ".file.unfinished")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, []byte("whole"), 0o644); err != nil {
		t.Fatal(err)
	}
	holds(t, file, "whole", 0o644)
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left over: %v", got)
	}
	other, err := beside(dir, "file")
	if err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, []byte("other"), 0o644); err == nil || !strings.Contains(err.Error(), "another process is writing it") {
		t.Errorf("got %v", err)
	}
	holds(t, file, "whole", 0o644)
	if err := errors.Join(other.Close(), os.Remove(left)); err != nil {
		t.Fatal(err)
	}
	// A link that somebody else has put there leads nowhere.
	if err := os.Symlink(file, left); err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, []byte("other"), 0o644); err == nil {
		t.Error("a link was followed")
	}
	holds(t, file, "whole", 0o644)
}

func TestNamesOfAnyLengthAreWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), strings.Repeat("n", 255))
	if err := Create(file, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, []byte("newer"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, file, "newer", 0o600)
}
