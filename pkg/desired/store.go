package desired

import (
	"sync"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Store holds the newest State of each owner that Flux has applied, and finds the State of an object.
// The zero Store is empty and ready; it may be used concurrently.
type Store struct {
	mu      sync.RWMutex
	states  map[ownership.Owner]*State
	objects map[Key]entry
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
		s.objects = map[Key]entry{}
	}
	s.drop(state.Owner)
	s.states[state.Owner] = state
	for _, object := range state.Objects {
		s.objects[KeyOf(object.Unstructured)] = entry{state, object}
	}
}

// Delete forgets an owner.
func (s *Store) Delete(owner ownership.Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(owner)
}

func (s *Store) drop(owner ownership.Owner) {
	state, ok := s.states[owner]
	if !ok {
		return
	}
	delete(s.states, owner)
	for _, object := range state.Objects {
		key := KeyOf(object.Unstructured)
		// An object that moved between owners belongs to the one that was built last.
		if s.objects[key].state == state {
			delete(s.objects, key)
		}
	}
}

// State returns the state of an owner, nil if none has been built.
func (s *Store) State(owner ownership.Owner) *State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.states[owner]
}

// Find returns what is desired of an object and the state that says so; false where no built state names it.
func (s *Store) Find(key Key) (Object, *State, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.objects[key]
	return e.object, e.state, ok
}
