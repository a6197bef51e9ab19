package hold

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientevents "k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Finalizer keeps a BreakGlass until nothing of it is left on its object.
const Finalizer = "gitops-drift.dev/hold"

const (
	// look is how often the object of an active BreakGlass is looked at: it may have been made anew.
	look = 3 * time.Second
	// slowest is the longest wait after an error. A hold must not outlive its BreakGlass by 10 s.
	slowest = 4 * time.Second
	// comparing bounds how long the end may wait for what differs from git.
	comparing = 3 * time.Second
	// settling is how long after its end a BreakGlass is still looked at: another replica may have acted on less.
	settling = time.Minute
)

// Controller holds Flux off the objects of BreakGlasses. Its fields must not change once it runs.
type Controller struct {
	// Client reads from the API server itself: what a cache remembers may have ended. It may patch what is held.
	Client client.Client
	Mapper apimeta.RESTMapper
	// Policy returns the policy that applies to an object of an owner, nil for none.
	Policy func(object desired.Key, owner ownership.Owner) (*v1alpha1.EditPolicy, error)
	// Desired holds what Kustomizations want; nil where nothing is known of that.
	Desired *desired.Store
	// OverrideManagers are kustomize-controller's --override-manager values.
	OverrideManagers []string
	Clock            *breakglass.Clock
	Metrics          *Metrics
	// Recorder writes events on owners; nil writes none.
	Recorder clientevents.EventRecorder
	Log      logr.Logger
}

// SetupWithManager registers the controller, which runs on every replica.
func (c *Controller) SetupWithManager(mgr ctrl.Manager) error {
	everywhere := false
	return ctrl.NewControllerManagedBy(mgr).
		Named("breakglass").
		For(&v1alpha1.BreakGlass{}).
		WithOptions(controller.Options{
			NeedLeaderElection:      &everywhere,
			MaxConcurrentReconciles: 4,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, slowest),
		}).
		Complete(c)
}

// Reconcile does for one BreakGlass what is to be done now.
func (c *Controller) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	g := &v1alpha1.BreakGlass{}
	if err := c.Client.Get(ctx, req.NamespacedName, g); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	now := c.Clock.Now()
	if over(g, now) {
		return reconcile.Result{}, nil
	}
	t, why, err := c.find(ctx, g)
	if err != nil {
		c.Metrics.errors.Inc()
		return reconcile.Result{}, err
	}
	ends, cause := end(g, t.policy, now)
	switch {
	case cause != "":
		err = c.end(ctx, g, t, cause)
	case t.active == nil:
		if why == nil {
			why = &reason{"NotAllowed", "no EditPolicy lets the requester break glass for this object"}
		}
		if err = c.release(ctx, t); err == nil {
			err = c.say(ctx, g, metav1.ConditionFalse, *why, &ends)
		}
	case why != nil:
		err = c.say(ctx, g, metav1.ConditionFalse, *why, &ends)
	default:
		err = c.begin(ctx, g, t, ends)
	}
	if err != nil {
		c.Metrics.errors.Inc()
		return reconcile.Result{}, err
	}
	if cause != "" {
		return reconcile.Result{}, nil
	}
	return reconcile.Result{RequeueAfter: min(look, max(ends.Sub(c.Clock.Now()), 0)+10*time.Millisecond)}, nil
}

// over reports whether nothing is left to do: it has ended, and every replica has had the time to know.
func over(g *v1alpha1.BreakGlass, now time.Time) bool {
	ended := g.Status.Ended != nil && apimeta.IsStatusConditionFalse(g.Status.Conditions, v1alpha1.ConditionHeld)
	return ended && !controllerutil.ContainsFinalizer(g, Finalizer) && now.Sub(g.Status.Ended.Time) > settling
}

// end returns when a BreakGlass ends under a policy, which may be nil, and what has ended it by now, empty for nothing. What
// ended once has ended for good.
func end(g *v1alpha1.BreakGlass, p *v1alpha1.EditPolicy, now time.Time) (time.Time, v1alpha1.EndCause) {
	ends := g.Ends()
	if p != nil && p.Spec.BreakGlass != nil {
		ends = breakglass.Ends(g, p)
	}
	switch {
	case g.Status.Ended != nil:
		return ends, g.Status.EndedBy
	case g.DeletionTimestamp != nil:
		return ends, v1alpha1.Deleted
	case g.Spec.Closed:
		return ends, v1alpha1.Closed
	case !now.Before(ends):
		return ends, v1alpha1.Expired
	}
	return ends, ""
}

