package reconcile

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/dynamic"
)

// Request asks Flux to reconcile objects of one cluster. Its fields are not changed by Run, and
// one Request may run several times, also at once: each run has tokens of its own.
type Request struct {
	Client dynamic.Interface
	Mapper meta.RESTMapper
	// Objects are asked for, each of a kind that is Requestable; a name given twice counts once.
	Objects []Object
	// Selected are asked for too, but nobody named them: one that is suspended is a result, no error, and one that is gone or
	// being deleted, or an OCI registry, from which Flux fetches nothing by itself, is left out.
	Selected []Object
	// WithSource asks for what each object is fetched from as well: the source of a Kustomization; the chart of a
	// HelmRelease, and the repository of that.
	WithSource bool
	// Force makes helm-controller upgrade the HelmReleases although nothing changed, Reset makes it forget their failures.
	// Both are for HelmReleases alone and change nothing for others.
	Force, Reset bool
	// Resume lifts suspensions, in one write with the request.
	Resume bool
	// Revision is to be applied and ready: Kustomizations and their sources have to come to it, with every HelmRelease and
	// Kustomization that they apply; of a HelmRelease that is named it is the version of the chart. The zero Revision asks
	// for nothing of that.
	Revision Revision
	// NoWait returns as soon as everything is asked for, in no order. Flux reconciles what consumes a source again when
	// that has a new revision.
	NoWait bool
	// Timeout ends the wait for all objects together; 0 means no limit but the context's.
	Timeout time.Duration
	// OnEvent may be nil. It is called by one goroutine at a time.
	OnEvent func(Event)
}

// Run returns one result an object, the sources first, in the order in which they were named. Objects are asked for when
// what they depend on is ready: the source, what spec.dependsOn names, and the Kustomization that applies them; as far as
// these are asked for too. All others are asked for at once. What depends on something that fails is skipped.
//
// It returns an error, and has changed nothing in the cluster, when something is known to be in the way
// before the first request is made: an object that is missing, suspended (*SuspendedError) or being deleted,
// no permission to read it, no Flux, no cluster. Errors of several objects are joined.
//
// When ctx or Timeout ends, the wait ends and the requests stay with Flux: such objects are returned as
// StateReconciling with the last that was seen of them, those that were not asked for yet as StateSkipped, and without an
// error. A request that is being written when ctx ends is still written, so Client must outlive ctx by a few seconds.
func (r *Request) Run(ctx context.Context) ([]Result, error) {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
		defer cancel()
	}
	p, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if p.onEvent != nil {
		for _, t := range p.targets {
			p.event(t, StateWaiting, t.seen.revision(), t.awaits())
		}
	}
	var running sync.WaitGroup
	for _, t := range p.targets {
		running.Go(func() {
			defer close(t.done)
			t.result = p.run(ctx, t)
			switch t.result.State {
			case StateReconciling: // all was said
			case StateFailed:
				p.event(t, t.result.State, t.result.Revision, t.result.Reason) // the message may quote a Secret
			default:
				p.event(t, t.result.State, t.result.Revision, t.result.Message)
			}
		})
	}
	running.Wait()

	results := make([]Result, 0, len(p.targets))
	for _, t := range p.targets {
		results = append(results, t.result)
	}
	return results, nil
}

func (p *plan) event(t *target, state State, revision, message string) {
	if p.onEvent == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onEvent(Event{Object: t.object, State: state, Revision: revision, Message: message})
}
