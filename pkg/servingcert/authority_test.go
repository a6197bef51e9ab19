package servingcert

import (
	"bytes"
	"crypto/x509"
	"strconv"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func mustAuthority(t *testing.T, name string, now time.Time) *authority {
	t.Helper()
	ca, err := newAuthority(name, now, AuthorityLifetime)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestClientsTrustALeafOfTheBundle(t *testing.T) {
	now := time.Now()
	ca := mustAuthority(t, "ca", now)
	leaf, err := ca.sign([]string{"webhook.flux-system.svc", "127.0.0.1"}, now, CertificateLifetime)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.bundle(nil)) {
		t.Fatal("the bundle holds no certificate")
	}
	for _, host := range []string{"webhook.flux-system.svc", "127.0.0.1"} {
		if _, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: pool}); err != nil {
			t.Error(err)
		}
	}
	if _, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: "other.flux-system.svc", Roots: pool}); err == nil {
		t.Error("the certificate is for any host")
	}
}

func TestAnAuthorityReadsBackAsItself(t *testing.T) {
	ca := mustAuthority(t, "ca", time.Now())
	certPEM, keyPEM, err := ca.encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := parseAuthority(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	if !read.cert.Equal(ca.cert) {
		t.Error("another certificate")
	}
	if _, err := read.sign([]string{"a"}, time.Now(), CertificateLifetime); err != nil {
		t.Error(err)
	}
	other, _, err := mustAuthority(t, "other", time.Now()).encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2][]byte{"nothing": {}, "no key": {certPEM, nil}, "another's certificate": {other, keyPEM}} {
		if _, err := parseAuthority(pair[0], pair[1]); err == nil || strings.Contains(err.Error(), string(keyPEM)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestABundleKeepsOldAuthorities(t *testing.T) {
	now := time.Now()
	older := mustAuthority(t, "older", now.Add(-AuthorityLifetime))
	old := mustAuthority(t, "old", now.Add(-AuthorityLifetime/2))
	next := mustAuthority(t, "next", now)
	bundle := next.bundle(append(older.bundle(nil), old.bundle(nil)...))
	var names []string
	for _, c := range parseBundle(bundle) {
		names = append(names, c.Subject.CommonName)
	}
	if got := strings.Join(names, " "); got != "next old older" {
		t.Errorf("the bundle holds %s", got)
	}
	if again := next.bundle(bundle); !bytes.Equal(again, bundle) {
		t.Error("the bundle changes without need")
	}
	leaf, err := old.sign([]string{"a"}, now, CertificateLifetime)
	if err != nil {
		t.Fatal(err)
	}
	if !trusts(bundle, leaf.Leaf, []string{"a"}, now) {
		t.Error("a leaf of the old authority is not trusted any more")
	}
	if trusts(next.bundle(nil), leaf.Leaf, []string{"a"}, now) {
		t.Error("a leaf of an authority that is not in the bundle is trusted")
	}
}

func TestABundleIsBounded(t *testing.T) {
	now := time.Now()
	var bundle []byte
	for i := range 20 {
		bundle = mustAuthority(t, strconv.Itoa(i), now.Add(time.Duration(i)*time.Hour)).bundle(bundle)
	}
	var names []string
	for _, c := range parseBundle(bundle) {
		names = append(names, c.Subject.CommonName)
	}
	if got := strings.Join(names, " "); got != "19 18 17 16" {
		t.Errorf("the bundle holds %s", got)
	}
}

func TestALeafIsRenewedInTime(t *testing.T) {
	start := time.Now()
	ca := mustAuthority(t, "ca", start)
	bundle := ca.bundle(nil)
	now := start.Add(time.Hour)
	k := &Keeper{}
	if _, err := k.renew(ca, bundle, []string{"a"}, now); err != nil {
		t.Fatal(err)
	}
	first := k.leaf
	fresh := mustAuthority(t, "fresh", now.Add(CertificateLifetime*2/3))
	for _, test := range []struct {
		name   string
		hosts  []string
		ca     *authority
		bundle []byte
		at     time.Time
		kept   bool
	}{
		{"nothing changed", []string{"a"}, ca, bundle, now.Add(time.Hour), true},
		{"another host", []string{"a", "b"}, ca, bundle, now.Add(time.Hour), false},
		{"old", []string{"a"}, ca, bundle, now.Add(CertificateLifetime * 2 / 3), false},
		{"old, and a new authority that is published this second", []string{"a"}, fresh, fresh.bundle(bundle), made(fresh.cert).Add(time.Second), true},
		{"old, and a new authority that is published for a while", []string{"a"}, fresh, fresh.bundle(bundle), made(fresh.cert).Add(time.Minute), false},
		{"not trusted any more", []string{"a"}, fresh, fresh.bundle(nil), now.Add(CertificateLifetime * 2 / 3), false},
		{"expired", []string{"a"}, ca, bundle, now.Add(CertificateLifetime), false},
	} {
		k := &Keeper{leaf: first}
		due, err := k.renew(test.ca, test.bundle, test.hosts, test.at)
		if err != nil {
			t.Fatal(err)
		}
		if (k.leaf == first) != test.kept || !due.After(test.at) {
			t.Errorf("%s: kept %v, want %v; due in %s", test.name, k.leaf == first, test.kept, due.Sub(test.at))
		}
	}
	if _, err := k.renew(ca, bundle, nil, now); err == nil {
		t.Error("a certificate for nobody")
	}
}

func TestALeafNeverOutlivesItsAuthority(t *testing.T) {
	now := time.Now()
	ca := mustAuthority(t, "ca", now.Add(-AuthorityLifetime+time.Hour))
	leaf, err := ca.sign([]string{"a"}, now, CertificateLifetime)
	if err != nil {
		t.Fatal(err)
	}
	if leaf.Leaf.NotAfter.After(ca.cert.NotAfter) {
		t.Errorf("the leaf ends %s, its authority %s", leaf.Leaf.NotAfter, ca.cert.NotAfter)
	}
}

func TestHosts(t *testing.T) {
	url := "https://127.0.0.1:9443/admit-edits"
	service := &admissionregistrationv1.ServiceReference{Name: "webhook", Namespace: "flux-system"}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{Webhooks: []admissionregistrationv1.ValidatingWebhook{
		{ClientConfig: admissionregistrationv1.WebhookClientConfig{Service: service}},
		{ClientConfig: admissionregistrationv1.WebhookClientConfig{Service: service}},
		{ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url}},
	}}
	if got := strings.Join(hosts([]*admissionregistrationv1.ValidatingWebhookConfiguration{configuration}), " "); got != "127.0.0.1 webhook.flux-system.svc" {
		t.Errorf("got %s", got)
	}
}

func TestNotReadyWithoutACertificate(t *testing.T) {
	k := &Keeper{Configurations: []string{"gitops-drift"}}
	if err := k.Ready(nil); err == nil || !strings.Contains(err.Error(), "ValidatingWebhookConfiguration gitops-drift") {
		t.Errorf("got %v", err)
	}
	expired, err := mustAuthority(t, "ca", time.Now().Add(-AuthorityLifetime)).sign([]string{"a"}, time.Now().Add(-CertificateLifetime-time.Hour), CertificateLifetime)
	if err != nil {
		t.Fatal(err)
	}
	k.leaf = expired
	if err := k.Ready(nil); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("got %v", err)
	}
}
