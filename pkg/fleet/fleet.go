package fleet

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Result is what became of one cluster.
type Result[T any] struct {
	// Cluster is the name of its kubeconfig context; empty where it has none.
	Cluster string
	// Value is what was learned of it; with an error, what was learned before that.
	Value T
	// Err says why that is not everything; nil if it is.
	Err error
}

// Limits bound what is asked of clusters. The zero value bounds nothing.
type Limits struct {
	// AtOnce is how many clusters are asked at a time; 0 is all of them.
	AtOnce int
	// Timeout is how long each cluster may take, counted from when it is asked, so that one that does not answer takes
	// nothing away from the others; 0 is as long as they like.
	Timeout time.Duration
}

// Ask calls ask for every cluster, several at a time and each in a goroutine of its own, and returns when all calls have
// returned. The context that ask gets ends with ctx, and after the cluster's time. Clusters that were not asked before
// ctx ended have its error.
func Ask[T any](ctx context.Context, clusters []string, limits Limits, ask func(ctx context.Context, cluster string) (T, error)) []Result[T] {
	results := make([]Result[T], len(clusters))
	var group errgroup.Group
	group.SetLimit(-1)
	if limits.AtOnce > 0 {
		group.SetLimit(limits.AtOnce)
	}
	for i, cluster := range clusters {
		results[i].Cluster = cluster
		group.Go(func() error {
			if results[i].Err = ctx.Err(); results[i].Err != nil {
				return nil
			}
			ctx := ctx
			if limits.Timeout > 0 {
				timed, cancel := context.WithTimeout(ctx, limits.Timeout)
				defer cancel()
				ctx = timed
			}
			results[i].Value, results[i].Err = ask(ctx, cluster)
			return nil
		})
	}
	_ = group.Wait() // Errors are kept by cluster.
	return results
}
