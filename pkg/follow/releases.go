package follow

import (
	"context"
	"errors"
	"sync"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// byHandPause is how soon a release is looked at again that somebody else than Flux made.
const byHandPause = time.Minute

// ReleaseBuilder reads what Flux released for a HelmRelease; see desired.Builder.
type ReleaseBuilder interface {
	BuildRelease(ctx context.Context, hr *helmv2.HelmRelease) (*desired.State, error)
}

// Releases fills a desired.Store with what Flux released for those HelmReleases of which it corrects drift. It runs on the
// leader, for the restore loop alone, and reads Helm's records only while a policy wants anything restored: the right to do
// so comes with the overlay that has such a policy.
type Releases struct {
	// Client reads HelmReleases and EditPolicies.
	Client  client.Reader
	Builder ReleaseBuilder
	Store   *desired.Store

	mu    sync.Mutex
	built map[types.NamespacedName]released
}

// released identifies what Flux released last: if none of this changed, neither did the desired state.
type released struct {
	uid        types.UID
	generation int64
	digest     string
}

// SetupWithManager registers it.
func (r *Releases) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("follow-releases").
		For(&helmv2.HelmRelease{}).
		Watches(&v1alpha1.EditPolicy{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) []reconcile.Request {
			return r.all(ctx)
		})).
		WithOptions(controller.Options{
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minRetry, maxRetry),
		}).
		Complete(r)
}

func (r *Releases) all(ctx context.Context) []reconcile.Request {
	list := &helmv2.HelmReleaseList{}
	if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "HelmReleases cannot be listed after a change of a policy")
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// Reconcile reads what Flux released for one HelmRelease, if that has changed.
func (r *Releases) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	hr := &helmv2.HelmRelease{}
	err := r.Client.Get(ctx, req.NamespacedName, hr)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, err
	}
	wanted, policyErr := r.wanted(ctx)
	if policyErr != nil {
		return reconcile.Result{}, policyErr
	}
	made := desired.Released(hr)
	if err != nil || !wanted || !hr.DeletionTimestamp.IsZero() || hr.Spec.KubeConfig != nil || made == nil ||
		hr.GetDriftDetection().GetMode() != helmv2.DriftDetectionEnabled {
		r.forget(req.NamespacedName)
		return reconcile.Result{}, nil
	}
	now := released{uid: hr.UID, generation: hr.Generation, digest: made.Digest}
	if r.last(req.NamespacedName) == now || apimeta.IsStatusConditionTrue(hr.Status.Conditions, meta.ReconcilingCondition) {
		return reconcile.Result{}, nil
	}
	state, err := r.Builder.BuildRelease(ctx, hr)
	if err != nil {
		r.forget(req.NamespacedName)
		if errors.Is(err, desired.ErrNotReleased) {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, err
	}
	if err := r.Store.Set(state); err != nil {
		return reconcile.Result{}, err
	}
	if state.ByHand != "" {
		// Nobody says when that is undone by hand, too.
		return reconcile.Result{RequeueAfter: byHandPause}, nil
	}
	r.remember(req.NamespacedName, now)
	log.FromContext(ctx).Info("read what was released", "chart", state.Revision, "objects", len(state.Objects))
	return reconcile.Result{}, nil
}

// wanted reports whether a policy wants anything restored.
func (r *Releases) wanted(ctx context.Context) (bool, error) {
	list := &v1alpha1.EditPolicyList{}
	if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return false, err
	}
	for i := range list.Items {
		if list.Items[i].Spec.Restore {
			return true, nil
		}
	}
	return false, nil
}

func (r *Releases) last(key types.NamespacedName) released {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.built[key]
}

func (r *Releases) remember(key types.NamespacedName, now released) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.built == nil {
		r.built = map[types.NamespacedName]released{}
	}
	r.built[key] = now
}

func (r *Releases) forget(key types.NamespacedName) {
	r.mu.Lock()
	delete(r.built, key)
	r.mu.Unlock()
	r.Store.Delete(ownership.Owner{Kind: ownership.HelmRelease, Namespace: key.Namespace, Name: key.Name})
}
