package helmcontroller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	"github.com/fluxcd/pkg/ssa/normalize"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"helm.sh/helm/v4/pkg/action"
	release "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// correctDrift compares the release with the cluster by dry-runs and, if the HelmRelease says so, corrects what differs.
func (c *Controller) correctDrift(ctx context.Context, helm *action.Configuration, hr *helmv2.HelmRelease, last *release.Release) error {
	mode := hr.GetDriftDetection()
	if !mode.MustDetectChanges() {
		return nil
	}
	config, err := helm.RESTClientGetter.ToRESTConfig()
	if err != nil {
		return err
	}
	dryRun := true
	asker, err := client.New(config, client.Options{DryRun: &dryRun, Mapper: c.mapper})
	if err != nil {
		return err
	}
	objects, err := ssautil.ReadObjects(strings.NewReader(last.Manifest))
	if err != nil {
		return fmt.Errorf("read the manifest of release %s: %w", last.Name, err)
	}
	if err := normalize.UnstructuredListWithScheme(objects, asker.Scheme()); err != nil {
		return err
	}
	for _, object := range objects {
		if err := complete(asker, object, last); err != nil {
			return err
		}
	}
	options := []jsondiff.ListOption{
		jsondiff.FieldOwner(manager), jsondiff.ExclusionSelector{helmv2.DriftDetectionMetadataKey: helmv2.DriftDetectionDisabledValue},
		jsondiff.Rationalize(true), jsondiff.Graceful(true),
	}
	if len(mode.Ignore) > 0 {
		options = append(options, ignored(mode.Ignore))
	}
	differences, err := jsondiff.UnstructuredList(ctx, asker, objects, options...)
	if err != nil && !differences.HasChanges() { // Else what could be compared is corrected.
		return fmt.Errorf("detect drift: %w", err)
	}
	if mode.GetMode() != helmv2.DriftDetectionEnabled {
		return nil
	}
	writer, err := client.New(config, client.Options{Mapper: c.mapper})
	if err != nil {
		return err
	}
	var failed []error
	for _, d := range differences {
		failed = append(failed, correct(ctx, writer, d))
	}
	return errors.Join(failed...)
}

func ignored(rules []helmv2.IgnoreRule) jsondiff.IgnoreRules {
	var out jsondiff.IgnoreRules
	for _, rule := range rules {
		ignore := jsondiff.IgnoreRule{Paths: rule.Paths}
		if t := rule.Target; t != nil {
			ignore.Selector = &jsondiff.Selector{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Namespace: t.Namespace, Name: t.Name,
				LabelSelector: t.LabelSelector, AnnotationSelector: t.AnnotationSelector,
			}
		}
		out = append(out, ignore)
	}
	return out
}

// complete gives object what Helm adds to it as it applies it.
func complete(c client.Client, object *unstructured.Unstructured, r *release.Release) error {
	object.SetLabels(merged(object.GetLabels(), map[string]string{"app.kubernetes.io/managed-by": "Helm"}))
	object.SetAnnotations(merged(object.GetAnnotations(), map[string]string{
		"meta.helm.sh/release-name": r.Name, "meta.helm.sh/release-namespace": r.Namespace,
	}))
	namespaced, err := c.IsObjectNamespaced(object)
	if err != nil {
		return fmt.Errorf("scope of %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	if namespaced && object.GetNamespace() == "" {
		object.SetNamespace(r.Namespace)
	}
	return nil
}

// correct creates what is missing and patches what differs, as helm-controller does: by plain writes, not by apply.
func correct(ctx context.Context, c client.Client, d *jsondiff.Diff) error {
	object, ok := d.DesiredObject.DeepCopyObject().(client.Object)
	if !ok {
		return fmt.Errorf("correct drift: %T is no object", d.DesiredObject)
	}
	switch d.Type {
	case jsondiff.DiffTypeCreate:
		return c.Create(ctx, object, client.FieldOwner(manager))
	case jsondiff.DiffTypeUpdate:
		patch, err := json.Marshal(d.Patch)
		if err != nil {
			return err
		}
		return c.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(manager))
	}
	return nil
}
