package servingcert

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func mustAuthority(t *testing.T, name string, now time.Time) *authority {
	t.Helper()
	ca, err := newAuthority(name, now)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestClientsTrustALeafOfTheBundle(t *testing.T) {
	now := time.Now()
	ca := mustAuthority(t, "ca", now)
	leaf, err := ca.sign([]string{"webhook.flux-system.svc", "127.0.0.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.bundle(nil, now)) {
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
	if _, err := read.sign([]string{"a"}, time.Now()); err != nil {
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

func TestABundleKeepsOldAuthoritiesWhileTheyAreValid(t *testing.T) {
	now := time.Now()
	expired := mustAuthority(t, "expired", now.Add(-2*authorityLifetime))
	old := mustAuthority(t, "old", now.Add(-authorityLifetime/2))
	next := mustAuthority(t, "next", now)
	bundle := next.bundle(old.bundle(expired.bundle(nil, now), now), now)
	var names []string
	for _, c := range parseBundle(bundle) {
		names = append(names, c.Subject.CommonName)
	}
	if got := strings.Join(names, " "); got != "next old" {
		t.Errorf("the bundle holds %s", got)
	}
	if again := next.bundle(bundle, now); !bytes.Equal(again, bundle) {
		t.Error("the bundle changes without need")
	}
	leaf, err := old.sign([]string{"a"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if !trusted(leaf.Leaf, bundle) {
		t.Error("a leaf of the old authority is not trusted any more")
	}
	if trusted(leaf.Leaf, next.bundle(nil, now)) {
		t.Error("a leaf of an authority that is not in the bundle is trusted")
	}
}

func TestALeafIsRenewedInTime(t *testing.T) {
	now := time.Now()
	ca := mustAuthority(t, "ca", now)
	bundle := ca.bundle(nil, now)
	k := &Keeper{}
	first, err := k.renew(ca, bundle, []string{"a"}, now)
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, want bool, hosts []string, bundle []byte, at time.Time) {
		t.Helper()
		k := &Keeper{leaf: first}
		got, err := k.renew(ca, bundle, hosts, at)
		if err != nil {
			t.Fatal(err)
		}
		if (got == first) != want {
			t.Errorf("%s: kept %v, want %v", what, got == first, want)
		}
	}
	same("nothing changed", true, []string{"a"}, bundle, now.Add(time.Hour))
	same("another host", false, []string{"a", "b"}, bundle, now.Add(time.Hour))
	same("old", false, []string{"a"}, bundle, now.Add(leafLifetime*2/3))
	same("not trusted any more", false, []string{"a"}, mustAuthority(t, "other", now).bundle(nil, now), now.Add(time.Hour))
	if _, err := k.renew(ca, bundle, nil, now); err == nil {
		t.Error("a certificate for nobody")
	}
}

func TestALeafNeverOutlivesItsAuthority(t *testing.T) {
	now := time.Now()
	ca := mustAuthority(t, "ca", now.Add(-authorityLifetime+time.Hour))
	leaf, err := ca.sign([]string{"a"}, now)
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
	if got := strings.Join(hosts(configuration), " "); got != "127.0.0.1 webhook.flux-system.svc" {
		t.Errorf("got %s", got)
	}
}

func TestNotReadyWithoutACertificate(t *testing.T) {
	k := &Keeper{Configuration: "gitops-drift"}
	if err := k.Ready(nil); err == nil || !strings.Contains(err.Error(), "ValidatingWebhookConfiguration gitops-drift") {
		t.Errorf("got %v", err)
	}
	expired, err := mustAuthority(t, "ca", time.Now().Add(-authorityLifetime)).sign([]string{"a"}, time.Now().Add(-leafLifetime-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	k.leaf = expired
	if err := k.Ready(nil); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("got %v", err)
	}
}
