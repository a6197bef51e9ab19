package follow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Builder builds what Flux applied for a Kustomization; see desired.Builder.
type Builder interface {
	Build(ctx context.Context, ks *kustomizev1.Kustomization) (*desired.State, error)
}

// Retries of a build that fails. What Flux applied may be out of reach for good (SOPS, remote bases), so they get rare.
const (
	minRetry = time.Second
	maxRetry = 5 * time.Minute
)

// largeBuild is the number of objects from which a build needs so much more memory than it leaves behind that it is given
// back to the system at once.
const largeBuild = 250

// catchUp is how long a start may take before the replica serves with what it has.
const catchUp = time.Minute

// Follower fills a desired.Store, on every replica.
type Follower struct {
	Client  client.Reader
	Builder Builder
	Store   *desired.Store

	mu    sync.Mutex
	built map[types.NamespacedName]applied
	// seen, until ready, are those that have been looked at since the first probe, at since, or before.
	seen  map[types.NamespacedName]bool
	ready bool
	since time.Time
}

// applied identifies what Flux applied for a Kustomization: if none of this changed, neither did the desired state.
type applied struct {
	uid      types.UID
	revision string
	// generation is that of the spec.
	generation int64
	// digest is that of all objects that Flux built, substituted variables included: the newest in status.history.
	digest string
}

// SetupWithManager registers the follower.
func (f *Follower) SetupWithManager(mgr ctrl.Manager) error {
	every := false
	return ctrl.NewControllerManagedBy(mgr).
		Named("follow").
		For(&kustomizev1.Kustomization{}).
		WithOptions(controller.Options{
			NeedLeaderElection: &every,
			RateLimiter:        workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minRetry, maxRetry),
		}).
		Complete(f)
}

// Ready is a healthz.Checker: every Kustomization of the start has been built, or could not be. It does not wait for
// longer than catchUp, for a source that is out of reach must not keep the webhook from serving.
func (f *Follower) Ready(req *http.Request) error {
	if f.started() {
		return nil
	}
	list := &kustomizev1.KustomizationList{}
	if err := f.Client.List(req.Context(), list, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	missing := 0
	for i := range list.Items {
		if !f.seen[client.ObjectKeyFromObject(&list.Items[i])] {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d Kustomizations have not been looked at yet", missing, len(list.Items))
	}
	f.ready, f.seen = true, nil
	return nil
}

// started reports whether the replica has been ready, or has waited for long enough.
func (f *Follower) started() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since.IsZero() {
		f.since = time.Now()
	}
	if time.Since(f.since) > catchUp {
		f.ready, f.seen = true, nil
	}
	return f.ready
}

// looked notes that a Kustomization has been looked at, for Ready.
func (f *Follower) looked(key types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ready {
		return
	}
	if f.seen == nil {
		f.seen = map[types.NamespacedName]bool{}
	}
	f.seen[key] = true
}

// Reconcile builds the desired state of one Kustomization, if what Flux applied for it has changed.
func (f *Follower) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	defer f.looked(req.NamespacedName)
	owner := ownership.Owner{Kind: ownership.Kustomization, Namespace: req.Namespace, Name: req.Name}
	ks := &kustomizev1.Kustomization{}
	if err := f.Client.Get(ctx, req.NamespacedName, ks); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, err
	} else if err != nil || !ks.DeletionTimestamp.IsZero() || ks.Spec.KubeConfig != nil {
		f.forget(req.NamespacedName, owner)
		return reconcile.Result{}, nil
	}
	now := fingerprint(ks)
	before, known := f.last(req.NamespacedName)
	if known && before == now || !settled(ks, known) {
		return reconcile.Result{}, nil
	}
	state, err := f.Builder.Build(ctx, ks)
	if err != nil {
		// What was built before is not what Flux applied any more.
		f.forget(req.NamespacedName, owner)
		return f.retry(ctx, err)
	}
	if err := f.Store.Set(state); err != nil {
		return reconcile.Result{}, err
	}
	f.remember(req.NamespacedName, now)
	if len(state.Objects) > largeBuild {
		debug.FreeOSMemory()
	}
	log.FromContext(ctx).Info("built desired state", "revision", state.Revision, "objects", len(state.Objects))
	return reconcile.Result{}, nil
}

// retry tells apart the passing case, a source that is ahead of or behind Flux, from a build that fails.
func (f *Follower) retry(ctx context.Context, err error) (reconcile.Result, error) {
	if moved := (*desired.RevisionError)(nil); errors.As(err, &moved) {
		log.FromContext(ctx).V(1).Info("waiting for Flux to apply what its source offers", "applied", moved.Applied, "available", moved.Available)
		return reconcile.Result{RequeueAfter: 5 * time.Second}, nil
	}
	return reconcile.Result{}, err
}

// fingerprint reads what Flux applied last. Flux before 2.7 keeps no history; there the time of the last change of the
// Ready condition stands in for it.
func fingerprint(ks *kustomizev1.Kustomization) applied {
	a := applied{uid: ks.UID, revision: ks.Status.LastAppliedRevision, generation: ks.Generation}
	if latest := ks.Status.History.Latest(); latest != nil {
		a.digest = latest.Digest
	} else if ready := apimeta.FindStatusCondition(ks.Status.Conditions, meta.ReadyCondition); ready != nil {
		a.digest = ready.LastTransitionTime.String()
	}
	return a
}

// settled reports whether Flux has applied the present spec and is not at it again. A suspended Kustomization
// never observes its generation, so what it applied before is taken once.
func settled(ks *kustomizev1.Kustomization, known bool) bool {
	if ks.Status.LastAppliedRevision == "" {
		return false
	}
	if ks.Spec.Suspend {
		return !known
	}
	ready := apimeta.FindStatusCondition(ks.Status.Conditions, meta.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionTrue && ks.Status.ObservedGeneration == ks.Generation
}

func (f *Follower) last(key types.NamespacedName) (applied, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.built[key]
	return a, ok
}

func (f *Follower) remember(key types.NamespacedName, a applied) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.built == nil {
		f.built = map[types.NamespacedName]applied{}
	}
	f.built[key] = a
}

func (f *Follower) forget(key types.NamespacedName, owner ownership.Owner) {
	f.mu.Lock()
	delete(f.built, key)
	f.mu.Unlock()
	f.Store.Delete(owner)
}
