package main

import (
	"context"
	"fmt"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/uuid"
	applycoordinationv1 "k8s.io/client-go/applyconfigurations/coordination/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// leaseName is the leader's lease.
	leaseName = "gitops-drift.gitops-drift.dev"
	// renewal is how long a leader tries to renew it; controller-runtime's default.
	renewal = 10 * time.Second
)

// lock is the lease that replicas elect their leader by. It belongs to the Deployment, whatever becomes of it, so that deleting
// the manifests leaves nothing behind: leader election by itself makes one that belongs to nobody, also anew where a
// Pod that is on its way out finds it gone already.
type lock struct {
	resourcelock.Interface
	direct    client.Client
	namespace string
	// owner is the Deployment, nil where there is none.
	owner *appsv1.Deployment
}

// newLock returns nil where no leader is elected.
func newLock(config *rest.Config, o *options) (*lock, error) {
	if !o.leaderElect {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	identity := resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())}
	elected, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, o.namespace, leaseName, identity, config, renewal)
	if err != nil {
		return nil, err
	}
	return &lock{Interface: elected, namespace: o.namespace}, nil
}

// own finds out what the lease belongs to, and makes it so.
func (l *lock) own(ctx context.Context, direct client.Client, o *options) error {
	l.direct = direct
	deployment := &appsv1.Deployment{}
	err := direct.Get(ctx, client.ObjectKey{Namespace: o.namespace, Name: o.serviceAccount}, deployment)
	switch {
	case err == nil:
		l.owner = deployment
	case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err): // not run by these manifests, it belongs to nobody
		return fmt.Errorf("find what owns the lease: %w", err)
	}
	return l.apply(ctx)
}

// apply makes the lease, or gives it its owner. One of another uid was deleted: nobody else sets this field. An owner that is
// gone takes the lease with it.
func (l *lock) apply(ctx context.Context) error {
	lease := applycoordinationv1.Lease(leaseName, l.namespace)
	if l.owner != nil {
		kind := appsv1.SchemeGroupVersion.WithKind("Deployment")
		lease.WithOwnerReferences(applymetav1.OwnerReference().WithAPIVersion(kind.GroupVersion().String()).WithKind(kind.Kind).
			WithName(l.owner.Name).WithUID(l.owner.UID))
	}
	if err := l.direct.Apply(ctx, lease, client.FieldOwner("gitops-drift"), client.ForceOwnership); err != nil {
		return fmt.Errorf("lease %s: %w", leaseName, err)
	}
	return nil
}

// Create implements resourcelock.Interface, for a lease that was deleted meanwhile.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := l.apply(ctx); err != nil {
		return err
	}
	if _, _, err := l.Get(ctx); err != nil {
		return err
	}
	return l.Update(ctx, record)
}
