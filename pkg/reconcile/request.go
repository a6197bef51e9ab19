package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/dynamic"
)

// Request asks Flux to reconcile Kustomizations of one cluster. Its fields are not changed by Run, and
// one Request may run several times, also at once: each run has tokens of its own.
type Request struct {
	Client dynamic.Interface
	Mapper meta.RESTMapper
	// Kustomizations are asked for all at once; a name given twice counts once.
	Kustomizations []Object
	// WithSource asks the source of each Kustomization first, and the Kustomization when the source is
	// ready. Kustomizations that share a source wait for one request to it.
	WithSource bool
	// NoWait returns as soon as everything is asked for; a Kustomization then does not wait for its
	// source either. Flux reconciles it again when the source has a new revision.
	NoWait bool
	// Timeout ends the wait for all objects together; 0 means no limit but the context's.
	Timeout time.Duration
	// OnEvent may be nil. It is called by one goroutine at a time.
	OnEvent func(Event)
}

// Run returns one result an object, the sources first, in the order in which they were named.
//
// It returns an error, and has changed nothing in the cluster, when something is known to be in the way
// before the first request is made: an object that is missing, suspended (*SuspendedError) or being deleted,
// no permission to read it, no Flux, no cluster. Errors of several objects are joined.
//
// When ctx or Timeout ends, the wait ends and the requests stay with Flux: such objects are returned as
// StateReconciling with the last that was seen of them, and without an error.
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
	p.onEvent, p.noWait = r.OnEvent, r.NoWait

	var running sync.WaitGroup
	for _, t := range p.targets {
		running.Go(func() {
			defer close(t.done)
			t.result = p.run(ctx, t)
		})
	}
	running.Wait()

	results := make([]Result, 0, len(p.targets))
	for _, t := range p.targets {
		results = append(results, t.result)
	}
	return results, nil
}

// plan is one run of a Request: what it asks for, sources before Kustomizations.
type plan struct {
	targets []*target
	noWait  bool

	mu      sync.Mutex // serializes onEvent
	onEvent func(Event)
}

// target is one object to ask for. Its result may be read when done is closed.
type target struct {
	object   Object
	resource dynamic.ResourceInterface
	source   *target // nil unless it is to be ready first
	done     chan struct{}
	result   Result
}

// plan looks at every object before anything is asked for.
func (r *Request) plan(ctx context.Context) (*plan, error) {
	var sources, kustomizations []*target
	var faults []error
	for _, object := range r.Kustomizations {
		if slices.ContainsFunc(kustomizations, func(t *target) bool { return t.object == object }) {
			continue
		}
		t, seen, err := r.look(ctx, object)
		if err != nil {
			faults = append(faults, err)
			if !isObjectFault(err) {
				break
			}
			continue
		}
		kustomizations = append(kustomizations, t)
		if !r.WithSource {
			continue
		}
		sourceObject, err := sourceOf(object, seen)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		i := slices.IndexFunc(sources, func(t *target) bool { return t.object == sourceObject })
		if i < 0 {
			source, _, err := r.look(ctx, sourceObject)
			if err != nil {
				faults = append(faults, fmt.Errorf("the source of %s: %w", object, err))
				continue
			}
			i, sources = len(sources), append(sources, source)
		}
		t.source = sources[i]
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &plan{targets: slices.Concat(sources, kustomizations)}, nil
}

// isObjectFault tells a fault of one object from one of the cluster.
func isObjectFault(err error) bool {
	var suspended *SuspendedError
	var object *objectError
	return errors.As(err, &suspended) || errors.As(err, &object)
}

func sourceOf(object Object, seen observed) (Object, error) {
	ref := seen.Spec.SourceRef
	if !requestable(ref.Kind) {
		return Object{}, fmt.Errorf("%s takes its manifests from a %s, which Flux cannot be asked to fetch; leave its source out",
			object, ref.Kind)
	}
	source := Object{Group: sourceGroup, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
	if source.Namespace == "" {
		source.Namespace = object.Namespace
	}
	return source, nil
}

// look reads an object and makes sure that Flux would act on a request for it.
func (r *Request) look(ctx context.Context, object Object) (*target, observed, error) {
	mapping, err := r.Mapper.RESTMapping(object.groupKind())
	if err != nil {
		return nil, observed{}, explain("find", object, err)
	}
	t := &target{
		object:   object,
		resource: r.Client.Resource(mapping.Resource).Namespace(object.Namespace),
		done:     make(chan struct{}),
	}
	seen, err := t.observe(ctx)
	if err != nil {
		return nil, observed{}, err
	}
	if err := seen.standsStill(object); err != nil {
		return nil, observed{}, err
	}
	return t, seen, nil
}

func (p *plan) event(object Object, message string) {
	if p.onEvent == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onEvent(Event{Object: object, Message: message})
}
