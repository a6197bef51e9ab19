package helmcontroller

import (
	"bytes"
	"fmt"
	"maps"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// renderer is helm-controller's post-renderer: it puts labels and annotations on every rendered object.
type renderer struct {
	labels, annotations map[string]string
}

// originLabels returns the post-renderer of a HelmRelease: its common metadata, and the labels that name it.
func originLabels(hr *helmv2.HelmRelease) *renderer {
	r := &renderer{labels: map[string]string{}}
	if common := hr.Spec.CommonMetadata; common != nil {
		maps.Copy(r.labels, common.Labels)
		r.annotations = common.Annotations
	}
	r.labels[helmv2.GroupVersion.Group+"/name"] = hr.Name
	r.labels[helmv2.GroupVersion.Group+"/namespace"] = hr.Namespace
	return r
}

// Run implements postrenderer.PostRenderer.
func (r *renderer) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	objects, err := ssautil.ReadObjects(bytes.NewReader(rendered.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("read the rendered manifests: %w", err)
	}
	out := &bytes.Buffer{}
	for _, object := range objects {
		object.SetLabels(merged(object.GetLabels(), r.labels))
		if len(r.annotations) > 0 {
			object.SetAnnotations(merged(object.GetAnnotations(), r.annotations))
		}
		if err := write(out, object); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func write(out *bytes.Buffer, object *unstructured.Unstructured) error {
	content, err := yaml.Marshal(object.Object)
	if err != nil {
		return err
	}
	out.WriteString("---\n")
	out.Write(content)
	return nil
}

func merged(base, over map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, base)
	maps.Copy(out, over)
	return out
}
