package restore

import (
	"testing"
	"time"
)

// duel restores whenever the fight lets it, against a writer that undoes every restore at once, and returns the time
// from each restore to the next.
func duel(f *fight, start time.Time, rounds int) (gaps []time.Duration, end time.Time) {
	now, last := start, start
	for i := range rounds {
		now = now.Add(100*time.Millisecond + f.wait(now.Add(100*time.Millisecond)))
		f.restored(now)
		if i > 0 {
			gaps = append(gaps, now.Sub(last).Round(time.Second))
		}
		last = now
	}
	return gaps, now
}

func TestTheFourthRestoreInAMinuteWaitsAndEachWaitsTwiceAsLong(t *testing.T) {
	f := &fight{}
	gaps, end := duel(f, time.Unix(0, 0), 14)
	want := []time.Duration{0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300}
	for i, gap := range gaps {
		if gap != want[i]*time.Second {
			t.Fatalf("gaps are %v, want %v seconds", gaps, want)
		}
	}
	if wait := f.wait(end.Add(9 * time.Minute)); wait != 0 {
		t.Errorf("waits %s although the last wait is long over", wait)
	}
	if f.delay == 0 {
		t.Error("the fight is forgotten while the other writer may only be waiting")
	}
	if f.wait(end.Add(11*time.Minute)) != 0 || f.delay != 0 {
		t.Error("the fight is not forgotten after it was quiet for twice its delay")
	}
}

func TestThreeRestoresAMinuteAreNoFight(t *testing.T) {
	f := &fight{}
	now := time.Unix(0, 0)
	for range 50 {
		now = now.Add(31 * time.Second)
		if wait := f.wait(now); wait != 0 {
			t.Fatalf("waits %s", wait)
		}
		f.restored(now)
	}
}
