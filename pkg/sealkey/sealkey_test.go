package sealkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bitnami-labs/sealed-secrets/pkg/kubeseal"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"
)

var now = time.Now()

func pair(t testing.TB) *Pair {
	t.Helper()
	p, err := Generate(2048, time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPairIsWhatTheControllerMakes(t *testing.T) {
	p := pair(t)
	public, err := kubeseal.ParseKey(strings.NewReader(string(p.Certificate.PEM())))
	if err != nil || !public.Equal(&p.Key.PublicKey) {
		t.Errorf("kubeseal reads another key, %v", err)
	}
	again, err := ParseCertificate(p.Certificate.PEM())
	if err != nil || again.Fingerprint != p.Certificate.Fingerprint || !strings.HasPrefix(again.Fingerprint, "SHA256:") {
		t.Errorf("got %v, %v", again, err)
	}
	if again.Expired(now) || !again.Expired(now.Add(2*time.Hour)) {
		t.Error("it is valid for another time")
	}
	for _, test := range []struct {
		bits  int
		valid time.Duration
	}{{1024, time.Hour}, {2049, time.Hour}, {1 << 20, time.Hour}, {2048, 0}} {
		if _, err := Generate(test.bits, test.valid, now); err == nil {
			t.Errorf("%+v was made", test)
		}
	}
}

func TestWhatIsNoCertificateIsToldApart(t *testing.T) {
	p := pair(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: p.Certificate.SerialNumber, NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &ec.PublicKey, ec)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                 "holds no certificate in PEM",
		string(p.KeyPEM()): "holds a private key; a certificate is needed",
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})): "is a certificate of a ECDSA key; Sealed Secrets needs RSA",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n":        "holds no certificate in PEM",
	} {
		if _, err := ParseCertificate([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestKeysAreReadFromPEMAndFromSecrets(t *testing.T) {
	a, b := pair(t), pair(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(a.Key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(object any) string {
		out, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	secretA, secretB := a.Secret("kube-system", "one"), b.Secret("kube-system", "two")
	list := encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{secretA, secretB}})
	want := []string{a.Certificate.Fingerprint, b.Certificate.Fingerprint}
	slices.Sort(want)
	for name, test := range map[string]struct {
		text string
		n    int
	}{
		"PEM":                    {string(a.KeyPEM()), 1},
		"PKCS 8":                 {string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), 1},
		"certificates and keys":  {string(a.Certificate.PEM()) + string(a.KeyPEM()) + string(b.KeyPEM()), 2},
		"a Secret":               {encode(secretA), 1},
		"a list":                 {list, 2},
		"documents":              {encode(secretA) + "---\n" + encode(secretB), 2},
		"a Secret of other keys": {"kind: Secret\ndata: {other: AAAA}\n---\n" + encode(secretB), 1},
	} {
		ring, err := ParseKeys([]byte(test.text))
		if err != nil || len(ring) != test.n || test.n == 2 && !slices.Equal(ring.Fingerprints(), want) {
			t.Errorf("%s: %v, %v", name, ring, err)
		}
		for _, text := range []string{fmt.Sprint(ring), fmt.Sprintf("%+v %#v %s %x", ring, ring, ring, ring)} {
			if strings.Contains(text, a.Key.D.String()) || strings.Contains(text, "Primes") {
				t.Errorf("%s: a key comes out", name)
			}
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", a, a, a); strings.Contains(text, a.Key.D.String()) || !strings.Contains(text, a.Certificate.Fingerprint) {
		t.Errorf("a pair is written as %s", text)
	}
	for text, want := range map[string]string{
		"swordfish":                 "holds no private key",
		"":                          "holds no private key",
		string(a.Certificate.PEM()): "holds no private key in PEM",
		"-----BEGIN RSA PRIVATE KEY-----\nc3dvcmRmaXNo\n-----END RSA PRIVATE KEY-----\n":                                             "holds a private key that cannot be read",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nc3dvcmRmaXNo\n-----END ENCRYPTED PRIVATE KEY-----\n":                                 "holds a private key with a passphrase",
		"kind: Secret\nmetadata: {namespace: x, name: key}\ndata: {tls.key: c3dvcmRmaXNo}":                                           "Secret x/key: tls.key holds no private key in PEM",
		strings.Replace(string(a.KeyPEM()), "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,c3dvcmRm\n\n", 1): "with a passphrase",
	} {
		if _, err := ParseKeys([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "swordfish") || strings.Contains(err.Error(), "c3dv") {
			t.Errorf("%.30s: got %v, want %q", text, err, want)
		}
	}
}

func TestOfAClusterTheActiveKeysCount(t *testing.T) {
	a, b, c := pair(t), pair(t), pair(t)
	retired, elsewhere := b.Secret("kube-system", "two"), c.Secret("default", "three")
	retired.Labels[Label] = "compromised"
	reader := fake.NewClientBuilder().WithObjects(a.Secret("kube-system", "one"), retired, elsewhere,
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "other"}}).Build()
	ring, err := FromCluster(t.Context(), reader, "kube-system")
	if err != nil || len(ring) != 1 || !ring.Has(a.Certificate.Fingerprint) {
		t.Errorf("%v, %v", ring, err)
	}
	if all, err := Secrets(t.Context(), reader, "kube-system"); err != nil || len(all) != 2 {
		t.Errorf("%d key Secrets, %v", len(all), err)
	}
	if _, err := FromCluster(t.Context(), reader, "flux-system"); err == nil || !strings.Contains(err.Error(), "namespace flux-system has no Secret with the label") {
		t.Errorf("got %v", err)
	}
	var _ client.Reader = reader
}

func TestAVaultsSecretIsSyncedWithItsLabel(t *testing.T) {
	text, err := Vault{Name: "contoso-keys", Tenant: "tenant", Client: "client"}.SecretProviderClass("kube-system", "sealed-secrets-shared")
	if err != nil {
		t.Fatal(err)
	}
	const want = `apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: sealed-secrets-shared
  namespace: kube-system
spec:
  parameters:
    clientID: client
    keyvaultName: contoso-keys
    objects: |
      array:
        - |
          objectName: sealed-secrets-shared-crt
          objectType: secret
        - |
          objectName: sealed-secrets-shared-key
          objectType: secret
    tenantId: tenant
    usePodIdentity: "false"
  provider: azure
  secretObjects:
  - data:
    - key: tls.crt
      objectName: sealed-secrets-shared-crt
    - key: tls.key
      objectName: sealed-secrets-shared-key
    labels:
      sealedsecrets.bitnami.com/sealed-secrets-key: active
    secretName: sealed-secrets-shared
    type: kubernetes.io/tls
`
	if string(text) != want {
		t.Errorf("got\n%s", text)
	}
	values, err := Values("two", "one")
	if err != nil || strings.Count(string(values), "secretProviderClass: ") != 2 || !strings.Contains(string(values), "secretName: one") ||
		!strings.Contains(string(values), `keyrenewperiod: "0"`) {
		t.Errorf("got\n%s%v", values, err)
	}
	if values, err := Values(); err != nil || string(values) != "keyrenewperiod: \"0\"\n" {
		t.Errorf("got\n%s%v", values, err)
	}
}

func FuzzParseKeys(f *testing.F) {
	p := pair(f)
	f.Add(p.KeyPEM())
	f.Add(p.Certificate.PEM())
	f.Add([]byte("kind: Secret\ndata: {tls.key: c3dvcmRmaXNo}"))
	f.Add([]byte(`{"kind":"List","items":[{"data":{"tls.key":"AA=="}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if ring, err := ParseKeys(text); err == nil && len(ring) == 0 {
			t.Error("no keys, and no error")
		}
		if c, err := ParseCertificate(text); err == nil && c.Fingerprint == "" {
			t.Error("a certificate without a fingerprint")
		}
	})
}
