package ephemeral

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asGuard in the environment makes the test's binary the guard of a folder.
const asGuard = "EPHEMERAL_TEST_GUARD"

func TestMain(m *testing.M) {
	if os.Getenv(asGuard) != "" {
		if err := Reap(os.Stdin, os.Stdout, os.Args[len(os.Args)-1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func newDir(t *testing.T) *Dir {
	t.Helper()
	t.Setenv(asGuard, "1")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(program)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAFolderIsForItsOwnerAndGoesWithAllThatIsInIt(t *testing.T) {
	d := newDir(t)
	if err := d.Write("file", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Path("file~"), []byte("secret"), 0o600); err != nil { // a backup of an editor
		t.Fatal(err)
	}
	for path, mode := range map[string]fs.FileMode{d.Path(""): 0o700, d.Path("file"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if content, err := d.Read("file"); err != nil || string(content) != "secret" {
		t.Errorf("%q, %v", content, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.Path("")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestTheGuardRemovesNothingButFoldersOfThisPackage(t *testing.T) {
	base, _ := storage()
	other := t.TempDir()
	for _, path := range []string{other, base, filepath.Join(base, "else"), filepath.Join(other, prefix+"1-x-1"), filepath.Join(base, prefix+"1-x-1", ".."), "", "/"} {
		if err := Reap(strings.NewReader(""), io.Discard, path); err == nil {
			t.Errorf("%q was removed", path)
		}
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

func TestWithoutAGuardThereIsNoFolder(t *testing.T) {
	for _, program := range []string{"/nowhere", "/bin/false"} {
		if d, err := New(program); err == nil {
			t.Errorf("%s guards %s", program, d.Path(""))
		}
	}
	base, _ := storage()
	if left, err := filepath.Glob(filepath.Join(base, fmt.Sprintf("%s%d-*", prefix, os.Getpid()))); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestTheNextFolderSweepsThoseWhoseProcessesAreGone(t *testing.T) {
	gone := exec.Command("/bin/true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	base, _ := storage()
	stale := filepath.Join(base, fmt.Sprintf("%s%d-%s-1", prefix, gone.Process.Pid, processes()))
	alive := filepath.Join(base, fmt.Sprintf("%s%d-%s-2", prefix, os.Getppid(), processes()))
	elsewhere := filepath.Join(base, fmt.Sprintf("%s%d-elsewhere-3", prefix, gone.Process.Pid))
	for _, dir := range []string{stale, alive, elsewhere} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
	}
	if err := newDir(t).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of a process that is gone: %v", err)
	}
	for _, dir := range []string{alive, elsewhere} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("the folder of a process that runs, or that cannot be seen: %v", err)
		}
	}
}
