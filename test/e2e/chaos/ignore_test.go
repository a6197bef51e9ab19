package chaos

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// timeout is the webhooks' timeoutSeconds, and what a busy machine adds.
const timeout = 3*time.Second + 2*time.Second

// longer is the environment variable that makes the test of roll-outs last longer.
const longer = "GITOPS_DRIFT_CHAOS"

// duration is how long the test of roll-outs lasts: long enough for the authority to be replaced.
func duration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(longer)
	if text == "" {
		return 27 * time.Second
	}
	out, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", longer, err)
	}
	return out
}

// judgesAll has every edit judged again, and none unjudged.
func (g *guard) judgesAll() {
	g.t.Helper()
	g.judges()
	l := steady(g.t)
	time.Sleep(time.Second)
	if c := l.check(); !c.lossless() || c.refused == 0 {
		g.t.Errorf("afterwards: %+v", c)
	}
}

func TestRollOutsAndRotationsLoseNoCall(t *testing.T) {
	// The authority of earlier tests is good for a year.
	must(t, "", "-n", caSecret.Namespace, "delete", "secret", caSecret.Name, "--ignore-not-found")
	// Each replica's certificate is replaced after 8 s, the authority after 24 s.
	g := install(t, "enforce", "--certificate-lifetime=12s", "--ca-lifetime=36s")
	first := bundle(t)
	end := time.Now().Add(duration(t))
	l := steady(t)
	g.roll(2)
	for time.Now().Before(end) {
		time.Sleep(min(time.Until(end), 10*time.Second))
		if os.Getenv(longer) != "" {
			g.roll(2)
		}
	}
	c := l.check()
	if !c.lossless() || (c.refused+c.timeouts)*3 < c.edits-3 {
		t.Errorf("%+v\n%s", c, why(t))
	}
	if after := bundle(t); bytes.Equal(after, first) || bytes.Count(after, []byte("BEGIN")) < 2 {
		t.Error("the authority was not replaced, or the old one is not trusted any more")
	}
	if n := g.errors(); n > 0 {
		t.Errorf("%v errors", n)
	}
}

func TestKilledUnderIgnore(t *testing.T) {
	g := install(t, "enforce")
	l := steady(t)
	time.Sleep(500 * time.Millisecond)
	g.kill()
	time.Sleep(2 * time.Second)
	g.restart()
	if c := l.check(); c.ours > 0 || c.others > 0 || c.unjudged == 0 || c.refused == 0 {
		t.Errorf("%+v", c)
	}
	g.judgesAll()
}

func TestHungUnderIgnore(t *testing.T) {
	g := install(t, "enforce")
	l := steady(t)
	time.Sleep(500 * time.Millisecond)
	g.signal(syscall.SIGSTOP)
	time.Sleep(4 * time.Second)
	g.signal(syscall.SIGCONT)
	if c := l.check(); c.ours > 0 || c.others > 0 || c.unjudged == 0 || c.slowest > timeout {
		t.Errorf("%+v", c)
	}
	g.judgesAll()
}

func TestAPIServerRestarted(t *testing.T) {
	g := install(t, "enforce")
	l := steady(t)
	time.Sleep(500 * time.Millisecond)
	if err := cluster.RestartAPIServer(patient.Context(t)); err != nil {
		t.Fatal(err)
	}
	for _, r := range l.stop() {
		if r.ours() {
			t.Errorf("%s: %v", r.namespace, r.err)
		}
	}
	for _, replica := range g.replicas {
		select {
		case <-replica.Exited():
			t.Errorf("Pod %s has ended", replica.Pod().Name)
		default:
		}
	}
	g.judgesAll()
}

func TestNoCallIsLostWhileTheRecordsCRDIsGone(t *testing.T) {
	g := install(t, "enforce")
	crds, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	crds = filepath.Join(crds, "manifests", "crds")
	l := steady(t)
	time.Sleep(500 * time.Millisecond)
	must(t, "", "delete", "crd", "editrecords.gitops-drift.dev")
	time.Sleep(3 * time.Second)
	must(t, "", "apply", "--server-side", "-k", crds)
	time.Sleep(time.Second)
	if c := l.check(); !c.lossless() || c.refused == 0 {
		t.Errorf("%+v\n%s", c, why(t))
	}
	if n := g.errors(); n > 0 {
		t.Errorf("%v errors", n)
	}
}

