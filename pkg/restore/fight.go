package restore

import "time"

// The rule of a fight: from the fourth restore of an object within a minute on, each waits twice as long as the one before,
// until the other writer has been quiet for longer than that.
const (
	fightWindow   = time.Minute
	fightRestores = 3
	fightFirst    = 2 * time.Second
	fightLongest  = 5 * time.Minute
)

// fight is the history of the restores of one object. The zero fight is peace.
type fight struct {
	// restores are the times of the last ones, oldest first, while there is peace.
	restores []time.Time
	last     time.Time
	delay    time.Duration
}

// wait returns how long the next restore has to wait, and makes peace where it was quiet for long enough.
func (f *fight) wait(now time.Time) time.Duration {
	if f.delay == 0 {
		return 0
	}
	quiet := now.Sub(f.last)
	if quiet > max(fightWindow, 2*f.delay) {
		*f = fight{}
		return 0
	}
	return max(0, f.delay-quiet)
}

// restored notes a restore and returns by how much the next one will be delayed.
func (f *fight) restored(now time.Time) time.Duration {
	f.last = now
	if f.delay > 0 {
		f.delay = min(2*f.delay, fightLongest)
		return f.delay
	}
	kept := f.restores[:0]
	for _, t := range f.restores {
		if now.Sub(t) < fightWindow {
			kept = append(kept, t)
		}
	}
	f.restores = append(kept, now)
	if len(f.restores) >= fightRestores {
		f.restores, f.delay = nil, fightFirst
	}
	return f.delay
}

// idle reports whether there is nothing left to remember.
func (f *fight) idle(now time.Time) bool {
	return f.last.IsZero() || now.Sub(f.last) > max(fightWindow, 2*f.delay)
}
