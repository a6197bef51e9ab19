package gitindex

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository is a git repository of a test.
type repository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{t, t.TempDir()}
	r.git("init", "-q")
	return r
}

func (r *repository) git(args ...string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", append([]string{"-c", "user.name=x", "-c", "user.email=x@contoso.com"}, args...)...)
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("git %s: %v: %s", args[0], err, out)
	}
}

func (r *repository) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repository) open(folder string) *Index {
	r.t.Helper()
	index, err := Open(context.WithoutCancel(r.t.Context()), filepath.Join(r.dir, folder)) // cleanups close it
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := index.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return index
}

func TestTheIndexCountsWhateverTheWorkingTreeHas(t *testing.T) {
	r := newRepository(t)
	odd := "b/\tä \"x\"\n.yaml"
	for name, text := range map[string]string{"a.yaml": "committed", odd: "odd\x00", "b/empty": "", "gone": "x", "b/large": strings.Repeat("0123456789", 1<<17)} {
		r.write(name, text)
	}
	r.git("add", ".")
	r.git("commit", "-qm", "x")
	r.write("a.yaml", "staged")
	r.git("add", "a.yaml")
	r.write("a.yaml", "not staged")
	r.write("new", "not added")
	r.write("later", "to be added")
	r.git("add", "-N", "later")
	r.git("rm", "-q", "--cached", "gone")
	if err := errors.Join(os.Remove(filepath.Join(r.dir, odd)), os.Symlink("a.yaml", filepath.Join(r.dir, "link"))); err != nil {
		t.Fatal(err)
	}
	r.git("add", "link")
	index := r.open("")
	files, err := index.Files(t.Context())
	if want := []string{"a.yaml", odd, "b/empty", "b/large", "later"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("files %q, %v, want %q", files, err, want)
	}
	for name, want := range map[string]string{"a.yaml": "staged", odd: "odd\x00", "b/empty": "", "b/large": strings.Repeat("0123456789", 1<<17), "later": ""} {
		if got, err := index.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%q holds %d bytes, %v, want %d", name, len(got), err, len(want))
		}
	}
	if _, err := index.ReadFile("new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	below := r.open("b")
	files, err = below.Files(t.Context())
	if want := []string{odd[2:], "empty", "large"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("files %q, %v, want %q", files, err, want)
	}
	if _, err := below.ReadFile("a.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsInConflictIsNamed(t *testing.T) {
	r := newRepository(t)
	r.write("a.yaml", "one\n")
	r.git("add", ".")
	r.git("commit", "-qm", "x")
	r.git("checkout", "-qb", "other")
	r.write("a.yaml", "two\n")
	r.git("commit", "-qam", "x")
	r.git("checkout", "-q", "-")
	r.write("a.yaml", "three\n")
	r.git("commit", "-qam", "x")
	merge := exec.CommandContext(t.Context(), "git", "merge", "-q", "other")
	merge.Dir = r.dir
	_ = merge.Run() // it is a conflict
	if _, err := Open(t.Context(), r.dir); err == nil || !strings.Contains(err.Error(), "a.yaml is in conflict") {
		t.Errorf("got %v", err)
	}
}

func TestAHookSeesWhatItsCommitIsMadeOf(t *testing.T) {
	r := newRepository(t)
	r.write("a.yaml", "one")
	r.write("b.yaml", "one")
	r.git("add", ".")
	r.git("commit", "-qm", "x")
	r.write("a.yaml", "two")
	r.write("b.yaml", "two")
	r.git("add", "b.yaml")
	// git commit a.yaml makes an index of its own for the hook, in which b.yaml is as it was.
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asHook, r.dir)
	r.write(".git/hooks/pre-commit", "#!/bin/sh\nexec '"+program+"'\n")
	if err := os.Chmod(filepath.Join(r.dir, ".git/hooks/pre-commit"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.git("commit", "-qm", "x", "a.yaml")
	got, err := os.ReadFile(filepath.Join(r.dir, "seen"))
	if err != nil || string(got) != "a.yaml: two\nb.yaml: one\n" {
		t.Errorf("the hook sees %q, %v", got, err)
	}
}

// asHook in the environment makes the test's binary a hook, which notes what it sees of the index below that folder.
const asHook = "GITINDEX_TEST_HOOK"

func TestMain(m *testing.M) {
	if folder := os.Getenv(asHook); folder != "" {
		os.Exit(hook(folder))
	}
	os.Exit(m.Run())
}

func hook(folder string) int {
	index, err := Open(context.Background(), folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	files, err := index.Files(context.Background())
	var seen strings.Builder
	for _, file := range files {
		text, problem := index.ReadFile(file)
		err = errors.Join(err, problem)
		fmt.Fprintf(&seen, "%s: %s\n", file, text)
	}
	if err = errors.Join(err, index.Close(), os.WriteFile(filepath.Join(folder, "seen"), []byte(seen.String()), 0o600)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestWithoutARepositoryItSaysSo(t *testing.T) {
	if _, err := Open(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("got %v", err)
	}
}
