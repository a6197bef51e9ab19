package record

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// Pruner removes records that are too old or too many. Its fields must not change once it runs.
type Pruner struct {
	// Client must not read from a cache.
	Client  client.Client
	Metrics *Metrics
	Log     logr.Logger
	// Retention is the age, since the last edit that it counts, at which a record is removed.
	Retention time.Duration
	// Limit is how many records are kept. Beyond it, who has most records loses their oldest: nobody can push out the
	// evidence about others.
	Limit int
	// Every is the time between two runs.
	Every time.Duration
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*Pruner) NeedLeaderElection() bool { return true }

// Start implements manager.Runnable: it prunes now and then until ctx ends.
func (p *Pruner) Start(ctx context.Context) error {
	failing := false
	for {
		err := p.prune(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			p.Log.Error(err, "Old records of edits cannot be removed; this is logged once")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			p.Metrics.stored.Set(0)
			return nil
		case <-time.After(p.Every):
		}
	}
}

// stored is what pruning needs to know of a record.
type stored struct {
	name, user, version string
	uid                 types.UID
	last                time.Time
}

func (p *Pruner) prune(ctx context.Context) error {
	var kept, doomed []stored
	oldest := time.Now().Add(-p.Retention)
	err := each(ctx, p.Client, func(r *v1alpha1.EditRecord) {
		s := stored{name: r.Name, user: r.Spec.User.Name, version: r.ResourceVersion, uid: r.UID, last: r.Spec.LastTime.Time}
		if s.last.Before(oldest) {
			doomed = append(doomed, s)
		} else {
			kept = append(kept, s)
		}
	})
	if err != nil {
		return err
	}
	excess := surplus(kept, p.Limit)
	count := len(kept) - len(excess)
	var failed []error
	for _, s := range append(doomed, excess...) {
		record := &v1alpha1.EditRecord{ObjectMeta: metav1.ObjectMeta{Name: s.name}}
		err := p.Client.Delete(ctx, record, client.Preconditions{UID: &s.uid, ResourceVersion: &s.version})
		switch {
		case err == nil:
			p.Metrics.pruned.Inc()
		case apierrors.IsConflict(err), apierrors.IsNotFound(err):
			// It was written meanwhile, so it is not old; or it is gone.
		default:
			failed, count = append(failed, err), count+1
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	p.Metrics.stored.Set(float64(count))
	return errors.Join(failed...)
}

// surplus are the records that have to go so that no more than limit are left: the oldest of the users who have most.
func surplus(records []stored, limit int) []stored {
	if len(records) <= limit {
		return nil
	}
	byUser := map[string][]stored{}
	for _, s := range records {
		byUser[s.user] = append(byUser[s.user], s)
	}
	users := make([][]stored, 0, len(byUser))
	for _, list := range byUser {
		users = append(users, list)
	}
	slices.SortFunc(users, func(a, b []stored) int { return cmp.Compare(len(a), len(b)) })
	var out []stored
	left := limit
	for i, list := range users {
		share := left / (len(users) - i)
		slices.SortFunc(list, func(a, b stored) int {
			return cmp.Or(b.last.Compare(a.last), cmp.Compare(a.name, b.name))
		})
		keep := min(len(list), share)
		out = append(out, list[keep:]...)
		left -= keep
	}
	return out
}
