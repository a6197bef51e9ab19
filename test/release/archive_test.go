package release

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"

	"github.com/gitops-drift/gitops-drift/pkg/completion"
)

func TestChecksumsHold(t *testing.T) {
	dir, _ := dist(t)
	s := newShell(t)
	checked := s.output("sh", "-c", `cd "$1" && sha256sum --strict --check checksums.txt`, "sh", dir)
	if n := strings.Count(checked, ": OK\n"); n != 2*len(plugins)*len(platforms)+3 { // archives and SBOMs; the image and its two
		t.Errorf("%d files are checked:\n%s", n, checked)
	}
}

func TestEveryArchiveHoldsThePluginForItsPlatformItsShimAndTheLicences(t *testing.T) {
	dir, number := dist(t)
	own, err := os.ReadFile(filepath.Join(root(t), "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	var made time.Time
	for _, p := range plugins {
		for _, on := range platforms {
			name := p.file + "_" + number + "_" + on.os + "_" + on.arch
			files := unpack(t, filepath.Join(dir, name+on.ext))
			shim := completion.Shim{Plugin: p.file, Windows: on.os == "windows"}
			want := []string{"LICENSE", "THIRD_PARTY_LICENSES", p.file + on.exe, shim.File()}
			if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
				t.Fatalf("%s holds %v, want %v", name, got, want)
			}
			for file, e := range files {
				mode := os.FileMode(0o755)
				if strings.Contains(file, "LICENSE") {
					mode = 0o644
				}
				if made.IsZero() {
					made = e.time
				}
				if e.mode != mode || e.owner != 0 || !e.time.Equal(made) {
					t.Errorf("%s: %s is %s, of %d, made at %s", name, file, e.mode, e.owner, e.time)
				}
			}
			if string(files[shim.File()].content) != shim.Content() {
				t.Errorf("%s: the shim is %q", name, files[shim.File()].content)
			}
			if !bytes.Equal(files["LICENSE"].content, own) {
				t.Errorf("%s: the licence is another one", name)
			}
			binary := files[p.file+on.exe].content
			checkBuild(t, name, binary, on.os, on.arch, string(files["THIRD_PARTY_LICENSES"].content), filepath.Join(dir, name+".cdx.json"))
		}
	}
}

// checkBuild demands that a program is for a platform, built of published modules alone, with nothing of the machine in it, and that
// licences and SBOM tell of the very modules that it is made of.
func checkBuild(t *testing.T, name string, binary []byte, goos, goarch, licences, sbom string) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["GOOS"] != goos || settings["GOARCH"] != goarch || settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" || settings["vcs.time"] != "" {
		t.Errorf("%s was built with %v", name, settings)
	}
	if bytes.Contains(binary, []byte(root(t))) {
		t.Errorf("%s knows the folder that it was built in", name)
	}
	file, err := os.Open(sbom)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	var bom cyclonedx.BOM
	if err := json.NewDecoder(file).Decode(&bom); err != nil {
		t.Fatalf("%s: %v", sbom, err)
	}
	sum := sha256.Sum256(binary)
	if hashes := *bom.Metadata.Component.Hashes; hashes[0].Value != hex.EncodeToString(sum[:]) {
		t.Errorf("%s is not about this program: %v", sbom, hashes)
	}
	listed := map[string]string{}
	for _, c := range *bom.Components {
		listed[c.Name] = c.Version
	}
	if listed["std"] != strings.TrimPrefix(info.GoVersion, "go") || len(listed) != len(info.Deps)+1 || len(info.Deps) < 20 {
		t.Errorf("%s: std %s, %d parts of %d", sbom, listed["std"], len(listed), len(info.Deps))
	}
	for _, dep := range info.Deps {
		if listed[dep.Path] != dep.Version {
			t.Errorf("%s has %s %q instead of %s", sbom, dep.Path, listed[dep.Path], dep.Version)
		}
		if !strings.Contains(licences, "=== "+dep.Path+" "+dep.Version+": ") {
			t.Errorf("%s does not come with the licence of %s", name, dep.Path)
		}
	}
}
