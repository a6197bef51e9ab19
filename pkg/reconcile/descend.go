package reconcile

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// lookAgain is how often what a HelmRelease is made of is looked at.
const lookAgain = 2 * time.Second

// following is how many objects that a Kustomization applied are followed at a time.
const following = 32

// descend waits until the HelmReleases and Kustomizations that t has applied, and those that they have applied, are ready
// as well: a Kustomization is ready when it has applied them, long before a chart is upgraded. What keeps one of them
// from that becomes the result. Those that are asked for themselves have results of their own: such a HelmRelease waits
// here until it is made of what its source has.
func (p *plan) descend(ctx context.Context, t *target, from observed, result *Result) {
	d := &descent{plan: p, top: t, met: map[Object]bool{t.object: true}}
	if t.object.isRelease() {
		d.child(ctx, t.object)
	} else {
		d.follow(ctx, from)
	}
	if d.worst == nil {
		return
	}
	result.State, result.Reason, result.Message = d.worst.State, "", d.worst.Message
	if d.worst.Object != t.object {
		result.Message = d.worst.Object.String() + ": " + result.Message
	}
	result.Culprits = d.worst.Culprits
}

// descent is the wait for what one target applied.
type descent struct {
	plan *plan
	top  *target

	mu    sync.Mutex
	met   map[Object]bool
	worst *Result // the first that failed, else the first that is not done; nil while all are ready
}

// follow waits for what parent applied, and so on.
func (d *descent) follow(ctx context.Context, parent observed) {
	var group errgroup.Group
	group.SetLimit(following)
	for _, child := range parent.children() {
		if d.plan.known[child] != nil || !d.first(child) {
			continue
		}
		group.Go(func() error {
			d.child(ctx, child)
			return nil
		})
	}
	_ = group.Wait() // worst has it
}

func (d *descent) first(child Object) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.met[child]
	d.met[child] = true
	return !known
}

// child waits for one object and what that applied.
func (d *descent) child(ctx context.Context, object Object) {
	t := &target{object: object}
	if err := d.plan.read(ctx, t); err != nil {
		if !apierrors.IsNotFound(err) && ctx.Err() == nil { // else pruned since
			d.note(Result{Object: object, State: StateFailed, Message: err.Error()})
		}
		return
	}
	wanted := Revision{}
	if source, err := t.seen.source(); err == nil && object.isKustomization() {
		if of, err := d.top.seen.source(); err == nil && of == source {
			wanted = d.top.revision
		}
	}
	shown, last, arrived, behind := "", t.seen, false, ""
	err := follow(ctx, t.resource, object.Name, lookAgain, func(u *unstructured.Unstructured) (bool, error) {
		seen, err := observe(u)
		if err != nil {
			return false, err
		}
		last, behind = seen, ""
		state := seen.settled()
		if state == StateReady && object.isRelease() {
			behind = d.plan.behind(ctx, seen)
		}
		arrived = state == StateReady && behind == "" && wanted.Matches(seen.revision())
		if arrived || state == StateFailed && wanted.Matches(seen.revision()) || seen.Spec.Suspend {
			return true, nil
		}
		now := behind
		if now == "" {
			now = lag(seen, wanted)
		}
		if now != shown {
			shown = now
			d.plan.event(d.top, StateReconciling, "", object.String()+": "+now)
		}
		return false, nil
	})
	result := Result{Object: object, Revision: last.revision()}
	switch {
	case arrived:
		d.follow(ctx, last)
		return
	case apierrors.IsNotFound(err):
		return
	case last.Spec.Suspend:
		result.State, result.Message = StateFailed, "is suspended at "+desired.ShortRevision(last.revision())+" and has not taken what git says now"
	case last.settled() == StateFailed && err == nil:
		result.State = StateFailed
		ready := last.condition("Ready")
		result.Message = ready.Reason
		result.Culprits = []Culprit{{Object: object, Reason: ready.Reason, Message: ready.Message}}
		d.plan.diagnose(ctx, last, &result)
	case err != nil && ctx.Err() == nil:
		result.State, result.Message = StateFailed, explain("follow", object, err).Error()
	case behind != "":
		result.State, result.Message = StateReconciling, behind
	default:
		result.State, result.Message = StateReconciling, lag(last, wanted)
	}
	d.note(result)
}

// behind says of a HelmRelease that is ready what it has not come to yet; "" if it is up to date. A chart changes without
// the HelmRelease where it comes out of a GitRepository or Bucket, so that the release is ready with the one before.
func (p *plan) behind(ctx context.Context, release observed) string {
	object, err := release.source()
	if err != nil {
		return "" // not Flux's
	}
	chart := &target{object: object}
	if err := p.read(ctx, chart); err != nil {
		return err.Error()
	}
	if !object.isChart() {
		if !release.attempted(chart.seen.revision()) {
			return "not yet at " + desired.ShortRevision(chart.seen.revision()) + " of " + object.String()
		}
		return ""
	}
	if chart.seen.Status.ObservedGeneration != chart.seen.Metadata.Generation {
		return object.String() + " is not fetched yet"
	}
	if from, err := chart.seen.source(); err == nil && from.speaksCommits() {
		repository := &target{object: from}
		if err := p.read(ctx, repository); err != nil {
			return err.Error()
		}
		if at := repository.seen.revision(); at != "" && !chart.seen.attempted(at) {
			return object.String() + " is not made of " + desired.ShortRevision(at) + " yet"
		}
	}
	if at := chart.seen.revision(); !release.attempted(at) {
		return "not yet at version " + at + " of the chart"
	}
	return ""
}

// lag says what a child that has not arrived is doing.
func lag(seen observed, wanted Revision) string {
	if seen.settled() == StateReady && !wanted.Matches(seen.revision()) {
		return fmt.Sprintf("at %s, not yet at %s", desired.ShortRevision(seen.revision()), wanted)
	}
	if doing := seen.doing(); doing != "" {
		return doing
	}
	return "Flux has not come to it yet"
}

func (d *descent) note(result Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.worst == nil || d.worst.State == StateReconciling && result.State == StateFailed {
		d.worst = &result
	}
}
