package release

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/gitops-drift/gitops-drift/pkg/completion"
)

func TestKrewFindsNothingWrongAndInstallsThePlugins(t *testing.T) {
	dir, number := dist(t)
	url := serve(t, dir)
	krew := t.TempDir()
	tools := folderOf(t, "kubectl", "kubectl-krew", "validate-krew-manifest")
	s := newShell(t, tools, filepath.Join(krew, "bin"))
	s.env = append(s.env, "KREW_ROOT="+krew, "KREW_DEFAULT_INDEX_URI="+emptyIndex(t), "KREW_NO_UPGRADE_CHECK=1")
	for _, p := range plugins {
		// Structure, names, versions, selectors; then krew installs the archive of every platform and looks for the licence.
		s.output("validate-krew-manifest", "-manifest", download(t, url, p.krew+".yaml"))

		s.output("kubectl", "krew", "install", "--manifest-url="+url+"/"+p.krew+".yaml")
		expectVersion(t, s.output("kubectl", p.krew, "version"), number)
		s.output("kubectl", p.krew, "completion", "install")
		expectCompletion(t, s, p)
		// A krew that finds files but no plugins in its folder takes itself for one of years ago.
		if err := os.Remove(filepath.Join(krew, "bin", completion.Shim{Plugin: p.file}.File())); err != nil {
			t.Error(err)
		}
		s.output("kubectl", "krew", "uninstall", p.krew)
		if left, err := os.ReadDir(filepath.Join(krew, "bin")); err != nil || len(left) > 0 {
			t.Errorf("krew leaves %v behind (%v)", left, err)
		}
	}
}

// download gets a file of a served release into a folder of its own.
func download(t *testing.T, url, name string) string {
	t.Helper()
	response, err := http.Get(url + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it is read
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", name, response.Status, err)
	}
	to := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}
