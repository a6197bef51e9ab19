package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// version asks the server of a host for its version, which takes no context.
func version(ctx context.Context, t *testing.T, config *rest.Config, patience time.Duration) error {
	t.Helper()
	Bind(ctx, config, patience)
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = clientset.Discovery().ServerVersion()
	return err
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// silent is the address of a server that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

func TestWhyAClusterIsUnreachableIsSaidShortly(t *testing.T) {
	secured := httptest.NewUnstartedServer(http.NotFoundHandler())
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	secured.StartTLS()
	t.Cleanup(secured.Close)
	for name, test := range map[string]struct{ host, want string }{
		"nobody listens":    {"https://" + closed(t), "unreachable: connection refused"},
		"no such host":      {"https://cluster.invalid:6443", "unreachable: no such host cluster.invalid|unreachable: cannot look up host cluster.invalid"},
		"silence":           {"https://" + silent(t), "unreachable: no connection within 300ms"},
		"unknown authority": {secured.URL, "unreachable: its certificate is signed by an unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			err := version(t.Context(), t, &rest.Config{Host: test.host}, 300*time.Millisecond)
			got := Explain(fmt.Errorf("the Kustomizations cannot be listed: %w", err))
			if !strings.Contains("|"+test.want+"|", "|"+got.Error()+"|") {
				t.Errorf("got %q for %v", got, err)
			}
			if !errors.As(got, new(*Unreachable)) || Explain(got).Error() != got.Error() {
				t.Errorf("%v is not Unreachable, once", got)
			}
		})
	}
}

func TestWhatIsNoMatterOfTheConnectionStays(t *testing.T) {
	for _, err := range []error{nil, errors.New("forbidden"), context.DeadlineExceeded, fmt.Errorf("not done: %w", context.Canceled)} {
		if got := Explain(err); !errors.Is(got, err) || errors.As(got, new(*Unreachable)) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestASlowAnswerIsNoSlowConnection(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(400 * time.Millisecond)
		_, _ = w.Write([]byte(`{"major":"1"}`))
	}))
	t.Cleanup(server.Close)
	if err := version(t.Context(), t, &rest.Config{Host: server.URL}, 200*time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestRequestsThatTakeNoContextEndWithTheirs(t *testing.T) {
	answer := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-answer }))
	t.Cleanup(func() { close(answer); server.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := version(ctx, t, &rest.Config{Host: server.URL}, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestNothingOfARequestStaysBehind(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"major":"1"}`)) }))
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL}
	if err := version(t.Context(), t, config, time.Minute); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range 50 {
		if err := version(t.Context(), t, rest.CopyConfig(config), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if after := runtime.NumGoroutine(); after > before+10 {
		t.Errorf("%d goroutines became %d", before, after)
	}
}
