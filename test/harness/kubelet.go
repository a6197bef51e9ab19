package harness

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	streaming "k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ForwardingNode is the node of the Pods whose ports are forwarded; see [Cluster.StartForwarding].
const ForwardingNode = "forwarding"

// StartForwarding adds a node whose kubelet does nothing but forward a port of any Pod bound to it, as kubectl port-forward
// asks for: to address. It lasts until ctx ends.
func (c *Cluster) StartForwarding(ctx context.Context, port int32, address string) error {
	certificate, err := tls.LoadX509KeyPair(c.pki.certFile, c.pki.keyFile)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: &forwarding{port: port, address: address}, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	at, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("listening at %s", listener.Addr())
	}
	c.router.mu.Lock()
	c.router.pods[at.String()] = at.String()
	c.router.mu.Unlock()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: ForwardingNode}}
	if err := c.admin.Create(ctx, node); err != nil {
		return err
	}
	patch := client.MergeFrom(node.DeepCopy())
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: at.IP.String()}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(at.Port) //nolint:gosec // a port
	return c.admin.Status().Patch(ctx, node, patch)
}

// forwarding is kubelet's part in forwarding a port.
type forwarding struct {
	port    int32
	address string
}

// ServeHTTP takes a connection over, on which each forwarded connection has two streams.
func (f *forwarding) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !strings.HasPrefix(req.URL.Path, "/portForward/") {
		http.NotFound(w, req)
		return
	}
	if _, err := streaming.Handshake(req, w, []string{"portforward.k8s.io"}); err != nil {
		return // it has answered
	}
	streams := make(chan streaming.Stream)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, req, func(stream streaming.Stream, _ <-chan struct{}) error {
		streams <- stream
		return nil
	})
	if connection == nil {
		return
	}
	defer func() { _ = connection.Close() }()
	complaints := map[string]streaming.Stream{}
	for {
		select {
		case <-connection.CloseChan():
			return
		case stream := <-streams:
			request := stream.Headers().Get(corev1.PortForwardRequestIDHeader)
			if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				complaints[request] = stream
				continue
			}
			go f.carry(req.Context(), stream, complaints[request])
		}
	}
}

// carry copies both ways until both have ended.
func (f *forwarding) carry(ctx context.Context, data, complaints streaming.Stream) {
	defer func() { _ = data.Close() }()
	defer func() { _ = complaints.Close() }()
	if data.Headers().Get(corev1.PortHeader) != fmt.Sprint(f.port) {
		_, _ = fmt.Fprintf(complaints, "nothing listens at %s", data.Headers().Get(corev1.PortHeader))
		return
	}
	backend, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.address)
	if err != nil {
		_, _ = io.WriteString(complaints, err.Error())
		return
	}
	defer func() { _ = backend.Close() }()
	go func() { _, _ = io.Copy(backend, data) }()
	_, _ = io.Copy(data, backend)
}
