package desired

import (
	"context"
	"errors"
	"fmt"
	"strings"

	identity "github.com/fluxcd/cli-utils/pkg/object"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/provenance"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// stampPrefix begins the value of the label that buildMetadata's managedByLabel asks for. What follows is the version of
// the program that runs kustomize: Flux's, not ours.
const stampPrefix = "kustomize-"

// restamp gives the resources the managedByLabel that Flux's own build gives them, as far as they have ours. It reports
// whether any had.
func (b *Builder) restamp(ctx context.Context, ks *kustomizev1.Kustomization, resources []*resource.Resource) (learned bool, err error) {
	ours := stampPrefix + provenance.GetProvenance().Semver()
	theirs := ""
	for _, r := range resources {
		labels := r.GetLabels()
		if labels[konfig.ManagedbyLabelKey] != ours {
			continue
		}
		if theirs == "" {
			if theirs, err = b.stamp(ctx, ks); err != nil {
				return false, err
			}
		}
		labels[konfig.ManagedbyLabelKey] = theirs
		if err := r.SetLabels(labels); err != nil {
			return false, err
		}
	}
	return theirs != "", nil
}

// stamp learns the label's value from an object that Flux has applied.
func (b *Builder) stamp(ctx context.Context, ks *kustomizev1.Kustomization) (string, error) {
	label := fieldpath.MakePathOrDie("metadata", "labels", konfig.ManagedbyLabelKey)
	if ks.Status.Inventory != nil {
		for _, entry := range ks.Status.Inventory.Entries {
			id, err := identity.ParseObjMetadata(entry.ID)
			if err != nil {
				continue // another one may tell
			}
			object := &metav1.PartialObjectMetadata{}
			object.SetGroupVersionKind(schema.GroupVersionKind{Group: id.GroupKind.Group, Version: entry.Version, Kind: id.GroupKind.Kind})
			err = b.client.Get(ctx, client.ObjectKey{Namespace: id.Namespace, Name: id.Name}, object)
			if client.IgnoreNotFound(err) != nil {
				return "", fmt.Errorf("read the label %s of an applied object: %w", konfig.ManagedbyLabelKey, err)
			}
			managers, err := ownership.Managers(object)
			if err != nil {
				continue
			}
			declared, _ := ownership.Declared(managers, ownership.Kustomization)
			if value := object.Labels[konfig.ManagedbyLabelKey]; strings.HasPrefix(value, stampPrefix) && declared.Has(label) {
				return value, nil
			}
		}
	}
	return "", errors.New("its buildMetadata asks for managedByLabel, whose value is the version of Flux's own build, and no object that Flux has applied tells it")
}
