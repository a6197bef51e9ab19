package sealkey

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/bitnami-labs/sealed-secrets/pkg/crypto"
	"k8s.io/client-go/util/cert"
)

// Certificate is what secrets are sealed with. It is public.
type Certificate struct {
	*x509.Certificate
	// Key is the public key.
	Key *rsa.PublicKey
	// Fingerprint is that of Key: SHA256:….
	Fingerprint string
}

// ParseCertificate reads a certificate in PEM; of several the first, as kubeseal and the controller do. That it has
// expired is no error: the controller goes on opening what it sealed.
func ParseCertificate(text []byte) (*Certificate, error) {
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return nil, errors.New("holds a private key; a certificate is needed, and a private key must not lie in the repository")
	}
	certs, err := cert.ParseCertsPEM(text)
	if err != nil || len(certs) == 0 {
		return nil, errors.New("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
	}
	return newCertificate(certs[0])
}

func newCertificate(c *x509.Certificate) (*Certificate, error) {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("is a certificate of a %s key; Sealed Secrets needs RSA", c.PublicKeyAlgorithm)
	}
	fingerprint, err := Fingerprint(key)
	if err != nil {
		return nil, err
	}
	return &Certificate{Certificate: c, Key: key, Fingerprint: fingerprint}, nil
}

// Fingerprint tells keys apart: SHA256:….
func Fingerprint(key *rsa.PublicKey) (string, error) {
	fingerprint, err := crypto.PublicKeyFingerprint(key)
	if err != nil {
		return "", fmt.Errorf("holds a public key that cannot be used: %w", err)
	}
	return fingerprint, nil
}

// PEM is the certificate as it is written into files.
func (c *Certificate) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: c.Raw})
}

// Expired reports whether the certificate's time is over. Controllers do not care, kubeseal refuses it.
func (c *Certificate) Expired(now time.Time) bool { return now.After(c.NotAfter) }

// RenewedAt is when a controller that renews its keys, which each does unless told otherwise, makes a key of its own because
// this certificate is so old, and serves that one from then on. A period of 0 is never.
func (c *Certificate) RenewedAt(period time.Duration) time.Time {
	if period == 0 {
		return time.Time{}
	}
	return c.NotBefore.Add(period)
}
