package desired

import (
	"maps"
	"slices"
	"sync"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Store holds the newest State of each owner that Flux has applied, and finds the State of an object. It keeps
// their objects packed.
// The zero Store is empty and ready; it may be used concurrently.
type Store struct {
	mu     sync.RWMutex
	states map[ownership.Owner]Kept
	// objects has more than one entry for an object that several owners declare, the one built last at the end.
	objects map[Key][]entry
	changed chan struct{}
}

// Kept is a State as a Store keeps it.
type Kept struct {
	// State has no Objects.
	*State
	Packed []Packed
}

type entry struct {
	state  *State
	packed *Packed
}

// Set replaces the state of its owner. An error leaves the store as it was.
func (s *Store) Set(state *State) error {
	header := *state
	header.Objects = nil
	next := Kept{State: &header, Packed: make([]Packed, 0, len(state.Objects))}
	for _, object := range state.Objects {
		packed, err := pack(object)
		if err != nil {
			return err
		}
		next.Packed = append(next.Packed, packed)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states == nil {
		s.states = map[ownership.Owner]Kept{}
		s.objects = map[Key][]entry{}
	}
	s.drop(state.Owner)
	s.states[state.Owner] = next
	for i := range next.Packed {
		key := next.Packed[i].Key
		s.objects[key] = append(s.objects[key], entry{next.State, &next.Packed[i]})
	}
	s.announce()
	return nil
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
	old, ok := s.states[owner]
	if !ok {
		return false
	}
	delete(s.states, owner)
	for _, packed := range old.Packed {
		left := slices.DeleteFunc(s.objects[packed.Key], func(e entry) bool { return e.state == old.State })
		if len(left) == 0 {
			delete(s.objects, packed.Key)
		} else {
			s.objects[packed.Key] = left
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
func (s *Store) States() []Kept {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.states))
}

// State returns the state of an owner, false if none has been built.
func (s *Store) State(owner ownership.Owner) (Kept, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	kept, ok := s.states[owner]
	return kept, ok
}

// Has reports whether a built state names the object.
func (s *Store) Has(key Key) bool {
	_, ok := s.newest(key)
	return ok
}

// Find returns what is desired of an object and the state that says so; false where no built state names it. Where
// several do, as while an object moves between owners, it is the one that was built last.
func (s *Store) Find(key Key) (Object, *State, bool) {
	newest, ok := s.newest(key)
	if !ok {
		return Object{}, nil, false
	}
	return newest.packed.Object(), newest.state, true
}

func (s *Store) newest(key Key) (entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	entries := s.objects[key]
	if len(entries) == 0 {
		return entry{}, false
	}
	return entries[len(entries)-1], true
}
