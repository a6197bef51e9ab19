package desired

import (
	"bytes"
	"encoding/base64"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// sopsValue begins every value that SOPS encrypted.
var sopsValue = []byte("ENC[AES256_GCM,")

// encrypted reports whether SOPS encrypted the object itself, or the file that a secretGenerator read it from. What
// Flux applies for it can then not be known without the key.
func encrypted(object *unstructured.Unstructured) bool {
	if _, ok := object.Object["sops"]; ok {
		return true
	}
	data, _, _ := unstructured.NestedStringMap(object.Object, "data")
	for _, v := range data {
		decoded, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			decoded = []byte(v)
		}
		if bytes.Contains(decoded, sopsValue) {
			return true
		}
	}
	return false
}