// begin holds Flux off the object, and says so. The finalizer comes first.
func (c *Controller) begin(ctx context.Context, g *v1alpha1.BreakGlass, t *target, ends time.Time) error {
	if !controllerutil.ContainsFinalizer(g, Finalizer) {
		before := g.DeepCopy()
		controllerutil.AddFinalizer(g, Finalizer)
		if err := c.Client.Patch(ctx, g, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), manager); err != nil {
			return fmt.Errorf("add the finalizer: %w", err)
		}
	}
	why, held, err := c.hold(ctx, t)
	if err != nil {
		return err
	}
	status := metav1.ConditionFalse
	if held {
		status = metav1.ConditionTrue
		// It may have ended, and somebody else taken the hold away, between the look at it and the hold.
		fresh := &v1alpha1.BreakGlass{}
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(g), fresh); err != nil || !fresh.Active(c.Clock.Now()) {
			return errors.Join(err, errors.New("the BreakGlass has ended meanwhile"))
		}
	}
	return c.say(ctx, g, status, why, &ends)
}

// end writes down what the object is like, gives it back to Flux unless another BreakGlass is active, and lets go.
func (c *Controller) end(ctx context.Context, g *v1alpha1.BreakGlass, t *target, cause v1alpha1.EndCause) error {
	if t.unreadable && controllerutil.ContainsFinalizer(g, Finalizer) {
		why := notPermitted(t)
		why.message = "gitops-drift may no longer patch the object, so it cannot give it back to Flux; give it that right again, or take the finalizer away"
		return errors.Join(c.say(ctx, g, metav1.ConditionUnknown, *why, nil), errors.New(why.message))
	}
	if g.Status.Ended == nil {
		before := g.DeepCopy()
		now := metav1.NewTime(c.Clock.Now())
		g.Status.Ended, g.Status.EndedBy = &now, cause
		if controllerutil.ContainsFinalizer(g, Finalizer) {
			c.compare(ctx, g, t)
		}
		if err := c.Client.Status().Patch(ctx, g, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), manager); err != nil {
			return fmt.Errorf("write down what came of it: %w", err)
		}
		c.Log.Info("A BreakGlass ended", "breakGlass", g.Name, "object", t.name(), "by", cause, "requestedBy", g.Spec.RequestedBy, "fields", len(g.Status.Drift)+int(g.Status.MoreDrift))
		if controllerutil.ContainsFinalizer(g, Finalizer) {
			c.tellEnded(g, t)
		}
	}
	why := reason{"Ended", "it is over; Flux looks after the object again"}
	if t.active != nil {
		why.message = "it is over; Flux is held off until BreakGlass " + t.active.Name + " is over, too"
		if _, _, err := c.hold(ctx, t); err != nil {
			return err
		}
	} else if err := c.release(ctx, t); err != nil {
		return err
	}
	if held := apimeta.FindStatusCondition(g.Status.Conditions, v1alpha1.ConditionHeld); held == nil || held.Reason != why.reason {
		if t.active == nil && controllerutil.ContainsFinalizer(g, Finalizer) {
			if err := c.ask(ctx, g, t.owner); err != nil {
				return err
			}
		}
		if err := c.say(ctx, g, metav1.ConditionFalse, why, nil); err != nil {
			return err
		}
	}
	if !controllerutil.ContainsFinalizer(g, Finalizer) {
		return nil
	}
	before := g.DeepCopy()
	controllerutil.RemoveFinalizer(g, Finalizer)
	if err := c.Client.Patch(ctx, g, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), manager); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("take the finalizer away: %w", err)
	}
	return nil
}

// reason is why a condition is what it is.
type reason struct{ reason, message string }

// say sets the condition Held, and when the BreakGlass expires if that is known.
func (c *Controller) say(ctx context.Context, g *v1alpha1.BreakGlass, status metav1.ConditionStatus, why reason, expires *time.Time) error {
	before := g.DeepCopy()
	changed := apimeta.SetStatusCondition(&g.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionHeld, Status: status, ObservedGeneration: g.Generation, Reason: why.reason, Message: why.message,
	})
	if expires != nil && (g.Status.Expires == nil || !g.Status.Expires.Time.Equal(*expires)) {
		g.Status.Expires, changed = &metav1.Time{Time: *expires}, true
	}
	if !changed {
		return nil
	}
	if err := c.Client.Status().Patch(ctx, g, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), manager); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("say whether Flux is held off: %w", err)
	}
	return nil
}
