package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

const (
	// clientIdle is how long the API server keeps a connection that it does not use.
	clientIdle = 90 * time.Second
	// requestTimeout is how long a request may take to arrive, or an answer to go; the API server waits for 3 s.
	requestTimeout = 30 * time.Second
)

// server serves the webhook over HTTPS. controller-runtime's own closes idle connections when it stops, and when they
// are as old as the API server's own limit; a call that is sent on one at that moment fails, for the API server uses
// HTTP/1.1, where only an answer can say that a connection ends.
type server struct {
	http     http.Server
	mux      *http.ServeMux
	listener net.Listener
	leaving  atomic.Bool
	open     atomic.Int64
}

// newServer listens on a port of every address.
func newServer(ctx context.Context, port int, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), log logr.Logger) (*server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("listen for the API server's calls: %w", err)
	}
	s := &server{mux: http.NewServeMux()}
	s.listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: certificate, NextProtos: []string{"http/1.1"}})
	s.http = http.Server{
		Handler:           s,
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      2 * requestTimeout,
		IdleTimeout:       2 * clientIdle,
		ConnState:         s.count,
		// Whoever can reach the port can have it complain about their handshakes.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(log), slog.LevelDebug),
	}
	return s, nil
}

// runnable is for the manager, which stops it last.
func (s *server) runnable() manager.Runnable {
	timeout := stopTimeout
	return &manager.Server{Name: "webhook", Server: &s.http, Listener: s.listener, ShutdownTimeout: &timeout}
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.leaving.Load() {
		w.Header().Set("Connection", "close")
	}
	s.mux.ServeHTTP(w, r)
}

func (s *server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.open.Add(-1)
	}
}

// ready is a healthz.Checker: handshakes succeed, and the server is not about to stop.
func (s *server) ready(req *http.Request) error {
	if s.leaving.Load() {
		return errors.New("shutting down")
	}
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: time.Second},
		Config:    &tls.Config{InsecureSkipVerify: true}, // it calls itself
	}
	conn, err := dialer.DialContext(req.Context(), "tcp", s.listener.Addr().String())
	if err != nil {
		return fmt.Errorf("the webhook cannot be reached: %w", err)
	}
	return conn.Close()
}

// drain returns a context that ends after ctx: when delay has passed, and then every connection is gone or longest has
// passed too. In between the replica is unready and serves, every answer being a connection's last: calls go to other
// replicas as they learn of it, and no call is lost.
func (s *server) drain(ctx context.Context, delay, longest time.Duration) context.Context {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		<-ctx.Done()
		s.leaving.Store(true)
		end := time.Now().Add(max(delay, longest))
		time.Sleep(delay)
		for s.open.Load() > 0 && time.Now().Before(end) {
			time.Sleep(50 * time.Millisecond)
		}
		cancel()
	}()
	return out
}
