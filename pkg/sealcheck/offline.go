package sealcheck

import (
	"context"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// offline is the cluster as far as the repository knows it: its sources, of which only what they ignore matters here, and
// its ConfigMaps, which may hold variables.
type offline struct {
	client.Client // nil: nothing else is asked for
	repository    *Repository
}

// Get reads an object of the repository. A source that it does not declare, as it is with those that the Flux CLI makes,
// has no settings of its own.
func (o *offline) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	switch object.(type) {
	case *sourcev1.GitRepository:
		o.repository.find(sourceKind(sourcev1.GitRepositoryKind), key, object)
		return nil
	case *sourcev1.OCIRepository:
		o.repository.find(sourceKind(sourcev1.OCIRepositoryKind), key, object)
		return nil
	case *sourcev1.Bucket:
		o.repository.find(sourceKind(sourcev1.BucketKind), key, object)
		return nil
	case *sourcev1.ExternalArtifact:
		return nil
	case *corev1.ConfigMap:
		if o.repository.find(schema.GroupKind{Kind: "ConfigMap"}, key, object) {
			return nil
		}
	}
	return errors.NewNotFound(schema.GroupResource{Resource: "objects of the repository"}, key.String())
}

// RESTMapper knows no kinds: namespaces are left as the build has them.
func (o *offline) RESTMapper() meta.RESTMapper { return meta.NewDefaultRESTMapper(nil) }
