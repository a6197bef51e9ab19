package restore

import (
	"sync"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// The delays between attempts that failed, and between looks at what has to wait for something else to come or go.
const (
	retryFirst      = 100 * time.Millisecond
	retryLongest    = time.Minute
	postponeLongest = 15 * time.Second
)

// proof says that the API server found Flux's apply to change nothing, for one spec of the owner.
type proof struct {
	fingerprint drift.Fingerprint
	generation  int64
	// additions is what was to become of them.
	additions Additions
}

// track is what is remembered of one object: nothing of its content.
type track struct {
	// since is when it was first seen to differ; zero while nothing is known to be wrong.
	since time.Time
	// counted is set once the present drift is in the metrics.
	counted bool
	proven  *proof
	fight   fight
	retry   time.Duration
	// retryAt is when a failed attempt may be repeated.
	retryAt time.Time
	held    Reason
	// heldSince is when it came to be held for this reason.
	heldSince time.Time
	// asked is the trace for which Flux was asked to reconcile.
	asked string
	owner ownership.Owner
	// explained says that its owner was told of its autoscaler.
	explained bool
}

// tracks holds the tracks of the objects that there is anything to remember of; they are objects of the desired state,
// which bounds their number. It may be used concurrently.
type tracks struct {
	mu    sync.Mutex
	byKey map[desired.Key]*track
}

func newTracks() *tracks { return &tracks{byKey: map[desired.Key]*track{}} }

func (t *tracks) of(key desired.Key) *track {
	if t.byKey[key] == nil {
		t.byKey[key] = &track{}
	}
	return t.byKey[key]
}

// suspect notes that the object was seen to differ.
func (t *tracks) suspect(key desired.Key, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if track := t.of(key); track.since.IsZero() {
		track.since = now
	}
}

// settled notes that nothing is wrong with the object.
func (t *tracks) settled(key desired.Key, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle(key, now)
}

func (t *tracks) settle(key desired.Key, now time.Time) {
	track := t.byKey[key]
	if track == nil {
		return
	}
	track.reset()
	if track.proven == nil && !track.explained && track.fight.idle(now) {
		delete(t.byKey, key)
	}
}

// reset leaves what outlasts a drift.
func (tr *track) reset() { *tr = track{proven: tr.proven, fight: tr.fight, explained: tr.explained} }

// prove notes that the object equals git although it is written differently.
func (t *tracks) prove(key desired.Key, p proof, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(key).proven = &p
	t.settle(key, now)
}

// mayBeProven reports whether anything was ever proven of the object, so that a proof is worth computing.
func (t *tracks) mayBeProven(key desired.Key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	track := t.byKey[key]
	return track != nil && track.proven != nil
}

// proven reports whether this very proof was made.
func (t *tracks) proven(key desired.Key, p proof) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	track := t.byKey[key]
	return track != nil && track.proven != nil && *track.proven == p
}

// wait returns how long the object has to wait for its next attempt.
func (t *tracks) wait(key desired.Key, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	track := t.byKey[key]
	if track == nil {
		return 0
	}
	return max(track.fight.wait(now), track.retryAt.Sub(now))
}

// failed notes a failed attempt and returns when to try again.
func (t *tracks) failed(key desired.Key, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.of(key).failed(now, retryLongest)
}

func (tr *track) failed(now time.Time, longest time.Duration) time.Duration {
	tr.retry = min(max(2*tr.retry, retryFirst), longest)
	tr.retryAt = now.Add(tr.retry)
	return tr.retry
}

// standing is what to report of an object that is left alone.
type standing struct {
	// news says that it was not left alone for this reason before; uncounted that its drift is still to be counted.
	news, uncounted bool
	// held is for how long it has been left alone for this reason.
	held time.Duration
	// retry is when to look again.
	retry time.Duration
}

// hold notes that the object is left alone, until an event or its owner gives reason to look again.
func (t *tracks) hold(key desired.Key, owner ownership.Owner, reason Reason, now time.Time) standing {
	t.mu.Lock()
	defer t.mu.Unlock()
	track := t.of(key)
	// What is held is not slow: the clock starts anew when it is released.
	track.since, track.retry, track.retryAt = time.Time{}, 0, time.Time{}
	return track.hold(owner, reason, now)
}

// postpone notes that the object is left alone and has to be looked at again after some time.
func (t *tracks) postpone(key desired.Key, owner ownership.Owner, reason Reason, now time.Time) standing {
	t.mu.Lock()
	defer t.mu.Unlock()
	track := t.of(key)
	s := track.hold(owner, reason, now)
	s.retry = track.failed(now, postponeLongest)
	return s
}

func (tr *track) hold(owner ownership.Owner, reason Reason, now time.Time) standing {
	s := standing{news: tr.held != reason, uncounted: !tr.counted}
	if s.news {
		tr.heldSince = now
	}
	s.held = now.Sub(tr.heldSince)
	tr.held, tr.owner, tr.counted = reason, owner, true
	return s
}

// drifted is a drift as it was when an attempt began. The event of the very write that ends it may be noticed before
// the write returns, so it must not be asked for afterwards.
type drifted struct {
	// since is when the object was first seen to differ.
	since time.Time
	// counted says that it is in the metrics.
	counted bool
}

// present returns the present drift of an object.
func (t *tracks) present(key desired.Key, now time.Time) drifted {
	t.mu.Lock()
	defer t.mu.Unlock()
	track := t.byKey[key]
	if track == nil || track.since.IsZero() {
		return drifted{since: now, counted: track != nil && track.counted}
	}
	return drifted{since: track.since, counted: track.counted}
}

// restored notes that an object was put back, unless it has drifted anew already, and returns by how much its next
// restore will be delayed.
func (t *tracks) restored(key desired.Key, was drifted, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	track := t.of(key)
	delay := track.fight.restored(now)
	anew := track.since
	track.reset()
	if anew.After(was.since) {
		track.since = anew
	}
	return delay
}

// heldBy returns the objects that are left alone and for which match returns true.
func (t *tracks) heldBy(match func(ownership.Owner, Reason) bool) []desired.Key {
	t.mu.Lock()
	defer t.mu.Unlock()
	var keys []desired.Key
	for key, track := range t.byKey {
		if track.held != "" && match(track.owner, track.held) {
			keys = append(keys, key)
		}
	}
	return keys
}

// retain forgets the objects for which keep returns false.
func (t *tracks) retain(keep func(desired.Key) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.byKey {
		if !keep(key) {
			delete(t.byKey, key)
		}
	}
}

// isExplained reports whether the object's owner was told of its autoscaler.
func (t *tracks) isExplained(key desired.Key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	track := t.byKey[key]
	return track != nil && track.explained
}

// explain notes that the object's owner is told of its autoscaler, and reports whether this is the first time.
func (t *tracks) explain(key desired.Key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := !t.of(key).explained
	t.of(key).explained = true
	return first
}

// asked returns the trace for which Flux was asked, "" if it was not since the object was last settled.
func (t *tracks) asked(key desired.Key) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if track := t.byKey[key]; track != nil {
		return track.asked
	}
	return ""
}

// ask notes that Flux is asked.
func (t *tracks) ask(key desired.Key, trace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(key).asked = trace
}
