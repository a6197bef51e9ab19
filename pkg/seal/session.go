package seal

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
)

// OpensFor reports whether a key opens the session key of an item for a target: then both are those that it was sealed
// with, whatever became of its value since.
func (e *Envelope) OpensFor(key *rsa.PrivateKey, target Target) bool {
	_, err := rsa.DecryptOAEP(sha256.New(), rand.Reader, key, e.raw[lengthBytes:lengthBytes+e.KeyBytes], target.label())
	return err == nil
}
