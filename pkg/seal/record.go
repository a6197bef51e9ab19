package seal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// Annotations of a SealedSecret that say how it was sealed.
const (
	// CertificateAnnotation holds the fingerprints of the keys that items were sealed with, parted by commas, the latest
	// first. More than one are there after one item was set under a new key and the others were not.
	CertificateAnnotation = "seal.gitops-drift.dev/certificate"
	// DigestAnnotation holds the Digest of the SealedSecret. Where it differs, something else has changed it.
	DigestAnnotation = "seal.gitops-drift.dev/digest"
)

// Digest is the same for the same items for the same target: sha256:…. Of the target only what its scope binds counts. Line
// breaks within an item do not count, as they do not for the controller.
func Digest(target Target, items map[string]string) string {
	hash := sha256.New()
	part := func(b []byte) {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b)))) // so that no two parts look like two others
		hash.Write(b)
	}
	part([]byte(target.scope()))
	part(target.label())
	for _, key := range slices.Sorted(maps.Keys(items)) {
		part([]byte(key))
		raw, err := base64.StdEncoding.DecodeString(items[key])
		if err != nil {
			raw = []byte(items[key])
		}
		part(raw)
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}

// Fingerprints reads a CertificateAnnotation.
func Fingerprints(annotation string) []string {
	return strings.FieldsFunc(annotation, func(r rune) bool { return r == ',' || r == ' ' })
}
