package fleet

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
)

// Unreachable is the error of a cluster to which there is no connection.
type Unreachable struct {
	// Err is the client's error, which may be long.
	Err error
	why string
}

func (e *Unreachable) Error() string { return "unreachable: " + e.why }

// Unwrap returns the client's error.
func (e *Unreachable) Unwrap() error { return e.Err }

// Explain returns an Unreachable, whose message is short, if err says that there was no connection to the cluster. Any
// other error is returned as it is.
func Explain(err error) error {
	why := ""
	lookup, address := (*net.DNSError)(nil), (*net.OpError)(nil)
	authority, hostname, certificate := x509.UnknownAuthorityError{}, x509.HostnameError{}, x509.CertificateInvalidError{}
	slow := (*slowError)(nil)
	switch {
	case err == nil, errors.As(err, new(*Unreachable)):
		return err
	case errors.As(err, &slow):
		why = slow.Error()
	case errors.As(err, &lookup) && lookup.IsNotFound:
		why = fmt.Sprintf("no such host %s", lookup.Name)
	case errors.As(err, &lookup):
		why = fmt.Sprintf("cannot look up host %s", lookup.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		why = "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		why = "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		why = "no route to host"
	case errors.As(err, &authority):
		why = "its certificate is signed by an unknown authority"
	case errors.As(err, &hostname):
		why = "its certificate is not for this host"
	case errors.As(err, &certificate):
		why = "its certificate is not valid"
	case errors.As(err, &address) && address.Op == "dial" && (address.Timeout() || errors.Is(err, os.ErrDeadlineExceeded)):
		why = "timeout"
	default:
		return err
	}
	return &Unreachable{Err: err, why: why}
}

// slowError is the error of a connection that took too long.
type slowError struct{ patience time.Duration }

func (e *slowError) Error() string { return fmt.Sprintf("no connection within %s", e.patience) }

// Bind makes every request that clients of config send end with ctx, also those for which clients take no context, as
// discovery does; and fail if it takes longer than patience to connect. Logging in with an exec plugin, for which people
// may have to open a browser, does not count.
func Bind(ctx context.Context, config *rest.Config, patience time.Duration) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &bound{ctx: ctx, next: next, patience: patience}
	})
}

type bound struct {
	ctx      context.Context
	next     http.RoundTripper
	patience time.Duration
}

// RoundTrip sends a request. It may be called concurrently.
func (b *bound) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(request.Context())
	unbind := context.AfterFunc(b.ctx, func() { cancel(context.Cause(b.ctx)) })
	done := func() {
		unbind()
		cancel(nil)
	}
	connecting := time.AfterFunc(b.patience, func() { cancel(&slowError{b.patience}) })
	defer connecting.Stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connecting.Stop() }})
	response, err := b.next.RoundTrip(request.WithContext(ctx))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && request.Context().Err() == nil {
			err = cause
		}
		done()
		return nil, err
	}
	if response.StatusCode == http.StatusSwitchingProtocols { // the body is the connection, for both directions
		return response, nil
	}
	response.Body = &body{ReadCloser: response.Body, done: done}
	return response, nil
}

// WrappedRoundTripper returns what sends the requests.
func (b *bound) WrappedRoundTripper() http.RoundTripper { return b.next }

// body ends the context of its request when it is closed.
type body struct {
	io.ReadCloser
	done func()
}

// Close closes the body.
func (b *body) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
