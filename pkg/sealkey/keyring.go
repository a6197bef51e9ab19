package sealkey

import (
	"bytes"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/util/keyutil"
)

// Keyring are private keys by the fingerprint of their public key. What is written of one with %v is its fingerprints.
type Keyring map[string]*rsa.PrivateKey

// Add adds a key.
func (k Keyring) Add(key *rsa.PrivateKey) error {
	fingerprint, err := Fingerprint(&key.PublicKey)
	if err != nil {
		return err
	}
	k[fingerprint] = key
	return nil
}

// Has reports whether the private key of a fingerprint is there.
func (k Keyring) Has(fingerprint string) bool { return k[fingerprint] != nil }

// Fingerprints are those of the keys, sorted.
func (k Keyring) Fingerprints() []string { return slices.Sorted(maps.Keys(k)) }

// Format writes fingerprints for every verb, so that no key comes out by mistake.
func (k Keyring) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprint(s, k.Fingerprints()) // of a formatter nobody asks
}

// maxKeys bounds how much of a file is tried as keys.
const maxKeys = 1000

// ParseKeys reads private keys: PEM, one or several, or the key Secrets of a controller as kubectl writes them, one or a
// list, as YAML or JSON. That there is none is an error. Errors quote nothing of the text.
func ParseKeys(text []byte) (Keyring, error) {
	ring := Keyring{}
	if bytes.Contains(text, []byte("-----BEGIN ")) && !bytes.Contains(text, []byte("kind:")) && !bytes.Contains(text, []byte(`"kind"`)) {
		return ring, ring.addPEM(text)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for range maxKeys {
		var object struct {
			corev1.Secret `json:",inline"`
			Items         []corev1.Secret `json:"items"`
		}
		if err := decoder.Decode(&object); err != nil {
			break
		}
		for _, secret := range append(object.Items, object.Secret) {
			if len(secret.Data[corev1.TLSPrivateKeyKey]) == 0 {
				continue
			}
			if err := ring.addPEM(secret.Data[corev1.TLSPrivateKeyKey]); err != nil {
				return nil, fmt.Errorf("Secret %s/%s: tls.key %w", secret.Namespace, secret.Name, err)
			}
		}
	}
	if len(ring) == 0 {
		return nil, errors.New("holds no private key: neither PEM (-----BEGIN RSA PRIVATE KEY-----) nor a Secret with tls.key")
	}
	return ring, nil
}

func (k Keyring) addPEM(text []byte) error {
	found := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" || block.Type == "EC PARAMETERS" {
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return errors.New("holds a private key with a passphrase; give it opened for one command: --key <(openssl pkey -in FILE)")
		}
		parsed, err := keyutil.ParsePrivateKeyPEM(pem.EncodeToMemory(block))
		if err != nil {
			return errors.New("holds a private key that cannot be read")
		}
		key, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return errors.New("holds a private key that is not RSA")
		}
		if err := k.Add(key); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return errors.New("holds no private key in PEM (-----BEGIN RSA PRIVATE KEY-----)")
	}
	return nil
}
