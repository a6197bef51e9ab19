package main

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	applycoordinationv1 "k8s.io/client-go/applyconfigurations/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/servingcert"
)

// leaseName is the leader's lease.
const leaseName = "gitops-drift.gitops-drift.dev"

// ownLease makes the leader's lease go when the webhook's configuration does, so that deleting the manifests leaves
// nothing behind. Leader election would create one that belongs to nobody.
func ownLease(ctx context.Context, direct client.Client, o *options) error {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	err := direct.Get(ctx, client.ObjectKey{Name: o.configurations[0]}, configuration)
	if apierrors.IsNotFound(err) || !o.leaderElect {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find what owns the lease: %w", err)
	}
	lease := applycoordinationv1.Lease(leaseName, o.namespace).WithOwnerReferences(servingcert.OwnedBy(configuration))
	// An owner of another uid is one that was deleted: nobody else sets this field.
	if err := direct.Apply(ctx, lease, client.FieldOwner("gitops-drift"), client.ForceOwnership); err != nil {
		return fmt.Errorf("lease %s: %w", leaseName, err)
	}
	return nil
}
