package restore

import (
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var (
	app   = desired.Key{Kind: "ConfigMap", Namespace: "shop", Name: "app"}
	owner = ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: "shop"}
	start = time.Unix(1000, 0)
)

func TestTheClockRunsFromTheFirstOfABurst(t *testing.T) {
	tracks := newTracks()
	tracks.suspect(app, start)
	tracks.suspect(app, start.Add(time.Second))
	first := tracks.present(app, start.Add(2*time.Second))
	if first.since != start || first.counted {
		t.Errorf("the first drift is %+v", first)
	}
	// The event of the restoring write, then another edit, both before the write returns.
	tracks.settled(app, start.Add(2*time.Second))
	tracks.suspect(app, start.Add(3*time.Second))
	tracks.restored(app, first, start.Add(4*time.Second))
	if second := tracks.present(app, start.Add(5*time.Second)); second.since != start.Add(3*time.Second) || second.counted {
		t.Errorf("the second drift is %+v", second)
	}
}

func TestNothingIsRememberedOfASettledObject(t *testing.T) {
	tracks := newTracks()
	tracks.suspect(app, start)
	tracks.failed(app, start)
	tracks.settled(app, start)
	if len(tracks.byKey) != 0 {
		t.Errorf("%d objects are remembered", len(tracks.byKey))
	}
	tracks.prove(app, proof{generation: 1}, start)
	tracks.settled(app, start)
	if !tracks.proven(app, proof{generation: 1}) || tracks.proven(app, proof{generation: 2}) {
		t.Error("a proof holds for what was proven, and for nothing else")
	}
	tracks.retain(func(desired.Key) bool { return false })
	if len(tracks.byKey) != 0 || tracks.mayBeProven(app) {
		t.Error("an object that is no longer desired is remembered")
	}
}

func TestFailuresWaitLongerEachTimeUntilOneSucceeds(t *testing.T) {
	tracks := newTracks()
	now, last := start, time.Duration(0)
	for range 12 {
		delay := tracks.failed(app, now)
		if delay < last || delay > retryLongest || tracks.wait(app, now) != delay {
			t.Fatalf("waits %s after %s", delay, last)
		}
		now, last = now.Add(delay), delay
		if wait := tracks.wait(app, now); wait > 0 {
			t.Fatalf("waits another %s", wait)
		}
	}
	if last != retryLongest {
		t.Errorf("waits %s in the end", last)
	}
	tracks.restored(app, tracks.present(app, now), now)
	if delay := tracks.failed(app, now); delay != retryFirst {
		t.Errorf("waits %s after a success", delay)
	}
}

func TestWhatIsHeldIsReportedOnceAndFound(t *testing.T) {
	tracks := newTracks()
	tracks.suspect(app, start)
	if s := tracks.hold(app, owner, Suspended, start); !s.news || !s.uncounted {
		t.Errorf("the first time: %+v", s)
	}
	tracks.suspect(app, start)
	if s := tracks.hold(app, owner, Suspended, start); s.news || s.uncounted {
		t.Errorf("the second time: %+v", s)
	}
	if s := tracks.hold(app, owner, Failing, start); !s.news || s.uncounted {
		t.Errorf("for another reason: %+v", s)
	}
	held := func(want Reason) int {
		return len(tracks.heldBy(func(o ownership.Owner, r Reason) bool { return o == owner && r == want }))
	}
	if held(Suspended) != 0 || held(Failing) != 1 {
		t.Error("it is not found by its present reason alone")
	}
	tracks.settled(app, start)
	if held(Failing) != 0 {
		t.Error("a settled object is still held")
	}
}
