package desired

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"

	identity "github.com/fluxcd/cli-utils/pkg/object"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/resource"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// sopsValue begins every value that SOPS encrypted.
var sopsValue = []byte("ENC[AES256_GCM,")

// notDecrypted is the annotation with which an object keeps kustomize-controller from decrypting it.
const notDecrypted = ownership.KustomizeGroup + "/decrypt"

// encrypted reports whether SOPS encrypted the object itself, or the file that a secretGenerator of a Kustomization that
// decrypts read it from. What Flux applies for it can then not be known without the key.
func encrypted(object *unstructured.Unstructured, decrypts bool) bool {
	if strings.EqualFold(object.GetAnnotations()[notDecrypted], ownership.Disabled) {
		return false
	}
	if _, ok := object.Object["sops"]; ok {
		return true
	}
	if !decrypts || object.GetKind() != "Secret" {
		return false
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

// hashed is a name that ends with kustomize's hash of the content.
var hashed = regexp.MustCompile(`^(.+-)[2456789bcdfghkmt]{10}$`)

// rename returns the manifests with the names that Flux gave to Secrets which it generated from files that SOPS encrypted:
// it hashes what it decrypted. Its inventory has them.
func rename(ks *kustomizev1.Kustomization, resources []*resource.Resource, manifests []byte) ([]byte, error) {
	if ks.Spec.Decryption == nil {
		return manifests, nil
	}
	for _, r := range resources {
		parts := hashed.FindStringSubmatch(r.GetName())
		if parts == nil || r.GetKind() != "Secret" {
			continue
		}
		content, err := r.Map()
		if err != nil {
			return nil, err
		}
		if !encrypted(&unstructured.Unstructured{Object: content}, true) {
			continue
		}
		var names []string
		if ks.Status.Inventory != nil {
			for _, entry := range ks.Status.Inventory.Entries {
				id, err := identity.ParseObjMetadata(entry.ID)
				if err != nil || id.GroupKind.Kind != "Secret" || id.GroupKind.Group != "" || id.Namespace != r.GetNamespace() {
					continue
				}
				if other := hashed.FindStringSubmatch(id.Name); other != nil && other[1] == parts[1] {
					names = append(names, id.Name)
				}
			}
		}
		if len(names) != 1 {
			return nil, fmt.Errorf("its Secret %s* is named by the content of a file that SOPS encrypted, and Flux's inventory has %d of this name instead of one", parts[1], len(names))
		}
		manifests = bytes.ReplaceAll(manifests, []byte(r.GetName()), []byte(names[0]))
	}
	return manifests, nil
}
