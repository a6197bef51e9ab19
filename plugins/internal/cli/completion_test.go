package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheShimOfEachPlatformAsksThePlugin(t *testing.T) {
	s := shim{plugin: "kubectl-gitops_drift", name: "kubectl gitops-drift"}
	if s.file() != "kubectl_complete-gitops_drift" ||
		s.content() != "#!/bin/sh\n# written by: kubectl gitops-drift completion install\nexec kubectl-gitops_drift __complete \"$@\"\n" {
		t.Errorf("%s: %q", s.file(), s.content())
	}
	s.windows = true
	if s.file() != "kubectl_complete-gitops_drift.cmd" ||
		s.content() != "@rem written by: kubectl gitops-drift completion install\r\n@\"kubectl-gitops_drift.exe\" __complete %*\r\n" {
		t.Errorf("%s: %q", s.file(), s.content())
	}
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
			if err != nil || path != filepath.Join(want, s.file()) {
				t.Fatal(path, err)
			}
		}
		info, err := os.Stat(filepath.Join(want, s.file()))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%v, %v", info, err)
		}
	}
	if err := os.WriteFile(filepath.Join(other, s.file()), []byte("theirs"), 0o600); err != nil {
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
