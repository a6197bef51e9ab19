package sealkey

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/bitnami-labs/sealed-secrets/pkg/crypto"
	"k8s.io/client-go/util/keyutil"
)

// Sizes of keys, in bits.
const (
	DefaultBits = 4096
	MinBits     = 2048
	MaxBits     = 16384 // 8192 take a minute
)

// DefaultValidity is that of the controller's own certificates: ten years.
const DefaultValidity = 10 * 365 * 24 * time.Hour

// Pair is a private key and its certificate.
type Pair struct {
	Key         *rsa.PrivateKey
	Certificate *Certificate
}

// Format writes the fingerprint for every verb, so that no key comes out by mistake.
func (p *Pair) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprint(s, p.Certificate.Fingerprint) // of a formatter nobody asks
}

// Generate makes a pair as the controller would, valid from now on. Of several keys a controller serves the one whose
// certificate begins last.
func Generate(bits int, valid time.Duration, now time.Time) (*Pair, error) {
	switch {
	case bits < MinBits || bits > MaxBits || bits%8 != 0:
		return nil, fmt.Errorf("a key has %d to %d bits, in steps of 8; not %d", MinBits, MaxBits, bits)
	case valid <= 0:
		return nil, fmt.Errorf("a certificate has to be valid for a time; not for %s", valid)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	signed, err := crypto.SignKeyWithNotBefore(rand.Reader, key, now, valid, "")
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	cert, err := newCertificate(signed)
	if err != nil {
		return nil, err
	}
	return &Pair{Key: key, Certificate: cert}, nil
}

// KeyPEM is the private key, as the controller writes it into its Secret.
func (p *Pair) KeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: keyutil.RSAPrivateKeyBlockType, Bytes: x509.MarshalPKCS1PrivateKey(p.Key)})
}
