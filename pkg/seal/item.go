package seal

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	"github.com/bitnami-labs/sealed-secrets/pkg/crypto"

	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// Why an item cannot be opened. None of them quotes the item.
var (
	// ErrNotBase64: the controller decodes standard base64; line breaks do not count, blanks do.
	ErrNotBase64 = errors.New("is no base64")
	// ErrTruncated: it is shorter than it says, or has no room for a value.
	ErrTruncated = errors.New("is cut short")
	// ErrNotOpened: no key of the ring opens it for this target: another key, another target, or damaged.
	ErrNotOpened = errors.New("is not opened by any of the keys: it was sealed with another one, for another name, namespace or scope, or it is damaged")
)

// Item seals one value for a target with a public key. The result is the text of an entry of spec.encryptedData; it differs
// each time.
func Item(key *rsa.PublicKey, target Target, value []byte) (string, error) {
	if err := target.Validate(); err != nil {
		return "", err
	}
	sealed, err := crypto.HybridEncrypt(rand.Reader, key, value, target.label())
	if err != nil {
		return "", fmt.Errorf("seal for %s: %w", target, err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// Open opens one item as the controller does, with whichever key opens it. Errors are ErrNotBase64, ErrTruncated, ErrNotOpened.
func Open(keys sealkey.Keyring, target Target, sealed string) ([]byte, error) {
	e, err := Inspect(sealed)
	if err != nil {
		return nil, err
	}
	value, err := crypto.HybridDecrypt(rand.Reader, keys, e.raw, target.label())
	if err != nil {
		return nil, ErrNotOpened
	}
	return value, nil
}

// Envelope is what an item shows without a key.
type Envelope struct {
	raw []byte
	// KeyBytes is the size of the modulus that it was sealed with, in bytes: 512 for a key of 4096 bits.
	KeyBytes int
}

// Sizes of the parts of an item besides the value and what RSA makes of the session key.
const (
	lengthBytes = 2
	tagBytes    = 16
)

// Inspect takes an item apart. Errors are ErrNotBase64 and ErrTruncated.
func Inspect(sealed string) (*Envelope, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, ErrNotBase64
	}
	if len(raw) < lengthBytes {
		return nil, ErrTruncated
	}
	e := &Envelope{raw: raw, KeyBytes: int(binary.BigEndian.Uint16(raw))}
	if len(raw) < lengthBytes+e.KeyBytes+tagBytes {
		return nil, ErrTruncated
	}
	return e, nil
}

// RulesOut reports whether the item cannot have been sealed with a key: the modulus has another size, or the integer that RSA
// made is not less than it. That a key is not ruled out proves nothing.
func (e *Envelope) RulesOut(key *rsa.PublicKey) bool {
	if e.KeyBytes != key.Size() {
		return true
	}
	return new(big.Int).SetBytes(e.raw[lengthBytes:lengthBytes+e.KeyBytes]).Cmp(key.N) >= 0
}

// Scope says in which places an item opens.
type Scope = ssv1alpha1.SealingScope

// The scopes.
const (
	Strict        = ssv1alpha1.StrictScope
	NamespaceWide = ssv1alpha1.NamespaceWideScope
	ClusterWide   = ssv1alpha1.ClusterWideScope
)

// ScopeNames are what ParseScope reads.
var ScopeNames = []string{"strict", "namespace-wide", "cluster-wide"}

// ParseScope reads a scope; an empty name is strict.
func ParseScope(name string) (Scope, error) {
	scope := Strict
	if err := scope.Set(name); err != nil {
		return scope, fmt.Errorf("%q is no scope; it is strict, namespace-wide or cluster-wide", name)
	}
	return scope, nil
}

// Target is the Secret that an item is sealed for.
type Target struct {
	Namespace, Name string
	Scope           Scope
}

// TargetOf is what the controller opens the items of a SealedSecret as: its own name, namespace and annotations count, not
// those of its template.
func TargetOf(s *ssv1alpha1.SealedSecret) Target {
	return Target{Namespace: s.Namespace, Name: s.Name, Scope: ssv1alpha1.SecretScope(s)}
}

// Validate reports what a target lacks that its scope binds.
func (t Target) Validate() error {
	switch {
	case t.Namespace == "" && t.Scope != ClusterWide:
		return fmt.Errorf("%s scope binds the namespace, and none is known", t.scope())
	case t.Name == "" && t.Scope == Strict:
		return errors.New("strict scope binds the name, and none is known")
	}
	return nil
}

func (t Target) label() []byte { return ssv1alpha1.EncryptionLabel(t.Namespace, t.Name, t.Scope) }

func (t Target) scope() string { return t.Scope.String() }

// String is the target for people: payments/db (strict).
func (t Target) String() string {
	name := t.Name
	if t.Namespace != "" {
		name = t.Namespace + "/" + t.Name
	}
	return name + " (" + t.scope() + ")"
}
