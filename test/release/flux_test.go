package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFluxInstallsThePluginsFromTheCatalogAndRunsThem(t *testing.T) {
	dir, number := dist(t)
	url := serve(t, dir)
	s := newShell(t, folderOf(t, "flux"))
	installed := t.TempDir()
	s.env = append(s.env, "FLUXCD_PLUGINS="+installed, "FLUXCD_PLUGIN_CATALOG="+url+"/")
	found := s.output("flux", "plugin", "search")
	for _, p := range plugins {
		if !strings.Contains(found, p.flux) {
			t.Errorf("flux plugin search does not find %s:\n%s", p.flux, found)
		}
		s.output("flux", "plugin", "install", p.flux)
		expectVersion(t, s.output("flux", p.flux, "version"), number)
		if help := s.output("flux", p.flux, "--help"); !strings.Contains(help, "flux "+p.flux) || strings.Contains(help, "kubectl "+p.krew) {
			t.Errorf("flux %s --help calls it something else:\n%s", p.flux, help)
		}
		if got := s.output("flux", "__complete", p.flux, offers[p.krew].typed); !strings.Contains(got, offers[p.krew].want) {
			t.Errorf("flux completes %s %s with %q", p.flux, offers[p.krew].typed, got)
		}
	}
	listed := s.output("flux", "plugin", "list")
	for _, p := range plugins {
		if !strings.Contains(listed, p.flux) || !strings.Contains(listed, number) {
			t.Errorf("flux plugin list does not list %s at %s:\n%s", p.flux, number, listed)
		}
	}
	s.output("flux", "plugin", "update")
	s.output("flux", "plugin", "install", plugins[0].flux+"@"+number)
	for _, p := range plugins {
		s.output("flux", "plugin", "uninstall", p.flux)
	}
	if left, err := os.ReadDir(installed); err != nil || len(left) > 0 {
		t.Errorf("flux leaves %v behind (%v)", left, err)
	}
}

// An archive that somebody changed on its way is not installed.
func TestFluxRefusesAnArchiveThatIsNotTheOneOfTheCatalog(t *testing.T) {
	dir, number := dist(t)
	changed := t.TempDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), plugins[0].file+"_"+number) && strings.HasSuffix(e.Name(), ".tar.gz") {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(changed, e.Name()), append(text, 0), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.Symlink(name, filepath.Join(changed, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	url := serve(t, changed)
	s := newShell(t, folderOf(t, "flux"))
	installed := t.TempDir()
	s.env = append(s.env, "FLUXCD_PLUGINS="+installed, "FLUXCD_PLUGIN_CATALOG="+url+"/")
	said := s.fails("flux", "plugin", "install", plugins[0].flux)
	if !strings.Contains(said, "checksum") {
		t.Errorf("flux says %q", said)
	}
	if left, err := os.ReadDir(installed); err != nil || len(left) > 0 {
		t.Errorf("flux installed %v (%v)", left, err)
	}
}
