package hold

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Reclaim gives an object back to Flux that says to be held, while no BreakGlass of the cluster has anything to do with it any more:
// the finalizer was taken away by force, or somebody wrote the annotation. It reports whether it did. It may be called concurrently.
func (c *Controller) Reclaim(ctx context.Context, object desired.Key) (bool, error) {
	t := &target{key: object}
	if why, err := c.read(ctx, t); why != nil || err != nil {
		return false, err
	}
	held, ours := ownership.HoldOf(t.live)
	if !ours {
		return false, nil
	}
	glasses, err := breakglass.List(ctx, c.Client)
	if err != nil {
		return false, fmt.Errorf("list BreakGlasses: %w", err)
	}
	for i := range glasses {
		g := &glasses[i]
		if done := g.Status.Ended != nil && !controllerutil.ContainsFinalizer(g, Finalizer); breakglass.Object(g) == object && !done {
			return false, nil
		}
	}
	// One that is opened meanwhile holds Flux off again, or has done so already, and this fails.
	if err := c.release(ctx, t); err != nil {
		return false, err
	}
	c.Log.Info("An object was held for a BreakGlass that the cluster does not have, and is Flux's again", "breakGlass", held.BreakGlass, "object", t.name())
	return true, nil
}
