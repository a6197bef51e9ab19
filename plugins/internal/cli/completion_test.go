package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFluxNeedsNoShim(t *testing.T) {
	if newShim("/home/x/.fluxcd/plugins/flux-drift") != nil {
		t.Error("there is a shim for flux")
	}
}

func TestTheShimIsInstalledBesideThePluginOrWhereOneSays(t *testing.T) {
	beside, other, elsewhere := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("PATH", beside+string(os.PathListSeparator)+other)
	s := newShim("kubectl-gitops_drift")
	refused := func(dir, says string) {
		t.Helper()
		if path, err := s.install(dir); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %s, %v", dir, path, err)
		}
	}
	refused("", "kubectl-gitops_drift is not on the PATH")
	refused(elsewhere, "is not on the PATH, so kubectl would not look there")
	if err := os.WriteFile(filepath.Join(beside, "kubectl-gitops_drift"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{"": beside, other: other} {
		for range 2 { // again, over its own
			path, err := s.install(dir)
			if err != nil || path != filepath.Join(want, s.File()) {
				t.Fatal(path, err)
			}
		}
		info, err := os.Stat(filepath.Join(want, s.File()))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%v, %v", info, err)
		}
	}
	if err := os.WriteFile(filepath.Join(other, s.File()), []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(other, "not from here")
	for _, dir := range []string{beside, other} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), ".") {
				t.Errorf("%s is left behind", entry.Name())
			}
		}
	}
}

func TestAFolderIsOnThePathAsPeopleWriteIt(t *testing.T) {
	list := func(dirs ...string) string { return strings.Join(dirs, string(os.PathListSeparator)) }
	dir := filepath.FromSlash("/home/x/bin")
	for _, test := range []struct {
		path    string
		windows bool
		want    bool
	}{
		{list("/usr/bin", "/home/x/bin"), false, true},
		{list("/home/x/bin/", "/usr/bin"), false, true},
		{list("/home/x/./bin"), false, true},
		{list("/Home/X/Bin/"), true, true},
		{list("/Home/X/Bin/"), false, false},
		{list("/home/x", "/home/x/bin/more"), true, false},
		{"", false, false},
	} {
		if got := onPath(test.path, dir, test.windows); got != test.want {
			t.Errorf("%q, windows %t: %t", test.path, test.windows, got)
		}
	}
}
