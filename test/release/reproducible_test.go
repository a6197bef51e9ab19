package release

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What another machine would build: the same commit in another folder, with what was changed since. Compiling comes out of the
// cache, which does not know folders; linking, packing and all that describes it happens again.
func TestTheSameCommitIsTheSameBytesInAnotherFolder(t *testing.T) {
	dir, number := dist(t)
	checkout := cloned(t)
	again := t.TempDir()
	release(t, checkout, "build", "-dist", again, "-platforms", "linux/amd64,linux/arm64")
	entries, err := os.ReadDir(again)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2*2*len(plugins)+2+1+1 { // archives and SBOMs, SBOMs of the image, the image, the checksums
		t.Errorf("%d files were made: %v", len(entries), entries)
	}
	for _, e := range entries {
		if e.Name() == "checksums.txt" {
			continue // there are more in the whole release
		}
		if !strings.Contains(e.Name(), "_"+number+"_") {
			t.Fatalf("%s is not of %s: run make release-snapshot again", e.Name(), number)
		}
		one, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(filepath.Join(again, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, other) {
			t.Errorf("%s is not the same bytes", e.Name())
		}
	}
}

// cloned is the checkout once more, with the same changes.
func cloned(t *testing.T) string {
	t.Helper()
	from, to := root(t), filepath.Join(t.TempDir(), "elsewhere")
	git := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return string(out)
	}
	git("clone", "-q", from, to)
	git("-C", to, "checkout", "-q", "--detach", strings.TrimSpace(git("-C", from, "rev-parse", "HEAD")))
	changed := git("-C", from, "diff", "-z", "--name-only", "HEAD") + git("-C", from, "ls-files", "-z", "--others", "--exclude-standard")
	for name := range strings.SplitSeq(changed, "\x00") {
		if name == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) {
			if err := os.Remove(filepath.Join(to, name)); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}
