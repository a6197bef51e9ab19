package conformance

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// content returns an object without what the API server and the controllers keep of it.
func content(object *unstructured.Unstructured) map[string]any {
	flux := []any{}
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == "kustomize-controller" || entry.Manager == "helm-controller" {
			flux = append(flux, entry.Manager)
		}
	}
	out := object.DeepCopy()
	annotations := out.GetAnnotations()
	delete(annotations, "deployment.kubernetes.io/revision")
	out.SetAnnotations(annotations)
	out.SetManagedFields(nil)
	out.SetResourceVersion("")
	out.SetGeneration(0)
	delete(out.Object, "status")
	return map[string]any{"object": out.Object, "flux": flux}
}
