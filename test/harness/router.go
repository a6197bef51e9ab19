package harness

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// router carries the API server's calls to Services (webhooks, aggregated APIs) to processes on loopback.
// It is the HTTP CONNECT proxy of the API server's own egress selector: kube-proxy's part in a cluster that
// has no nodes. So the manifests of a webhook work unchanged, with their Service and its certificate name.
type router struct {
	dir      string
	listener net.Listener
	server   *http.Server
	services client.Reader // set before the first Route

	mu     sync.Mutex
	routes map[route][]string
	pods   map[string]string // from the address and port of a Pod to those of the process; see [Cluster.Expose]
	next   int
}

// route is a Service and its port.
type route struct {
	service client.ObjectKey
	port    int32
}

func newRouter(ctx context.Context, dir string) (*router, error) {
	r := &router{dir: dir, routes: map[route][]string{}, pods: map[string]string{}}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", r.socket())
	if err != nil {
		return nil, fmt.Errorf("listen for the API server's calls to Services: %w (set TMPDIR to a shorter path if this one is too long)", err)
	}
	r.listener = listener
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = r.server.Serve(listener) }()
	return r, nil
}

func (r *router) socket() string { return filepath.Join(r.dir, "egress.sock") }

// egressConfig writes the API server's egress selector configuration.
func (r *router) egressConfig() (string, error) {
	path := filepath.Join(r.dir, "egress.yaml")
	config := fmt.Sprintf(`apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport: {uds: {udsName: %q}}
`, r.socket())
	return path, os.WriteFile(path, []byte(config), 0o600)
}

// Route sends the API server's calls to port of a Service to the addresses (host:port), in turn; one that
// refuses connections is passed over. It replaces the Service's earlier route; without addresses the Service has no endpoints.
// The Service may be created later.
func (c *Cluster) Route(service client.ObjectKey, port int32, addresses ...string) {
	c.router.mu.Lock()
	defer c.router.mu.Unlock()
	c.router.routes[route{service, port}] = addresses
}

// backends returns the addresses behind a cluster IP, or the IP of a Pod, and a port, the one whose turn it is first.
func (r *router) backends(ctx context.Context, ip string, port int32) ([]string, error) {
	r.mu.Lock()
	if address, ok := r.pods[net.JoinHostPort(ip, strconv.Itoa(int(port)))]; ok {
		r.mu.Unlock()
		return []string{address}, nil
	}
	candidates := map[client.ObjectKey][]string{}
	for route, addresses := range r.routes {
		if route.port == port && len(addresses) > 0 {
			turn := r.next % len(addresses)
			candidates[route.service] = append(append([]string{}, addresses[turn:]...), addresses[:turn]...)
		}
	}
	r.next++
	r.mu.Unlock()
	for key, addresses := range candidates {
		var service corev1.Service
		if err := r.services.Get(ctx, key, &service); client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if service.Spec.ClusterIP == ip {
			return addresses, nil
		}
	}
	return nil, fmt.Errorf("no route to %s:%d", ip, port)
}

// ServeHTTP answers CONNECT.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	backend, err := r.dial(req.Context(), req.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	front, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = backend.Close()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := io.WriteString(front, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = front.Close()
		_ = backend.Close()
		return
	}
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
		_ = from.Close()
	}
	go pipe(backend, front)
	go pipe(front, backend)
}

func (r *router) dial(ctx context.Context, target string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseInt(portText, 10, 32)
	if err != nil {
		return nil, err
	}
	addresses, err := r.backends(ctx, host, int32(port))
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	for _, address := range addresses {
		var dialer net.Dialer
		if conn, err = dialer.DialContext(ctx, "tcp", address); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
