package sealfleet

import (
	"cmp"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/keyutil"

	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// sealingKey is a Secret that holds a sealing key, without its private half.
type sealingKey struct {
	name string
	// loaded says that the controller loads it when it starts: by its label, or by its name.
	loaded bool
	// fingerprint is that of the key which the Secret opens with, certified that of its certificate; both are equal if
	// nothing is wrong.
	fingerprint, certified string
	notBefore              time.Time
	// own says that the controller made it: of what comes from elsewhere nobody generates the name.
	own bool
	// err says why the controller cannot load it.
	err error
}

// sealingKeys are the keys among Secrets, those that are newer first, as the controller orders them: by the beginning of
// their certificates.
func sealingKeys(secrets []corev1.Secret, prefix string) []sealingKey {
	var keys []sealingKey
	for i := range secrets {
		secret := &secrets[i]
		key := readKey(secret)
		// A Secret of that very name is loaded without a label, as releases before 0.9 had it.
		key.loaded = secret.Labels[sealkey.Label] == sealkey.Active || secret.Name == prefix
		if key.err == nil || key.loaded {
			keys = append(keys, key)
		}
	}
	slices.SortStableFunc(keys, func(a, b sealingKey) int {
		return cmp.Or(b.notBefore.Compare(a.notBefore), cmp.Compare(a.name, b.name))
	})
	return keys
}

// readKey reads a Secret as the controller does.
func readKey(secret *corev1.Secret) sealingKey {
	out := sealingKey{name: secret.Name, own: secret.GenerateName != ""}
	parsed, err := keyutil.ParsePrivateKeyPEM(secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		out.err = errors.New("its tls.key is no private key in PEM") // the parser's error may quote what it read
		return out
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		out.err = errors.New("its tls.key is no RSA key")
		return out
	}
	certificate, err := sealkey.ParseCertificate(secret.Data[corev1.TLSCertKey])
	if err != nil {
		out.err = fmt.Errorf("its tls.crt %w", err)
		return out
	}
	out.notBefore, out.certified = certificate.NotBefore, certificate.Fingerprint
	out.fingerprint, out.err = sealkey.Fingerprint(&private.PublicKey)
	return out
}
