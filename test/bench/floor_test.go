package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// floorPort, in the environment, makes this program the floor: a webhook that decides by the namespace's name alone, in
// a process of its own and with the server that the product has. No webhook can be faster.
const floorPort = "BENCH_FLOOR_PORT"

// floorLabel selects the objects whose edits go to the floor.
const floorLabel = "bench.gitops-drift.dev/floor"

var floorService = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "bench-floor"}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	if port := os.Getenv(floorPort); port != "" {
		if err := serveFloor(port); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveFloor(port string) error {
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair([]byte(os.Getenv("BENCH_FLOOR_CERT")), []byte(os.Getenv("BENCH_FLOOR_KEY")))
	if err != nil {
		return err
	}
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: number, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
		c.MinVersion = tls.VersionTLS13
		c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
	}}})
	server.Register("/", &webhook.Admission{Handler: admission.HandlerFunc(func(_ context.Context, r admission.Request) admission.Response {
		if r.Operation == admissionv1.Update && strings.HasSuffix(r.Namespace, refused) {
			return admission.Denied("by the floor")
		}
		return admission.Allowed("")
	})})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return server.Start(ctx)
}

// startFloor starts the floor behind a Service and registers it with the rules and conditions of the product's webhook.
// It returns what ends it.
func startFloor(ctx context.Context, b *testing.B, cluster *harness.Cluster) func() {
	b.Helper()
	port, err := harness.FreePort()
	if err != nil {
		b.Fatal(err)
	}
	certPEM, keyPEM, err := cert.GenerateSelfSignedCertKey(floorService.Name+"."+floorService.Namespace+".svc", nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd, err := cluster.Command(ctx, harness.Admin, program)
	if err != nil {
		b.Fatal(err)
	}
	cmd.Env = append(cmd.Env, floorPort+"="+strconv.Itoa(port), "BENCH_FLOOR_CERT="+string(certPEM), "BENCH_FLOOR_KEY="+string(keyPEM))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	await(ctx, b, "the floor", func() error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	product := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := cluster.Admin().Get(ctx, client.ObjectKey{Name: "gitops-drift"}, product); err != nil {
		b.Fatal(err)
	}
	hook := product.Webhooks[0]
	hook.Name = "floor.gitops-drift.dev"
	hook.ObjectSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: floorLabel, Operator: metav1.LabelSelectorOpExists}}}
	hook.ClientConfig = admissionregistrationv1.WebhookClientConfig{
		CABundle: certPEM,
		Service:  &admissionregistrationv1.ServiceReference{Namespace: floorService.Namespace, Name: floorService.Name},
	}
	for _, object := range []client.Object{
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: floorService.Namespace, Name: floorService.Name},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}},
		},
		&admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "bench-floor"}, Webhooks: []admissionregistrationv1.ValidatingWebhook{hook},
		},
	} {
		if err := cluster.Admin().Create(ctx, object); err != nil {
			b.Fatal(err)
		}
	}
	cluster.Route(floorService, 443, address)
	return func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
			b.Error(err)
		}
	}
}

// await returns when done has no error any more.
func await(ctx context.Context, b *testing.B, what string, done func() error) {
	b.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := done()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			b.Fatalf("wait for %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
