package restore

import (
	"fmt"
	"sync/atomic"

	"github.com/fluxcd/pkg/ssa"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// events is the cache.ReflectorStore of one watch. It keeps nothing: it compares each object with the desired state and
// hands over the keys of those that may differ.
type events struct {
	watched
	states   states
	unbuilt  *unbuilt
	takeover []ssa.FieldManager
	// differs is called for an object that may differ, settled for one that does not; both at once and often.
	differs, settled func(desired.Key)
	// asWanted reports whether the objects alone prove that there is nothing to do.
	asWanted func(owner ownership.Owner, want, live *unstructured.Unstructured, managers []ownership.Manager) bool
	// equal reports whether this object was proven equal although it is written differently.
	equal func(desired.Object, *desired.State, *unstructured.Unstructured) bool
	// panicked is told of a mistake in the program.
	panicked func(desired.Key, any)
	log      logr.Logger
	// synced is set once the kind was listed; from then on, all that is missing has been noticed.
	synced atomic.Bool
}

// Add is called for a new object, and for one that got its owner's label.
func (e *events) Add(obj any) error { return e.compare(obj) }

// Update is called for a changed object.
func (e *events) Update(obj any) error { return e.compare(obj) }

// Delete is called for an object that is gone, or that lost its owner's label.
func (e *events) Delete(obj any) error {
	live, err := object(obj)
	if err != nil {
		return err
	}
	key := desired.KeyOf(live)
	_, _, built := e.find(key)
	if built || e.listed(key) {
		e.differs(key)
	}
	return nil
}

// Replace is called with all labelled objects of the kind: at the start, and when events may have been missed.
func (e *events) Replace(list []any, _ string) error {
	// Before the comparison: a state that arrives meanwhile is then compared twice rather than never.
	e.synced.Store(true)
	there := make(map[desired.Key]struct{}, len(list))
	for _, item := range list {
		live, err := object(item)
		if err != nil {
			return err
		}
		there[desired.KeyOf(live)] = struct{}{}
		if err := e.compare(live); err != nil {
			return err
		}
	}
	for _, state := range e.states.all() {
		if state.Owner.Kind != e.owner {
			continue
		}
		for _, want := range state.Packed {
			if want.Kind() == e.kind && !has(there, want.Key) {
				e.differs(want.Key)
			}
		}
	}
	if e.owner != ownership.Kustomization {
		return nil
	}
	for _, key := range e.unbuilt.of(e.kind) {
		if !has(there, key) {
			e.differs(key)
		}
	}
	return nil
}

// Resync is never asked for.
func (e *events) Resync() error { return nil }

func (e *events) compare(obj any) error {
	live, err := object(obj)
	if err != nil {
		return err
	}
	key := desired.KeyOf(live)
	want, state, ok := e.find(key)
	if !ok && !e.listed(key) {
		return nil
	}
	// A panic here would end the program, on every leader anew. The worker that looks at the object survives it.
	defer func() {
		if failure := recover(); failure != nil {
			e.panicked(key, failure)
			e.differs(key)
		}
	}()
	managers, err := ownership.Managers(live)
	if err != nil {
		e.log.Error(err, "An object cannot be compared", "kind", key.Kind, "namespace", key.Namespace, "name", key.Name)
		return nil
	}
	if !ok {
		if trace(nil, live, managers, e.takeover) != "" {
			e.differs(key)
		} else {
			e.settled(key)
		}
		return nil
	}
	// Whether there is a BreakGlass for it is for a worker to find out.
	if _, held := ownership.HoldOf(live); held {
		e.differs(key)
	} else if e.asWanted(state.Owner, want.Unstructured, live, managers) {
		e.settled(key)
	} else if !e.equal(want, state, live) {
		e.differs(key)
	}
	return nil
}

// find returns what is desired of an object, if in the version and by the kind of owner that are watched here.
func (e *events) find(key desired.Key) (desired.Object, *desired.State, bool) {
	want, state, ok := e.states.find(key)
	return want, state, ok && want.GroupVersionKind() == e.kind && state.Owner.Kind == e.owner
}

// listed reports whether the object is known from an inventory alone.
func (e *events) listed(key desired.Key) bool {
	if e.owner != ownership.Kustomization {
		return false
	}
	_, listed := e.unbuilt.find(key)
	return listed
}

func object(obj any) (*unstructured.Unstructured, error) {
	live, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("a watch delivered a %T", obj)
	}
	return live, nil
}

func has(set map[desired.Key]struct{}, key desired.Key) bool {
	_, ok := set[key]
	return ok
}
