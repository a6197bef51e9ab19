package release

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// plugin is what people install, by the names that it has.
type plugin struct{ krew, file, flux, source string }

var plugins = []plugin{
	{"gitops-drift", "kubectl-gitops_drift", "drift", "drift"},
	{"gitops-reconcile", "kubectl-gitops_reconcile", "sync", "reconcile"},
	{"gitops-seal", "kubectl-gitops_seal", "seal", "seal"},
}

// platforms are what archives are made for, and how they are packed.
var platforms = []struct{ os, arch, ext, exe string }{
	{"darwin", "amd64", ".tar.gz", ""}, {"darwin", "arm64", ".tar.gz", ""},
	{"linux", "amd64", ".tar.gz", ""}, {"linux", "arm64", ".tar.gz", ""},
	{"windows", "amd64", ".zip", ".exe"},
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// dist is the folder of the release that make release-snapshot has made, and the version in its file names.
func dist(t *testing.T) (dir, number string) {
	t.Helper()
	dir = filepath.Join(root(t), "dist")
	found, err := filepath.Glob(filepath.Join(dir, "gitops-drift_*_image.tar"))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s holds no release (%v): run make release-snapshot", dir, err)
	}
	return dir, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), "gitops-drift_"), "_image.tar")
}

// entry is a file of an archive.
type entry struct {
	mode    fs.FileMode
	owner   int
	time    time.Time
	content []byte
}

// unpack reads an archive of any kind.
func unpack(t *testing.T, name string) map[string]entry {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".zip") {
		return unzip(t, text)
	}
	if strings.HasSuffix(name, ".gz") {
		reader, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if text, err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
	return untar(t, text)
}

func untar(t *testing.T, text []byte) map[string]entry {
	t.Helper()
	out := map[string]entry{}
	for reader := tar.NewReader(bytes.NewReader(text)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		out[header.Name] = entry{header.FileInfo().Mode(), header.Uid + header.Gid, header.ModTime, content}
	}
}

func unzip(t *testing.T, text []byte) map[string]entry {
	t.Helper()
	reader, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]entry{}
	for _, f := range reader.File {
		open, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(open)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = entry{f.Mode(), 0, f.Modified, content}
	}
	return out
}

// place writes files below a folder, as tar would.
func place(t *testing.T, dir string, files map[string]entry) {
	t.Helper()
	for name, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if f.mode.IsDir() {
			if err := os.MkdirAll(path, f.mode.Perm()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.content, f.mode.Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

// shell is where people type commands: a PATH, a home, and nothing of the one who runs the tests.
type shell struct {
	t    *testing.T
	path []string
	env  []string
}

func newShell(t *testing.T, path ...string) *shell {
	t.Helper()
	home := t.TempDir()
	return &shell{t: t, path: append(path, "/usr/bin", "/bin"), env: []string{"HOME=" + home, "KUBECONFIG=" + filepath.Join(home, "none"), "TMPDIR=" + t.TempDir()}}
}

// output runs a command that must succeed and returns what it writes to stdout.
func (s *shell) output(name string, args ...string) string {
	s.t.Helper()
	out, stderr, err := s.run(name, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr)
	}
	return out
}

// fails runs a command that must not succeed and returns what it writes to stderr.
func (s *shell) fails(name string, args ...string) string {
	s.t.Helper()
	out, stderr, err := s.run(name, args...)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		s.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr)
	}
	return stderr
}

func (s *shell) run(name string, args ...string) (stdout, stderr string, err error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.find(name), args...)
	cmd.Env = append([]string{"PATH=" + strings.Join(s.path, ":")}, s.env...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err = cmd.Run()
	return out.String(), problem.String(), err
}

func (s *shell) find(name string) string {
	s.t.Helper()
	for _, dir := range s.path {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().Perm()&0o111 != 0 {
			return filepath.Join(dir, name)
		}
	}
	s.t.Fatalf("%s is not on the PATH", name)
	return ""
}

// folderOf links a program of the control plane into a folder of its own, so that nothing beside it is on the PATH.
func folderOf(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range programs {
		program, err := harness.Program(name)
		if err != nil {
			t.Fatalf("%v; krew and flux come from make installers", err)
		}
		if err := os.Symlink(program, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var versionLine = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9a-z.]+)? commit [0-9a-f]{40} go1\.\S+\n$`)

// expectVersion demands that a program says of which release it is.
func expectVersion(t *testing.T, said, number string) {
	t.Helper()
	if !versionLine.MatchString(said) || !strings.HasPrefix(said, "v"+number+" ") {
		t.Errorf("it says that it is %q, not %s", said, number)
	}
}
