package desired

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func stateOf(owner string, names ...string) *State {
	state := &State{Owner: ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: owner}}
	for _, name := range names {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
		u.SetName(name)
		state.Objects = append(state.Objects, Object{Unstructured: u})
	}
	return state
}

// ownerOf returns the owner whose state names the object, "" if none does.
func ownerOf(s *Store, name string) string {
	_, state, ok := s.Find(Key{Kind: "ConfigMap", Name: name})
	if !ok {
		return ""
	}
	return state.Owner.Name
}

func set(t *testing.T, s *Store, state *State) {
	t.Helper()
	if err := s.Set(state); err != nil {
		t.Fatal(err)
	}
}

func TestAnObjectOfSeveralOwnersIsFoundForAsLongAsOneNamesIt(t *testing.T) {
	var s Store
	a, b := stateOf("a", "shared", "own"), stateOf("b", "shared")
	set(t, &s, a)
	set(t, &s, b)
	if got := ownerOf(&s, "shared"); got != "b" {
		t.Errorf("it belongs to %q, want the owner that was built last", got)
	}
	s.Delete(b.Owner)
	if got := ownerOf(&s, "shared"); got != "a" {
		t.Errorf("it belongs to %q after b is gone", got)
	}
	set(t, &s, stateOf("a", "own"))
	if shared, own := ownerOf(&s, "shared"), ownerOf(&s, "own"); shared != "" || own != "a" {
		t.Errorf("they belong to %q and %q after git dropped one", shared, own)
	}
	if states := s.States(); len(states) != 1 || states[0].Owner.Name != "a" {
		t.Errorf("states are %v", states)
	}
}

func TestEveryChangeIsAnnounced(t *testing.T) {
	var s Store
	announced := func(change func()) bool {
		first, second := s.Changed(), s.Changed()
		change()
		closed := 0
		for _, c := range []<-chan struct{}{first, second} {
			select {
			case <-c:
				closed++
			default:
			}
		}
		return closed == 2
	}
	a := stateOf("a", "x")
	if !announced(func() { set(t, &s, a) }) || !announced(func() { set(t, &s, stateOf("a", "y")) }) || !announced(func() { s.Delete(a.Owner) }) {
		t.Error("a change is not announced to everybody")
	}
	if announced(func() { s.Delete(a.Owner) }) {
		t.Error("what changes nothing is announced")
	}
}
