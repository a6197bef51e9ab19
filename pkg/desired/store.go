package desired

import (
	"slices"
	"sync"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Store holds the newest State of each owner that Flux has applied, and finds the State of an object.
// The zero Store is empty and ready; it may be used concurrently.
type Store struct {
	mu     sync.RWMutex
	states map[ownership.Owner]*State
	// objects has more than one entry for an object that several owners declare, the one built last at the end.
	objects map[Key][]entry
	changed chan struct{}
}

type entry struct {
	state  *State
	object Object
}

// Set replaces the state of its owner.
func (s *Store) Set(state *State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states == nil {
		s.states = map[ownership.Owner]*State{}
		s.objects = map[Key][]entry{}
	}
	s.drop(state.Owner)
	s.states[state.Owner] = state
	for _, object := range state.Objects {
		key := KeyOf(object.Unstructured)
		s.objects[key] = append(s.objects[key], entry{state, object})
	}
	s.announce()
}

// Delete forgets an owner.
func (s *Store) Delete(owner ownership.Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drop(owner) {
		s.announce()
	}
}

func (s *Store) drop(owner ownership.Owner) bool {
	state, ok := s.states[owner]
	if !ok {
		return false
	}
	delete(s.states, owner)
	for _, object := range state.Objects {
		key := KeyOf(object.Unstructured)
		left := slices.DeleteFunc(s.objects[key], func(e entry) bool { return e.state == state })
		if len(left) == 0 {
			delete(s.objects, key)
		} else {
			s.objects[key] = left
		}
	}
	return true
}

func (s *Store) announce() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Changed returns a channel that is closed at the next change of the store. Ask for it before reading what is to be
// kept up to date, so that no change is missed.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// States returns the states of all owners, in no order.
func (s *Store) States() []*State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	states := make([]*State, 0, len(s.states))
	for _, state := range s.states {
		states = append(states, state)
	}
	return states
}

// State returns the state of an owner, nil if none has been built.
func (s *Store) State(owner ownership.Owner) *State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.states[owner]
}

// Find returns what is desired of an object and the state that says so; false where no built state names it. Where
// several do, as while an object moves between owners, it is the one that was built last.
func (s *Store) Find(key Key) (Object, *State, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	entries := s.objects[key]
	if len(entries) == 0 {
		return Object{}, nil, false
	}
	e := entries[len(entries)-1]
	return e.object, e.state, true
}
