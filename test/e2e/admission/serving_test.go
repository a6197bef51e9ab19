package admission

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

var service = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "gitops-drift-webhook"}

// refused tries an edit as a dry-run.
func refused(t *testing.T) bool {
	t.Helper()
	result := kubectl(t, "", "-n", "payments", "label", "configmap", "payments-api", "probe=1", "--dry-run=server")
	return strings.Contains(result.Stderr, "denied the request")
}

func TestEveryReplicaServesWithItsOwnCertificate(t *testing.T) {
	other, err := cluster.StartReplica(patient.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Kill()
	defer cluster.Route(service, 443, product.Address("WEBHOOK"))
	for _, replica := range []*harness.Instance{product, other} {
		cluster.Route(service, 443, replica.Address("WEBHOOK"))
		for range 3 {
			if !refused(t) {
				t.Errorf("Pod %s did not refuse", replica.Pod().Name)
			}
		}
	}
}

func TestALostBundleIsPutBack(t *testing.T) {
	ctx := patient.Context(t)
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := cluster.Admin().Get(ctx, client.ObjectKey{Name: "gitops-drift"}, configuration); err != nil {
		t.Fatal(err)
	}
	before := configuration.DeepCopy()
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].ClientConfig.CABundle = nil
	}
	if err := cluster.Admin().Patch(ctx, configuration, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	patient.Until(t, "the bundle", func() bool {
		if err := cluster.Admin().Get(ctx, client.ObjectKey{Name: "gitops-drift"}, configuration); err != nil {
			t.Fatal(err)
		}
		return bytes.Equal(configuration.Webhooks[0].ClientConfig.CABundle, before.Webhooks[0].ClientConfig.CABundle)
	})
	patient.Until(t, "a refusal", func() bool { return refused(t) })
}

func TestTheAuthorityCanBeMadeAnew(t *testing.T) {
	ctx := patient.Context(t)
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: harness.FluxNamespace, Name: "gitops-drift-webhook-ca"}
	if err := cluster.Admin().Get(ctx, key, secret); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Admin().Delete(ctx, secret); err != nil {
		t.Fatal(err)
	}
	if err := product.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Admin().Get(ctx, key, secret); err != nil {
		t.Error(err)
	}
	patient.Until(t, "a refusal", func() bool { return refused(t) })
}

func TestMetricsCountVerdicts(t *testing.T) {
	if !refused(t) {
		t.Fatal("the edit was admitted")
	}
	resp, err := http.Get("http://127.0.0.1:" + strconv.Itoa(product.Port("METRICS")) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`gitops_drift_admission_requests_total{decision="Denied",dry_run="true",operation="UPDATE"}`, "gitops_drift_admission_duration_seconds_count", "gitops_drift_admission_errors_total 0"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not among the metrics", want)
		}
	}
}

func TestFluxDoesNotNeedTheWebhook(t *testing.T) {
	ctx := patient.Context(t)
	product.Kill()
	change(t, "payments-api/config.yaml", "currency: ", "GBP")
	if _, err := cluster.Reconcile(ctx, apps); err != nil {
		t.Errorf("with the webhook down: %v", err)
	}
	if err := product.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	change(t, "payments-api/config.yaml", "currency: ", "EUR")
	if _, err := reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	patient.Until(t, "a refusal", func() bool { return refused(t) })
}
