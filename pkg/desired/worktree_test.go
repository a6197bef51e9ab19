package desired

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func configMap(name, value string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: shop}\ndata: {key: " + value + "}\n"
}

// snapshot is every entry below dir, with its mode and content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		state := info.Mode().String() + info.ModTime().String()
		switch {
		case entry.Type().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(content)
			state += string(sum[:])
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			state += target
		}
		out[path] = state
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// unwritable takes the right to write away from everything below dir until the test ends. Root may write nevertheless, so
// tests compare snapshots too.
func unwritable(t *testing.T, dir string) {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type()&fs.ModeSymlink == 0 {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	change := func(mode func(fs.FileMode) fs.FileMode) {
		for _, name := range names {
			info, err := os.Stat(name)
			if err == nil {
				err = os.Chmod(name, mode(info.Mode()))
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(func() { change(func(m fs.FileMode) fs.FileMode { return m | 0o200 }) })
	slices.Reverse(names)
	change(func(m fs.FileMode) fs.FileMode { return m &^ 0o222 })
}

func TestACheckoutIsBuiltAsItWouldBePackedAndNotTouched(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, map[string]string{"secret.yaml": configMap("outside", "x")})
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"apps/app.yaml":               configMap("app", "uncommitted"),
		"apps/ignored.yaml":           configMap("ignored", "x"),
		"apps/deep/also-ignored.yaml": configMap("also-ignored", "x"),
		"apps/deep/kept.yaml":         configMap("kept", "x"),
		"apps/by-spec.yaml":           configMap("by-spec", "x"),
		"apps/again.yaml":             configMap("again", "x"),
		"apps/.git":                   "gitdir: ../.git/modules/apps\n",
		".git/config":                 "[core]\n",
		".git/apps/inner.yaml":        configMap("inner", "x"),
		".sourceignore":               "ignored.yaml\nagain.yaml\n",
		"apps/deep/.sourceignore":     "also-ignored.yaml\n",
		".github/workflow.yaml":       configMap("workflow", "x"),
		"elsewhere/other.yaml":        "not: [valid",
	})
	for link, target := range map[string]string{"apps/link.yaml": filepath.Join(outside, "secret.yaml"), "apps/folder": outside, "apps/broken.yaml": "/nowhere", "apps/loop": "."} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	unwritable(t, dir)
	before := snapshot(t, dir)
	ownTemp(t)
	source := source("")
	source.Spec.Ignore = new(string)
	*source.Spec.Ignore = "by-spec.yaml\n!again.yaml\n"
	builder, done := NewBuilder(newClient(t, source), folder{err: errors.New("nothing is fetched")}).Sharing()
	for range 2 { // the copy is shared
		state, err := builder.BuildCheckout(t.Context(), kustomization("./apps", nil), dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, object := range state.Objects {
			names = append(names, object.GetName()+" "+object.File)
		}
		slices.Sort(names)
		if got, want := strings.Join(names, ", "), "again apps/again.yaml, app apps/app.yaml, kept apps/deep/kept.yaml"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if state.Revision != "checkout "+dir {
			t.Errorf("the revision is %q", state.Revision)
		}
	}
	if err := done(); err != nil {
		t.Error(err)
	}
	after := snapshot(t, dir)
	for path := range before {
		if before[path] != after[path] {
			t.Errorf("%s has changed", path)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d entries have become %d", len(before), len(after))
	}
}

func TestACheckoutHasWhatTheSourceIncludes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"apps/app.yaml": configMap("app", "x"), "apps/vendor/own.yaml": configMap("own", "x"), "tools/tool.yaml": "x: ["})
	source := source("")
	source.Spec.Include = []sourcev1.GitRepositoryInclude{{GitRepositoryRef: meta.LocalObjectReference{Name: "shared"}, FromPath: "base", ToPath: "apps/vendor"}}
	shared := source.DeepCopy()
	shared.Name, shared.Spec.Include = "shared", nil
	shared.Status.Artifact = &meta.Artifact{Revision: "main@sha1:1", URL: "http://source/shared.tar.gz", Digest: "sha256:y"}
	fetcher := folder{dir: t.TempDir(), files: map[string]string{
		"base/deployment.yaml": configMap("included", "x"), "base/left.yaml": configMap("left", "x"), "base/.sourceignore": "left.yaml\n", "top.yaml": configMap("top", "x"),
	}}
	ownTemp(t)
	builder := NewBuilder(newClient(t, source, shared), fetcher)
	state, err := builder.BuildCheckout(t.Context(), kustomization("./apps", nil), dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, object := range state.Objects {
		names = append(names, object.GetName())
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "app included own" {
		t.Errorf("got %s", got)
	}
	if sparse := []string{"apps/vendor", "/tools/"}; !within("apps/vendor/a", sparse) || !within("tools/a", sparse) || within("apps/a", sparse) || !within("a", nil) {
		t.Error("a sparse checkout has other files")
	}
}

func TestWhyACheckoutCannotBeBuilt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, filepath.Dir(file), map[string]string{"file": "x"})
	for name, test := range map[string]struct {
		dir    string
		change func(*kustomizev1.Kustomization)
		says   string
	}{
		"absent":    {filepath.Join(file, "absent"), nil, "the checkout cannot be read: "},
		"a file":    {file, nil, "the checkout " + file + " is no folder"},
		"no path":   {filepath.Dir(file), func(ks *kustomizev1.Kustomization) { ks.Spec.Path = "./apps" }, `spec.path "./apps" is not in the artifact`},
		"elsewhere": {filepath.Dir(file), func(ks *kustomizev1.Kustomization) { ks.Spec.KubeConfig = &meta.KubeConfigReference{} }, ErrElsewhere.Error()},
		"no source": {filepath.Dir(file), func(ks *kustomizev1.Kustomization) { ks.Spec.SourceRef.Name = "absent" }, "its source GitRepository flux-system/absent cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			ownTemp(t)
			_, err := NewBuilder(newClient(t, source("")), repo).BuildCheckout(t.Context(), kustomization("./", test.change), test.dir)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}
