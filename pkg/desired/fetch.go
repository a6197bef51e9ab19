package desired

import (
	"context"
	// The digest algorithms that source-controller may use.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/tar"
	"github.com/opencontainers/go-digest"
	"k8s.io/client-go/rest"
)

// Limits on an artifact, far above what source-controller's defaults let through; they stop a wrong or hostile server
// from filling the disk.
const (
	maxArtifactBytes = 256 << 20
	maxUntarBytes    = 1 << 30
)

// Fetcher brings the content of an artifact into an empty directory.
type Fetcher interface {
	Fetch(ctx context.Context, artifact *meta.Artifact, dir string) error
}

// HTTPFetcher downloads artifacts as kustomize-controller does, verifies their digest before it unpacks them, and
// leaves out symbolic links. It may be used concurrently.
type HTTPFetcher struct {
	direct *http.Client
	// proxied reaches services through the API server's service proxy; nil inside the cluster.
	proxied *http.Client
	proxy   *url.URL
	// limit is the number of bytes that a packed artifact may have.
	limit int64
}

// NewClusterFetcher returns a Fetcher for a process inside the cluster, where source-controller's address resolves.
func NewClusterFetcher() *HTTPFetcher {
	return &HTTPFetcher{direct: &http.Client{}, limit: maxArtifactBytes}
}

// NewProxyFetcher returns a Fetcher for a process outside the cluster: addresses of cluster services are reached
// through the API server's service proxy with the caller's own rights (get on services/proxy), others directly.
func NewProxyFetcher(config *rest.Config) (*HTTPFetcher, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	return &HTTPFetcher{direct: &http.Client{}, proxied: client, proxy: base, limit: maxArtifactBytes}, nil
}

// Fetch downloads, verifies and unpacks the artifact into dir.
func (f *HTTPFetcher) Fetch(ctx context.Context, artifact *meta.Artifact, dir string) (err error) {
	want, err := digest.Parse(artifact.Digest)
	if err != nil {
		return fmt.Errorf("its digest %q is not usable: %w", artifact.Digest, err)
	}
	archive, err := os.CreateTemp("", "gitops-drift-artifact-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close(), os.Remove(archive.Name())) }()

	verifier := want.Verifier()
	if err := f.download(ctx, artifact.URL, io.MultiWriter(archive, verifier)); err != nil {
		return err
	}
	if !verifier.Verified() {
		return fmt.Errorf("what %s serves does not have the digest %s that the source's status gives", artifact.URL, artifact.Digest)
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := tar.Untar(archive, dir, tar.WithMaxUntarSize(maxUntarBytes), tar.WithSkipSymlinks()); err != nil {
		return fmt.Errorf("unpack %s: %w", artifact.URL, err)
	}
	return nil
}

func (f *HTTPFetcher) download(ctx context.Context, address string, to io.Writer) (err error) {
	client, target, err := f.route(address)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	switch {
	case response.StatusCode == http.StatusForbidden && client == f.proxied:
		return fmt.Errorf("GET %s: %s; the artifact is read through the API server, which takes the right to get services/proxy there", target, response.Status)
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("GET %s: %s; reconcile the source to have it made again", target, response.Status)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("GET %s: %s", target, response.Status)
	}
	n, err := io.Copy(to, io.LimitReader(response.Body, f.limit+1))
	if err == nil && n > f.limit {
		err = fmt.Errorf("%s is larger than %d bytes", address, f.limit)
	}
	return err
}

// route decides how an address is reached.
func (f *HTTPFetcher) route(address string) (*http.Client, string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, "", err
	}
	service, namespace, ok := clusterService(u.Hostname())
	if !ok || f.proxied == nil {
		return f.direct, address, nil
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	target := f.proxy.JoinPath("api/v1/namespaces", namespace, "services", u.Scheme+":"+service+":"+port, "proxy", u.Path)
	return f.proxied, target.String(), nil
}

// clusterService splits the DNS name of a service: NAME.NAMESPACE.svc, with or without the cluster's domain.
func clusterService(host string) (name, namespace string, ok bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(parts) < 3 || parts[2] != "svc" {
		return "", "", false
	}
	return parts[0], parts[1], true
}
