package drift

import (
	"crypto/sha256"
	"encoding/json"
	"hash"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Fingerprint is a hash of a pair of a desired and a live object that stays the same for as long as nothing of them
// changes that Flux's apply looks at: status, resource version and the times in managedFields are left out. Whoever has
// proven a pair equal need not prove it again while its fingerprint lasts. It cannot be turned back into values.
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the fingerprint of a pair.
func FingerprintOf(desired, live *unstructured.Unstructured) (Fingerprint, error) {
	type entry struct {
		Manager   string
		Operation metav1.ManagedFieldsOperationType
		Fields    *metav1.FieldsV1
	}
	var entries []entry
	for _, e := range live.GetManagedFields() {
		if e.Subresource == "" {
			entries = append(entries, entry{Manager: e.Manager, Operation: e.Operation, Fields: e.FieldsV1})
		}
	}
	sum := sha256.New()
	for _, part := range []any{desired.Object, compared(live), entries} {
		if err := add(sum, part); err != nil {
			return Fingerprint{}, err
		}
	}
	return Fingerprint(sum.Sum(nil)), nil
}

// add writes v as JSON, whose maps are ordered, and a newline, which separates.
func add(to hash.Hash, v any) error { return json.NewEncoder(to).Encode(v) }
