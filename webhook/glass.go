package main

import (
	"context"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/follow"
	"github.com/gitops-drift/gitops-drift/pkg/hold"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
	"github.com/gitops-drift/gitops-drift/pkg/restore"
)

// glasses is what is known of BreakGlasses.
type glasses struct {
	direct  client.Client
	lookups *follow.Lookups
	clock   *breakglass.Clock
}

// policy returns the one that applies to an object, nil for none.
func (g *glasses) policy(object desired.Key, owner ownership.Owner) (*v1alpha1.EditPolicy, error) {
	policies, err := g.lookups.Policies()
	if err != nil {
		return nil, err
	}
	labels, err := g.lookups.NamespaceLabels(policy.Namespace(object))
	if err != nil {
		return nil, err
	}
	p, _ := policy.Effective(policies, policy.Object{Key: object, Owner: owner, NamespaceLabels: labels})
	return p, nil
}

// additions says what becomes of fields that people added to an object and Flux leaves in place. Of edits by those whom the
// policy exempts nothing but their records tells.
func (g *glasses) additions(owner ownership.Owner, object desired.Key) restore.Additions {
	p, err := g.policy(object, owner)
	switch {
	case err != nil || p == nil || !p.Spec.Restore || p.Spec.Scope != v1alpha1.All:
		return restore.Left
	case len(p.Spec.Exempt) > 0:
		return restore.RemovedIfRecorded
	}
	return restore.Removed
}

// fresh lists BreakGlasses as the API server has them now.
func (g *glasses) fresh(ctx context.Context) ([]v1alpha1.BreakGlass, error) {
	list := &v1alpha1.BreakGlassList{}
	err := g.direct.List(ctx, list)
	return list.Items, err
}

// active returns how long a BreakGlass for an object is active yet, 0 for none. The API server is asked only where the
// policy lets anybody break glass.
func (g *glasses) active(ctx context.Context, owner ownership.Owner, object desired.Key) (time.Duration, error) {
	p, err := g.policy(object, owner)
	if err != nil || p == nil || p.Spec.BreakGlass == nil {
		return 0, err
	}
	list, err := g.fresh(ctx)
	if err != nil {
		return 0, err
	}
	now := g.clock.Now()
	glass := breakglass.Active(list, p, object, now)
	if glass == nil {
		return 0, nil
	}
	return breakglass.Ends(glass, p).Sub(now), nil
}

// addHolds adds what holds Flux off the objects of BreakGlasses.
func (g *glasses) addHolds(mgr manager.Manager, o *options) (*hold.Controller, error) {
	instruments, err := hold.NewMetrics(metrics.Registry, g.lookups.BreakGlasses)
	if err != nil {
		return nil, err
	}
	log := mgr.GetLogger().WithName("hold")
	if err := mgr.Add(&hold.Pruner{Client: g.direct, Clock: g.clock, Log: log, Retention: o.breakGlassRetention, Limit: o.recordLimit}); err != nil {
		return nil, err
	}
	controller := &hold.Controller{
		Client: g.direct, Mapper: mgr.GetRESTMapper(), Policy: g.policy, Desired: g.lookups.Store, OverrideManagers: o.overrideManagers,
		Clock: g.clock, Metrics: instruments, Recorder: mgr.GetEventRecorder("gitops-drift"), Log: log,
	}
	return controller, controller.SetupWithManager(mgr)
}

// tell has the loop look again at what it left alone when a BreakGlass changes.
func (g *glasses) tell(ctx context.Context, mgr manager.Manager, loop *restore.Loop) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &v1alpha1.BreakGlass{}, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	changed := func(any) { loop.PolicyChanged() }
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(_, glass any) { changed(glass) }, DeleteFunc: changed})
	return err
}
