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
	"strconv"
	"strings"
	"sync/atomic"

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
	// forward reaches them where the proxy does not.
	forward *forwarder
	// unproxied says that the proxy has failed where a port-forward did not.
	unproxied atomic.Bool
	// limit is the number of bytes that a packed artifact may have.
	limit int64
}

// NewClusterFetcher returns a Fetcher for a process inside the cluster, where source-controller's address resolves.
func NewClusterFetcher() *HTTPFetcher {
	return &HTTPFetcher{direct: &http.Client{}, limit: maxArtifactBytes}
}

// NewProxyFetcher returns a Fetcher for a process outside the cluster: addresses of cluster services are reached
// with the caller's own rights through the API server's service proxy (get on services/proxy) or, where that is not
// allowed or does not get there, by port-forward (create on pods/portforward), others directly.
func NewProxyFetcher(config *rest.Config) (*HTTPFetcher, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	forward, err := newForwarder(config)
	if err != nil {
		return nil, err
	}
	return &HTTPFetcher{direct: &http.Client{}, proxied: client, proxy: base, forward: forward, limit: maxArtifactBytes}, nil
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

// download writes what is at address. Nothing is written before the server has said that it has it.
func (f *HTTPFetcher) download(ctx context.Context, address string, to io.Writer) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	read := func(response *http.Response) error { return f.read(response, address, to) }
	service, ok := clusterService(u)
	if !ok || f.proxied == nil {
		return get(ctx, f.direct, address, read)
	}
	unreached := unreachedError{errors.New("the API server's service proxy did not get there before")}
	if !f.unproxied.Load() {
		err = get(ctx, f.proxied, f.proxy.JoinPath(service.proxyPath()...).String(), func(response *http.Response) error {
			if err := proxyFailure(response); err != nil {
				return err
			}
			return read(response)
		})
		if !errors.As(err, &unreached) || u.Scheme != "http" {
			return err
		}
	}
	if err := f.forward.get(ctx, service, read); err != nil {
		return fmt.Errorf("%w; nor by port-forward: %w", unreached, err)
	}
	f.unproxied.Store(true)
	return nil
}

// unreachedError says that the service was not reached, whatever it would have answered.
type unreachedError struct{ error }

// Unwrap returns what was wrong.
func (e unreachedError) Unwrap() error { return e.error }

// proxyFailure is the error of an answer that is the proxy's own.
func proxyFailure(response *http.Response) error {
	switch {
	case response.StatusCode == http.StatusForbidden:
		return unreachedError{fmt.Errorf("GET %s: %s; the artifact is read through the API server, which takes the right to get services/proxy there",
			response.Request.URL, response.Status)}
	case response.StatusCode >= http.StatusInternalServerError:
		return unreachedError{fmt.Errorf("GET %s: %s", response.Request.URL, response.Status)}
	}
	return nil
}

func get(ctx context.Context, client *http.Client, target string, read func(*http.Response) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	return errors.Join(read(response), response.Body.Close())
}

// read writes an artifact, not more than the limit.
func (f *HTTPFetcher) read(response *http.Response, address string, to io.Writer) error {
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return fmt.Errorf("GET %s: %s; reconcile the source to have it made again", response.Request.URL, response.Status)
	default:
		return fmt.Errorf("GET %s: %s", response.Request.URL, response.Status)
	}
	n, err := io.Copy(to, io.LimitReader(response.Body, f.limit+1))
	if err == nil && n > f.limit {
		err = fmt.Errorf("%s is larger than %d bytes", address, f.limit)
	}
	return err
}

// clusterAddress is a path of a service.
type clusterAddress struct {
	scheme, host, service, namespace, path string
	port                                   int32
}

// proxyPath is where the API server's service proxy has it.
func (a clusterAddress) proxyPath() []string {
	return []string{"api/v1/namespaces", a.namespace, "services", fmt.Sprintf("%s:%s:%d", a.scheme, a.service, a.port), "proxy", a.path}
}

// clusterService reads an address at the DNS name of a service: NAME.NAMESPACE.svc, with or without the cluster's domain.
func clusterService(u *url.URL) (clusterAddress, bool) {
	parts := strings.Split(strings.TrimSuffix(u.Hostname(), "."), ".")
	if len(parts) < 3 || parts[2] != "svc" {
		return clusterAddress{}, false
	}
	text := u.Port()
	if text == "" {
		text = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	port, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return clusterAddress{}, false
	}
	return clusterAddress{scheme: u.Scheme, host: u.Host, service: parts[0], namespace: parts[1], path: u.Path, port: int32(port)}, true
}
