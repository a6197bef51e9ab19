package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	applycoordinationv1 "k8s.io/client-go/applyconfigurations/coordination/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leaseName is the leader's lease.
const leaseName = "gitops-drift.gitops-drift.dev"

// ownLease makes the leader's lease go when the Deployment does, so that deleting the manifests leaves nothing behind. Leader
// election would create one that belongs to nobody, and would do so again while a Pod is on its way out after the lease has
// gone; the manifests do not give it that right. A server-side apply creates by name.
func ownLease(ctx context.Context, direct client.Client, o *options) error {
	if !o.leaderElect {
		return nil
	}
	lease := applycoordinationv1.Lease(leaseName, o.namespace)
	deployment := &appsv1.Deployment{}
	err := direct.Get(ctx, client.ObjectKey{Namespace: o.namespace, Name: o.serviceAccount}, deployment)
	switch {
	case err == nil:
		kind := appsv1.SchemeGroupVersion.WithKind("Deployment")
		lease.WithOwnerReferences(applymetav1.OwnerReference().WithAPIVersion(kind.GroupVersion().String()).WithKind(kind.Kind).
			WithName(deployment.Name).WithUID(deployment.UID))
	case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err): // not run by these manifests, it belongs to nobody
		return fmt.Errorf("find what owns the lease: %w", err)
	}
	// An owner of another uid is one that was deleted: nobody else sets this field.
	if err := direct.Apply(ctx, lease, client.FieldOwner("gitops-drift"), client.ForceOwnership); err != nil {
		return fmt.Errorf("lease %s: %w", leaseName, err)
	}
	return nil
}
