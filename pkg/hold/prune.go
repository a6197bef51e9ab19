package hold

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
)

// pruneEvery is the time between two looks for old BreakGlasses.
const pruneEvery = 10 * time.Minute

// Pruner removes BreakGlasses that have been over for long. One that is not over, or still has something to give back, stays
// however old it is. Its fields must not change once it runs.
type Pruner struct {
	// Client reads from the API server itself.
	Client client.Client
	Clock  *breakglass.Clock
	Log    logr.Logger
	// Retention is how long one is kept after its end.
	Retention time.Duration
	// Limit is how many are kept that are over. Beyond it, those go that ended first.
	Limit int
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*Pruner) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable: it prunes now and then until ctx ends.
func (p *Pruner) Start(ctx context.Context) error {
	for failing := false; ; {
		err := p.prune(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			p.Log.Error(err, "Old BreakGlasses cannot be removed; this is logged once")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pruneEvery):
		}
	}
}

func (p *Pruner) prune(ctx context.Context) error {
	list := &v1alpha1.BreakGlassList{}
	if err := p.Client.List(ctx, list); err != nil {
		return err
	}
	var failed error
	for _, g := range stale(list.Items, p.Clock.Now().Add(-p.Retention), p.Limit) {
		// Of the state that was looked at.
		same := client.Preconditions{UID: &g.UID, ResourceVersion: &g.ResourceVersion}
		if err := client.IgnoreNotFound(p.Client.Delete(ctx, g, same)); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		p.Log.Info("A BreakGlass was removed, long after its end", "breakGlass", g.Name, "object", breakglass.Object(g), "requestedBy", g.Spec.RequestedBy,
			"reason", g.Spec.Reason, "ended", g.Status.Ended)
	}
	return failed
}

// stale are the BreakGlasses that ended before oldest, and of the others that are over all but the last limit.
func stale(glasses []v1alpha1.BreakGlass, oldest time.Time, limit int) []*v1alpha1.BreakGlass {
	var done []*v1alpha1.BreakGlass
	for i := range glasses {
		if g := &glasses[i]; g.Status.Ended != nil && len(g.Finalizers) == 0 && g.DeletionTimestamp == nil {
			done = append(done, g)
		}
	}
	slices.SortFunc(done, func(a, b *v1alpha1.BreakGlass) int {
		return cmp.Or(b.Status.Ended.Compare(a.Status.Ended.Time), cmp.Compare(a.Name, b.Name))
	})
	for i, g := range done { // the newest first
		if i >= limit || g.Status.Ended.Time.Before(oldest) {
			return done[i:]
		}
	}
	return nil
}
