package desired

import (
	"context"
	"fmt"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// sourceName names the source of a Kustomization as Kind namespace/name.
func sourceName(ks *kustomizev1.Kustomization) string {
	key := sourceKey(ks)
	return fmt.Sprintf("%s %s/%s", ks.Spec.SourceRef.Kind, key.Namespace, key.Name)
}

// SourceOf names the source of a Kustomization as Kind/namespace/name.
func SourceOf(ks *kustomizev1.Kustomization) string {
	key := sourceKey(ks)
	return fmt.Sprintf("%s/%s/%s", ks.Spec.SourceRef.Kind, key.Namespace, key.Name)
}

func sourceKey(ks *kustomizev1.Kustomization) types.NamespacedName {
	key := types.NamespacedName{Namespace: ks.Spec.SourceRef.Namespace, Name: ks.Spec.SourceRef.Name}
	if key.Namespace == "" {
		key.Namespace = ks.Namespace
	}
	return key
}

// artifact reads the artifact that the Kustomization's source offers now.
func (b *Builder) artifact(ctx context.Context, ks *kustomizev1.Kustomization) (*meta.Artifact, error) {
	source, err := b.source(ctx, ks)
	if err != nil {
		return nil, err
	}
	artifact := source.GetArtifact()
	if artifact == nil {
		return nil, fmt.Errorf("its source %s has no artifact yet", sourceName(ks))
	}
	return artifact, nil
}

// anySource is one of the kinds that a Kustomization's sourceRef may name.
type anySource interface {
	client.Object
	GetArtifact() *meta.Artifact
}

func (b *Builder) source(ctx context.Context, ks *kustomizev1.Kustomization) (anySource, error) {
	var source anySource
	switch ks.Spec.SourceRef.Kind {
	case sourcev1.GitRepositoryKind:
		source = &sourcev1.GitRepository{}
	case sourcev1.OCIRepositoryKind:
		source = &sourcev1.OCIRepository{}
	case sourcev1.BucketKind:
		source = &sourcev1.Bucket{}
	case sourcev1.ExternalArtifactKind:
		source = &sourcev1.ExternalArtifact{}
	default:
		return nil, fmt.Errorf("its source %s is of a kind that is not supported", sourceName(ks))
	}
	if err := b.client.Get(ctx, sourceKey(ks), source); err != nil {
		return nil, fmt.Errorf("its source %s cannot be read: %w", sourceName(ks), err)
	}
	return source, nil
}
