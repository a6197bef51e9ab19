package release

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/pkg/completion"
)

func TestUnpackedIntoAFolderOfThePathThePluginsRunUnderKubectlAndComplete(t *testing.T) {
	dir, number := dist(t)
	bin := t.TempDir()
	for _, p := range plugins {
		place(t, bin, unpack(t, filepath.Join(dir, p.file+"_"+number+"_linux_"+runtime.GOARCH+".tar.gz")))
	}
	s := newShell(t, folderOf(t, "kubectl"), bin)
	for _, p := range plugins {
		expectVersion(t, s.output("kubectl", p.krew, "version"), number)
		if help := s.output("kubectl", p.krew, "--help"); !strings.Contains(help, "kubectl "+p.krew) || strings.Contains(help, "flux "+p.flux) {
			t.Errorf("kubectl %s --help calls it something else:\n%s", p.krew, help)
		}
		expectCompletion(t, s, p)
		// What is in the archive is what the plugin itself would put there.
		shim := completion.Shim{Plugin: p.file}
		before, err := os.ReadFile(filepath.Join(bin, shim.File()))
		if err != nil {
			t.Fatal(err)
		}
		s.output("kubectl", p.krew, "completion", "install")
		after, err := os.ReadFile(filepath.Join(bin, shim.File()))
		if err != nil || string(after) != string(before) {
			t.Errorf("completion install makes %q of %q (%v)", after, before, err)
		}
	}
}

// offers is something that each plugin completes without a cluster.
var offers = map[string]struct{ typed, want string }{
	"gitops-drift":     {"hist", "history"},
	"gitops-reconcile": {"--with-s", "--with-source"},
	"gitops-seal":      {"res", "reseal"},
}

func expectCompletion(t *testing.T, s *shell, p plugin) {
	t.Helper()
	if got := s.output("kubectl", "__complete", p.krew, offers[p.krew].typed); !strings.Contains(got, offers[p.krew].want) {
		t.Errorf("kubectl completes %s %s with %q", p.krew, offers[p.krew].typed, got)
	}
	// kubectl itself knows nothing that begins like this.
	if got := s.output("kubectl", "__complete", p.krew, ""); strings.Contains(got, "cluster-info") {
		t.Errorf("kubectl completes %s with its own commands: %q", p.krew, got)
	}
}