func TestExpiredCertificatesRecoverByThemselves(t *testing.T) {
	g := install(t, "enforce")
	g.kill()
	cert, key := expired(t)
	ctx := patient.Context(t)
	secret := &corev1.Secret{}
	if err := cluster.Admin().Get(ctx, caSecret, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data = map[string][]byte{corev1.TLSCertKey: cert, corev1.TLSPrivateKeyKey: key, "ca.crt": cert}
	if err := cluster.Admin().Update(ctx, secret); err != nil {
		t.Fatal(err)
	}
	setBundle(t, cert)
	l := start(t)
	for range 12 {
		l.edit()
	}
	if c := l.check(); c.ours > 0 || c.unjudged == 0 {
		t.Errorf("with expired certificates: %+v", c)
	}
	g.restart()
	g.judgesAll()
}

func TestDamageByHandLosesNoCall(t *testing.T) {
	g := install(t, "enforce")
	l := steady(t)
	ctx := patient.Context(t)
	if err := cluster.Admin().Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: caSecret.Namespace, Name: caSecret.Name}}); err != nil {
		t.Fatal(err)
	}
	g.roll(1)
	secret := &corev1.Secret{}
	if err := cluster.Admin().Get(ctx, caSecret, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data[corev1.TLSPrivateKeyKey] = []byte("damaged")
	if err := cluster.Admin().Update(ctx, secret); err != nil {
		t.Fatal(err)
	}
	// The manifests again, by each way to apply them.
	for _, args := range [][]string{{"--server-side", "--force-conflicts"}, nil} {
		must(t, "", append(append([]string{"apply"}, args...), "-k", overlay(t, "enforce"))...)
		must(t, "", "patch", "editpolicy", "enforce", "--type=merge", `-p={"spec":{"restore":false}}`)
	}
	g.roll(1)
	if c := l.check(); !c.lossless() {
		t.Errorf("%+v\n%s", c, why(t))
	}
	// Without a bundle every call fails until it is back.
	l = start(t)
	setBundle(t, nil)
	for range burst {
		l.edit()
	}
	patient.Until(t, "the bundle", func() bool { return len(bundle(t)) > 0 })
	if c := l.check(); c.ours > 0 || c.others > 0 {
		t.Errorf("with the bundle wiped: %+v", c)
	}
	g.judgesAll()
}

// TestErrorsOfOursAreCounted has an owner whose rules nobody can read, so that edits of its objects cannot be judged.
func TestErrorsOfOursAreCounted(t *testing.T) {
	g := install(t, "enforce")
	must(t, `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: broken, namespace: flux-system},
		spec: {suspend: true, interval: 1h, prune: true, path: ./, sourceRef: {kind: GitRepository, name: broken}, ignore: [{paths: [/data/x], target: {name: "("}}]}}`, "apply", "-f-")
	object := `{apiVersion: v1, kind: ConfigMap, metadata: {name: broken, namespace: recorded, labels: {kustomize.toolkit.fluxcd.io/name: broken, kustomize.toolkit.fluxcd.io/namespace: flux-system}}, data: {value: git}}`
	must(t, object, "apply", "--server-side", "--field-manager=kustomize-controller", "-f-")
	before := g.errors()
	patient.Until(t, "an edit without a verdict", func() bool {
		must(t, "", "-n", recorded, "patch", "configmap", "broken", "--type=merge", `-p={"data":{"value":"`+time.Now().String()+`"}}`)
		return g.errors() > before
	})
	events, err := cluster.AuditEvents(func(e harness.AuditEvent) bool { return e.ObjectRef.Name == "broken" && e.Verb == "patch" })
	if err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	if last.Annotations["edits.gitops-drift.dev/decision"] != "Unjudged" || !strings.Contains(last.Annotations["edits.gitops-drift.dev/error"], "spec.ignore") {
		t.Errorf("audit annotations are %v", last.Annotations)
	}
}

// TestALargeEditIsJudged has a ConfigMap of which the API server's review is larger than 7 MiB.
func TestALargeEditIsJudged(t *testing.T) {
	g := install(t, "enforce")
	before := failedOpen(t)
	file := filepath.Join(t.TempDir(), "patch.json")
	if err := os.WriteFile(file, []byte(`{"data":{"value":"`+strings.Repeat("<", 1_000_000)+`"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "", "-n", recorded, "patch", "configmap", name(0), "--type=merge", "--patch-file="+file)
	result, err := cluster.Kubectl(patient.Context(t), harness.OnCall, "", "-n", denied, "patch", "configmap", name(0), "--type=merge", "--patch-file="+file)
	if err != nil {
		t.Fatal(err)
	}
	if result.Code == 0 || !strings.Contains(result.Stderr, "denied the request") || len(result.Stderr) > 10_000 {
		t.Errorf("exit code %d: %.300s", result.Code, result.Stderr)
	}
	// The old object is as large now as the new one.
	must(t, "", "-n", recorded, "patch", "configmap", name(0), "--type=merge", `-p={"metadata":{"labels":{"team":"mine"}}}`)
	if after := failedOpen(t); after != before || g.errors() > 0 {
		t.Errorf("%v calls failed, %v errors", after-before, g.errors())
	}
	must(t, "", "-n", recorded, "patch", "configmap", name(0), "--type=merge", `-p={"data":{"value":"git"}}`)
}

var caSecret = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "gitops-drift-webhook-ca"}

// expired returns an authority of three years ago, in PEM.
func expired(t *testing.T) (certPEM, keyPEM []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: caSecret.Name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().AddDate(-3, 0, 0), NotAfter: time.Now().AddDate(-2, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// bundle is what the API server trusts.
func bundle(t *testing.T) []byte {
	t.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := cluster.Admin().Get(patient.Context(t), client.ObjectKey{Name: "gitops-drift"}, configuration); err != nil {
		t.Fatal(err)
	}
	return configuration.Webhooks[0].ClientConfig.CABundle
}

func setBundle(t *testing.T, bundle []byte) {
	t.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := cluster.Admin().Get(patient.Context(t), client.ObjectKey{Name: "gitops-drift"}, configuration); err != nil {
		t.Fatal(err)
	}
	before := configuration.DeepCopy()
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].ClientConfig.CABundle = bundle
	}
	if err := cluster.Admin().Patch(patient.Context(t), configuration, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}
