package seal

import (
	"encoding/json"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	corev1 "k8s.io/api/core/v1"
)

const (
	// MaxValues is how many bytes all values of a Secret may have together; no API server takes more.
	MaxValues = corev1.MaxSecretSize
	// MaxObject is how many bytes an object may have when it is stored, unless etcd is told otherwise (--max-request-bytes).
	MaxObject = 3 << 19
)

// ValueBytes is how many bytes the value of an item has.
func (e *Envelope) ValueBytes() int { return len(e.raw) - lengthBytes - e.KeyBytes - tagBytes }

// ValuesOf is how many bytes the values of a SealedSecret have together. What is no ciphertext does not count.
func ValuesOf(items map[string]string) int {
	sum := 0
	for _, item := range items {
		if e, err := Inspect(item); err == nil {
			sum += e.ValueBytes()
		}
	}
	return sum
}

// StoredBytes is about how many bytes a SealedSecret has when it is stored: as JSON, with what the API server notes about
// who set which field, Flux or kubectl and the controller.
func StoredBytes(s *ssv1alpha1.SealedSecret) int {
	text, err := json.Marshal(s)
	if err != nil {
		return 0 // it was read from JSON
	}
	const object, field = 1024, len(`"f:":{},`)
	sum := len(text) + object
	for key := range s.Spec.EncryptedData {
		sum += len(key) + field
	}
	return sum
}
