package desired

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/opencontainers/go-digest"
	"k8s.io/client-go/rest"
)

// archive packs headers, each regular file with its name as content.
func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, header := range headers {
		if header.Typeflag == tar.TypeReg {
			header.Size = int64(len(header.Name))
		}
		header.Mode = 0o644
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if _, err := w.Write([]byte(header.Name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func file(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }

// files are the regular files and links below dir, by their relative paths.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		out = append(out, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ownTemp gives the test a temporary folder of its own, and demands at its end that nothing is left in it.
func ownTemp(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
}

func TestFetch(t *testing.T) {
	sound := archive(t, file("apps/app.yaml"), file("readme"))
	tests := []struct {
		name    string
		content []byte
		digest  string // of content if empty
		status  int
		limit   int64
		files   string
		err     string
	}{
		{name: "a sound artifact", content: sound, files: "apps/app.yaml readme"},
		{name: "a sound artifact with a SHA-512 digest", content: sound, digest: digest.SHA512.FromBytes(sound).String(), files: "apps/app.yaml readme"},
		{name: "links are left out", content: archive(t, file("a"), tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "/etc/passwd"}), files: "a"},
		{name: "the wrong digest", content: sound, digest: digest.FromString("other").String(), err: "does not have the digest sha256:"},
		{name: "no digest", content: sound, digest: "none", err: `its digest "none" is not usable`},
		{name: "an unknown algorithm", content: sound, digest: "md5:d41d8cd98f00b204e9800998ecf8427e", err: "is not usable"},
		{name: "larger than allowed", content: sound, limit: int64(len(sound)) - 1, err: "is larger than"},
		{name: "exactly as large as allowed", content: sound, limit: int64(len(sound)), files: "apps/app.yaml readme"},
		{name: "not found", content: sound, status: http.StatusNotFound, err: "404 Not Found"},
		{name: "no archive at all", content: []byte("hello"), err: "unpack http://"},
		{name: "a path that leaves the folder", content: archive(t, file("../evil")), err: "unpack http://"},
		{name: "a path that leaves the folder further down", content: archive(t, file("a/../../evil")), err: "unpack http://"},
		{name: "an absolute path", content: archive(t, file("/evil")), err: "unpack http://"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ownTemp(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.status != 0 {
					w.WriteHeader(test.status)
				}
				_, _ = w.Write(test.content)
			}))
			defer server.Close()
			fetcher := NewClusterFetcher()
			if test.limit > 0 {
				fetcher.limit = test.limit
			}
			artifact := &meta.Artifact{URL: server.URL + "/a.tar.gz", Digest: test.digest}
			if artifact.Digest == "" {
				artifact.Digest = digest.FromBytes(test.content).String()
			}
			parent := t.TempDir()
			dir := filepath.Join(parent, "dir")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			err := fetcher.Fetch(t.Context(), artifact, dir)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got error %v, want %q", err, test.err)
			}
			if test.err != "" && !strings.HasPrefix(test.err, "its digest") && test.err != "is not usable" && !strings.Contains(err.Error(), artifact.URL) {
				t.Errorf("the error does not name the address: %v", err)
			}
			if got := strings.Join(files(t, dir), " "); got != test.files {
				t.Errorf("got files %q, want %q", got, test.files)
			}
			if got := files(t, parent); len(got) != len(files(t, dir)) {
				t.Errorf("something was written beside the folder: %v", got)
			}
		})
	}
}

func TestFetchNamesTheAddressThatCannotBeReached(t *testing.T) {
	ownTemp(t)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := NewClusterFetcher().Fetch(t.Context(), &meta.Artifact{URL: server.URL + "/a", Digest: digest.FromString("").String()}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), server.URL) {
		t.Errorf("got %v", err)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	ownTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("begin"))
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-ctx.Done()
	}))
	defer server.Close()
	err := NewClusterFetcher().Fetch(ctx, &meta.Artifact{URL: server.URL + "/a", Digest: digest.FromString("").String()}, t.TempDir())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestServicesOfTheClusterAreReachedThroughTheAPIServer(t *testing.T) {
	ownTemp(t)
	content := archive(t, file("a"))
	var asked, token string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked, token = req.URL.Path, req.Header.Get("Authorization")
		if strings.Contains(req.URL.Path, "forbidden") {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = w.Write(content)
	}))
	defer server.Close()
	fetcher, err := NewProxyFetcher(&rest.Config{Host: server.URL + "/clusters/one", BearerToken: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	const proxied = "/clusters/one/api/v1/namespaces/flux-system/services/"
	for _, test := range []struct{ address, path, token string }{
		{"http://source-controller.flux-system.svc.cluster.local./gitrepository/x/a.tar.gz", proxied + "http:source-controller:80/proxy/gitrepository/x/a.tar.gz", "Bearer mine"},
		{"http://source-controller.flux-system.svc/a.tar.gz", proxied + "http:source-controller:80/proxy/a.tar.gz", "Bearer mine"},
		{"https://source-controller.flux-system.svc:8443/a.tar.gz", proxied + "https:source-controller:8443/proxy/a.tar.gz", "Bearer mine"},
		{server.URL + "/direct/a.tar.gz", "/direct/a.tar.gz", ""}, // the token is for the API server only
	} {
		asked, token = "", ""
		err := fetcher.Fetch(t.Context(), &meta.Artifact{URL: test.address, Digest: digest.FromBytes(content).String()}, t.TempDir())
		if err != nil || asked != test.path || token != test.token {
			t.Errorf("%s: asked for %s with %q, %v", test.address, asked, token, err)
		}
	}
	err = fetcher.Fetch(t.Context(), &meta.Artifact{URL: "http://forbidden.flux-system.svc/a", Digest: digest.FromBytes(content).String()}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "get services/proxy") {
		t.Errorf("a missing right has to be named: %v", err)
	}
	// In the cluster, names of services resolve.
	inside := NewClusterFetcher()
	inside.direct = &http.Client{Transport: recorder{&asked}}
	_ = inside.Fetch(t.Context(), &meta.Artifact{URL: "http://source-controller.flux-system.svc/a", Digest: digest.FromBytes(content).String()}, t.TempDir())
	if asked != "http://source-controller.flux-system.svc/a" {
		t.Errorf("in the cluster: asked for %s", asked)
	}
}

// recorder notes the address that is asked for, and does not get there.
type recorder struct{ asked *string }

// RoundTrip implements http.RoundTripper.
func (r recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	*r.asked = request.URL.String()
	return nil, errors.New("no network")
}
