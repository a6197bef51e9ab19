package harness_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// kubeseal runs the real kubeseal as the developer and fails the test if it does.
func kubeseal(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	result, err := shared.Run(patient.Context(t), harness.Dev, stdin, "kubeseal", args...)
	if err != nil {
		t.Fatal(err)
	}
	if result.Code != 0 {
		t.Fatalf("kubeseal %s ends with %d: %s", strings.Join(args, " "), result.Code, result.Stderr)
	}
	return result.Stdout
}

func TestSealedSecretsAreOpenedByTheRealController(t *testing.T) {
	ctx := patient.Context(t)
	controller, err := shared.StartSealedSecrets(ctx, "--key-size=2048", "--key-renew-period=0")
	if err != nil {
		t.Fatal(err)
	}
	if cert := kubeseal(t, "", "--fetch-cert"); !strings.Contains(cert, "BEGIN CERTIFICATE") {
		t.Fatalf("the controller serves %q", cert)
	}
	const secret = `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"sealed","namespace":"default"},"stringData":{"word":"mellon"}}`
	sealed := kubeseal(t, secret)
	kubeseal(t, sealed, "--validate")
	kubectl(ctx, t, harness.Admin, sealed, "apply", "-f", "-")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got, err := shared.Kubectl(ctx, harness.Admin, "", "get", "secret", "sealed", "-o", "jsonpath={.data.word}")
		if err != nil {
			t.Fatal(err)
		}
		if got.Stdout == "bWVsbG9u" {
			break
		}
		if time.Now().After(deadline) {
			log, err := controller.Log()
			t.Fatalf("the Secret is not there: %s %v\n%s", got.Stderr, err, log)
		}
	}
	if err := controller.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}
