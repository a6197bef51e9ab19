package hold

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
)

// GiveBack does for a BreakGlass that was closed or deleted what a Controller does, with the rights of c, for where no
// controller runs any more. It returns when nothing of it is left on its object, or an error that says why not. What somebody
// else does about the same BreakGlass meanwhile is taken over.
func GiveBack(ctx context.Context, c client.Client, mapper apimeta.RESTMapper, name string) error {
	policies, err := policiesOf(ctx, c)
	if err != nil {
		return err
	}
	none := func() ([]v1alpha1.BreakGlass, error) { return nil, nil }
	metrics, err := NewMetrics(prometheus.NewRegistry(), none)
	if err != nil {
		return err
	}
	controller := &Controller{Client: c, Mapper: mapper, Policy: policies, Clock: &breakglass.Clock{}, Metrics: metrics, Log: logr.Discard()}
	for {
		_, err := controller.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKey{Name: name}})
		if err != nil && !apierrors.IsConflict(err) {
			return err
		}
		g := &v1alpha1.BreakGlass{}
		switch getting := c.Get(ctx, client.ObjectKey{Name: name}, g); {
		case apierrors.IsNotFound(getting):
			return nil
		case getting != nil:
			return getting
		case g.Active(controller.Clock.Now()):
			return fmt.Errorf("BreakGlass %s is active", name)
		case err == nil && !controllerutil.ContainsFinalizer(g, Finalizer):
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// policiesOf returns what finds the EditPolicy that applies to an object among those that there are now.
func policiesOf(ctx context.Context, c client.Client) (func(desired.Key, ownership.Owner) (*v1alpha1.EditPolicy, error), error) {
	list := &v1alpha1.EditPolicyList{}
	if err := c.List(ctx, list); err != nil && !apimeta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("list EditPolicies: %w", err)
	}
	return func(object desired.Key, owner ownership.Owner) (*v1alpha1.EditPolicy, error) {
		namespace := &metav1.PartialObjectMetadata{}
		namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
		if name := policy.Namespace(object); name != "" {
			if err := c.Get(ctx, client.ObjectKey{Name: name}, namespace); client.IgnoreNotFound(err) != nil {
				return nil, fmt.Errorf("read the labels of namespace %s: %w", name, err)
			}
		}
		p, _ := policy.Effective(list.Items, policy.Object{Key: object, Owner: owner, NamespaceLabels: namespace.Labels})
		return p, nil
	}, nil
}
