package sealdoc

import (
	"fmt"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
)

// tooLarge is an error where the values of a Secret are more than any API server takes.
func tooLarge(namespace, secret string, bytes int) error {
	if bytes <= seal.MaxValues {
		return nil
	}
	return fmt.Errorf("Secret %s has %d bytes of values, and no API server takes a Secret of more than %d; split it", name(namespace, secret), bytes, seal.MaxValues)
}

func valueBytes(values map[string][]byte) int {
	sum := 0
	for _, value := range values {
		sum += len(value)
	}
	return sum
}

// SizeRemark says, for people, that a SealedSecret is larger than API servers store by default; it is empty if it is not.
func SizeRemark(s *ssv1alpha1.SealedSecret) string {
	bytes := seal.StoredBytes(s)
	if bytes <= seal.MaxObject {
		return ""
	}
	return fmt.Sprintf("SealedSecret %s has about %d bytes when it is stored, and API servers store no object of more than %d, unless their etcd is told otherwise; split it",
		name(s.Namespace, s.Name), bytes, seal.MaxObject)
}
