package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// installer is the field manager of what is installed into the cluster: the Flux CLI's, as on clusters
// that `flux install` or `flux bootstrap` set up.
const installer = client.FieldOwner("flux")

// apply applies the documents of manifests in their order, as the administrator.
func (c *Cluster) apply(ctx context.Context, manifests []byte) error {
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read manifests: %w", err)
		}
		if len(object.Object) == 0 {
			continue
		}
		if err := c.admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), installer, client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
	}
}
