package record

import (
	"sync"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

const (
	// queueLimit bounds how many records wait to be written. A record takes a few kilobytes, at most about 60.
	queueLimit = 500
	// interval is the time between two writes of one record.
	interval = time.Second
)

// outcome is what became of an edit in the queue.
type outcome int

const (
	queued outcome = iota
	merged
	dropped
)

// queue holds the edits that are not written yet, those of one record as one. It may be used concurrently.
type queue struct {
	mu      sync.Mutex
	crowd   crowd
	waiting map[string]*entry
	// taken says when the records of the last interval were taken to be written.
	taken map[string]time.Time
}

type entry struct {
	spec v1alpha1.EditRecordSpec
	due  time.Time
}

func newQueue() *queue {
	return &queue{waiting: map[string]*entry{}, taken: map[string]time.Time{}}
}

// add adds an edit, which must be fitted, and says whether it was folded.
func (q *queue) add(spec v1alpha1.EditRecordSpec, now time.Time) (became outcome, folded bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	name := q.crowd.fold(&spec, now)
	folded = spec.Folded != ""
	if e, ok := q.waiting[name]; ok {
		e.spec = merge(e.spec, spec)
		return merged, folded
	}
	if len(q.waiting) >= queueLimit {
		return dropped, folded
	}
	e := &entry{spec: spec, due: now}
	if last, ok := q.taken[name]; ok {
		e.due = last.Add(interval)
	}
	q.waiting[name] = e
	return queued, folded
}

// take removes the record that has been due for longest, to be written. If none is due it returns an empty name and the time until one
// is, 0 if none waits.
func (q *queue) take(now time.Time) (name string, spec v1alpha1.EditRecordSpec, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for other, e := range q.waiting {
		if name == "" || e.due.Before(q.waiting[name].due) {
			name = other
		}
	}
	if name == "" {
		return "", spec, 0
	}
	if wait := q.waiting[name].due.Sub(now); wait > 0 {
		return "", spec, wait
	}
	spec = q.waiting[name].spec
	delete(q.waiting, name)
	for other, last := range q.taken {
		if now.Sub(last) >= interval {
			delete(q.taken, other)
		}
	}
	q.taken[name] = now
	return name, spec, 0
}

// back puts back what could not be written. It always fits: it was in the queue before.
func (q *queue) back(name string, spec v1alpha1.EditRecordSpec, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e, ok := q.waiting[name]; ok {
		spec = merge(e.spec, spec)
	}
	q.waiting[name] = &entry{spec: spec, due: due}
}

// rush makes everything due.
func (q *queue) rush(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.waiting {
		e.due = now
	}
}

// size is the number of records that wait, and of the edits in them.
func (q *queue) size() (records int, edits int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.waiting {
		edits += e.spec.Count
	}
	return len(q.waiting), edits
}
