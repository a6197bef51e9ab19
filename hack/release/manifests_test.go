package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/version"
)

// listed writes the checksums of a release of all platforms, and returns its folder.
func listed(t *testing.T, number string) string {
	t.Helper()
	t.Chdir(filepath.Join("..", "..")) // krew/ is there
	dir := t.TempDir()
	var sums strings.Builder
	for i, p := range plugins {
		for j, on := range platforms {
			fmt.Fprintf(&sums, "%064x  %s\n", 10*i+j, p.archive(number, on))
		}
		fmt.Fprintf(&sums, "%064x  %s\n", 10*i+9, sbomFile(p.file(), number, platforms[0]))
	}
	if err := os.WriteFile(filepath.Join(dir, checksumFile), []byte(sums.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The rules are those of sigs.k8s.io/krew/internal/index/validation and of krew-index; test/release has krew itself check them.
func TestKrewManifestsKeepKrewsRules(t *testing.T) {
	dir := listed(t, "1.2.3")
	if err := (manifests{dist: dir}).write(); err != nil {
		t.Fatal(err)
	}
	for _, p := range plugins {
		var m krewManifest
		if err := readYAML(filepath.Join(dir, p.name+".yaml"), &m); err != nil {
			t.Fatal(err)
		}
		if m.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || m.Kind != "Plugin" || m.Metadata.Name != p.name {
			t.Errorf("%s: %s %s %s", p.name, m.APIVersion, m.Kind, m.Metadata.Name)
		}
		if !regexp.MustCompile(`^[\w-]+$`).MatchString(m.Metadata.Name) {
			t.Errorf("the name %q is not safe", m.Metadata.Name)
		}
		if short := m.Spec.ShortDescription; short == "" || strings.ContainsAny(short, "\r\n") || len(short) > 50 {
			t.Errorf("%s: the short description %q is none, or too long", p.name, short)
		}
		if _, err := version.ParseSemantic(m.Spec.Version); err != nil || m.Spec.Version != "v1.2.3" {
			t.Errorf("%s: version %s: %v", p.name, m.Spec.Version, err)
		}
		for line := range strings.Lines(m.Spec.Description) {
			if len(line) > 81 {
				t.Errorf("%s: the line is too long: %s", p.name, line)
			}
		}
		var on []string
		for _, pl := range m.Spec.Platforms {
			labels := pl.Selector.MatchLabels
			if len(labels) != 2 || labels["os"] == "" || labels["arch"] == "" {
				t.Errorf("%s: the selector %v does not tell one platform", p.name, labels)
			}
			on = append(on, labels["os"]+"/"+labels["arch"])
			if !strings.HasPrefix(pl.URI, "https://github.com/gitops-drift/gitops-drift/releases/download/v1.2.3/"+p.file()+"_1.2.3_") {
				t.Errorf("%s: archive %s", p.name, pl.URI)
			}
			if !regexp.MustCompile(`^[a-f0-9]{64}$`).MatchString(pl.Sha256) {
				t.Errorf("%s: checksum %s", p.name, pl.Sha256)
			}
			if bin := p.file() + map[string]string{"windows": ".exe"}[labels["os"]]; pl.Bin != bin {
				t.Errorf("%s: bin %s, want %s", p.name, pl.Bin, bin)
			}
			var from []string
			for _, f := range pl.Files {
				if f.To != filepath.Clean(f.To) {
					t.Errorf("%s: %s goes to %q", p.name, f.From, f.To)
				}
				from = append(from, f.From)
			}
			if !slices.Contains(from, pl.Bin) || !slices.Contains(from, "LICENSE") {
				t.Errorf("%s: what is installed is %v", p.name, from)
			}
		}
		if got := strings.Join(on, " "); got != "darwin/amd64 darwin/arm64 linux/amd64 linux/arm64 windows/amd64" {
			t.Errorf("%s: platforms %s", p.name, got)
		}
	}
}

// The rules are those of the JSON schemas in github.com/fluxcd/plugins; test/release installs with Flux's own code.
func TestFluxManifestsKeepTheRulesOfFluxsCatalog(t *testing.T) {
	dir := listed(t, "1.2.3-snapshot.g0123456789ab")
	if err := (manifests{dist: dir}).write(); err != nil {
		t.Fatal(err)
	}
	// Names of flux's own commands, which a plugin cannot have.
	builtin := strings.Fields("bootstrap build catalog check completion create debug delete diff envsubst events export get help install list logs migrate plugin pull push reconcile resume stats suspend tag trace tree uninstall version")
	name, web := regexp.MustCompile(`^[a-z][a-z0-9-]*$`), regexp.MustCompile(`^https://`)
	var catalog fluxCatalog
	if err := readYAML(filepath.Join(dir, "catalog.yaml"), &catalog); err != nil {
		t.Fatal(err)
	}
	if catalog.APIVersion != fluxAPIVersion || catalog.Kind != "PluginCatalog" {
		t.Errorf("the catalog is %s %s", catalog.APIVersion, catalog.Kind)
	}
	var names []string
	for _, entry := range catalog.Plugins {
		names = append(names, entry.Name)
		var m fluxManifest
		if err := readYAML(filepath.Join(dir, entry.Name+".yaml"), &m); err != nil {
			t.Fatal(err)
		}
		if m.APIVersion != fluxAPIVersion || m.Kind != "Plugin" || m.Name != entry.Name || m.Bin != "flux-"+m.Name ||
			!name.MatchString(m.Name) || slices.Contains(builtin, m.Name) {
			t.Errorf("%s is %s %s, %s in %s", entry.Name, m.APIVersion, m.Kind, m.Name, m.Bin)
		}
		if m.Description == "" || m.Description != entry.Description || !web.MatchString(m.Homepage) || m.Homepage != entry.Homepage ||
			!web.MatchString(m.Source) || m.Source != entry.Source || entry.License != "Apache-2.0" {
			t.Errorf("%+v says something else than %+v", entry, m)
		}
		if len(m.Versions) != 1 || !regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-.+)?$`).MatchString(m.Versions[0].Version) {
			t.Fatalf("%s: versions %+v", m.Name, m.Versions)
		}
		for i, pl := range m.Versions[0].Platforms {
			if pl.OS != platforms[i].os || pl.Arch != platforms[i].arch || !web.MatchString(pl.URL) ||
				!regexp.MustCompile(`^sha256:[a-f0-9]{64}$`).MatchString(pl.Checksum) || !strings.HasPrefix(pl.ExtractPath, "kubectl-gitops_") {
				t.Errorf("%s: %+v", m.Name, pl)
			}
		}
	}
	if strings.Join(names, " ") != "drift sync seal" {
		t.Errorf("the catalog lists %v", names)
	}
}

func TestManifestsAreOnlyWrittenForArchivesThatCanBeHad(t *testing.T) {
	dir := listed(t, "1.2.3")
	for _, address := range []string{"file:///tmp/dist", "/tmp/dist", "github.com/gitops-drift", "https://"} {
		if err := (manifests{dist: dir, url: address}).write(); err == nil || !strings.Contains(err.Error(), "http") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := (manifests{dist: dir, to: t.TempDir(), url: "http://127.0.0.1:8080/dist/"}).write(); err != nil {
		t.Error(err)
	}
	more := fmt.Sprintf("%064x  %s\n", 99, plugins[0].archive("1.2.4", platforms[0]))
	if err := appendTo(filepath.Join(dir, checksumFile), more); err != nil {
		t.Fatal(err)
	}
	if err := (manifests{dist: dir}).write(); err == nil || !strings.Contains(err.Error(), "1.2.4") {
		t.Errorf("two versions: %v", err)
	}
	if err := (manifests{dist: t.TempDir()}).write(); err == nil || !strings.Contains(err.Error(), "release build") {
		t.Errorf("no release: %v", err)
	}
}

func appendTo(name, text string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(old, text...), 0o600)
}
