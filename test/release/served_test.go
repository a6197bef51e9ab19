package release

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// serve makes a release available as GitHub would, archives and manifests in one folder, and returns its address.
func serve(t *testing.T, dir string) string {
	t.Helper()
	manifests := t.TempDir()
	files := http.NewServeMux()
	archives := http.FileServer(http.Dir(dir))
	files.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if filepath.Ext(r.URL.Path) == ".yaml" {
			http.FileServer(http.Dir(manifests)).ServeHTTP(w, r)
			return
		}
		archives.ServeHTTP(w, r)
	})
	server := httptest.NewServer(files)
	t.Cleanup(server.Close)
	release(t, root(t), "manifests", "-dist", dir, "-to", manifests, "-url", server.URL)
	return server.URL
}

// release runs hack/release of a checkout.
func release(t *testing.T, checkout string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "./hack/release"}, args...)...)
	cmd.Dir, cmd.Env = checkout, os.Environ()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("release %v: %v\n%s", args, err, &stderr)
	}
	return string(out)
}
