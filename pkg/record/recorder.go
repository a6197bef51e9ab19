package record

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

const (
	// writeTimeout bounds one write, which goes on when the recorder is told to stop.
	writeTimeout = 5 * time.Second
	// attempts bounds how often a record is read again because another replica wrote it meanwhile.
	attempts = 10
	// The pause after a write that failed, doubled with each failure.
	firstPause, longestPause = 500 * time.Millisecond, 30 * time.Second
	// flushPause is the one while flushing.
	flushPause = 200 * time.Millisecond
)

// Recorder writes EditRecords. Record may be called concurrently; Start runs once, on every replica, and Flush after it.
//
// While the API server cannot take records, edits wait in the queue as far as there is room. An edit may count twice where an
// answer of the API server is lost.
type Recorder struct {
	client  client.Client
	metrics *Metrics
	log     logr.Logger
	queue   *queue
	wake    chan struct{}
	// down is since when writing fails, zero if it does not, and pause the time until it is tried again.
	down  time.Time
	pause time.Duration
	// lost counts the edits that were dropped because the queue was full.
	lost atomic.Int64
	// complained is when a refused record was last logged.
	complained time.Time
}

// NewRecorder returns a Recorder that writes with c, which must not read from a cache.
func NewRecorder(c client.Client, metrics *Metrics, log logr.Logger) *Recorder {
	return &Recorder{client: c, metrics: metrics, log: log, queue: newQueue(), wake: make(chan struct{}, 1)}
}

// Record notes one edit. It only takes a lock for a moment; the slices of spec are the Recorder's from now on.
func (r *Recorder) Record(spec v1alpha1.EditRecordSpec) {
	r.metrics.edits.Inc()
	Fit(&spec)
	outcome, folded := r.queue.add(spec, time.Now())
	if folded {
		r.metrics.folded.Inc()
	}
	switch outcome {
	case dropped:
		r.lost.Add(1)
		r.metrics.drop(queueFull, 1)
	case merged:
		r.metrics.merged.Inc()
	case queued:
		r.measure()
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func (r *Recorder) measure() {
	records, _ := r.queue.size()
	r.metrics.queue.Set(float64(records))
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica records what it judged.
func (*Recorder) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable: it writes until ctx ends. What is left then is for Flush.
func (r *Recorder) Start(ctx context.Context) error {
	for ctx.Err() == nil {
		name, spec, wait := r.queue.take(time.Now())
		if name == "" {
			r.sleep(ctx, wait)
			continue
		}
		if err := r.settle(ctx, name, spec); err != nil {
			r.pause = min(max(2*r.pause, firstPause), longestPause)
			select {
			case <-ctx.Done():
			case <-time.After(r.pause):
			}
		}
	}
	return nil
}

// sleep returns when an edit may be due: after wait, or, if wait is 0, with the next edit.
func (r *Recorder) sleep(ctx context.Context, wait time.Duration) {
	var timer <-chan time.Time
	if wait > 0 {
		timer = time.After(wait)
	}
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-timer:
	}
}

// Flush writes all that is left, until ctx ends. It must be called after Start has returned and when no more edits come.
func (r *Recorder) Flush(ctx context.Context) {
	r.queue.rush(time.Now())
	for ctx.Err() == nil {
		name, spec, _ := r.queue.take(time.Now())
		if name == "" {
			break
		}
		if err := r.settle(ctx, name, spec); err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(flushPause):
			}
			r.queue.rush(time.Now())
		}
	}
	if _, edits := r.queue.size(); edits > 0 {
		r.metrics.drop(shutdown, edits)
		r.log.Info("Edits that were not recorded are only in the log and the audit log: the records could not be written before the end", "edits", edits)
	}
}

// settle writes one record, or puts it back and returns the error.
func (r *Recorder) settle(ctx context.Context, name string, spec v1alpha1.EditRecordSpec) error {
	// A write that is cut off may be done nevertheless, and would count twice.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	err := r.write(ctx, name, spec)
	defer r.measure()
	now := time.Now()
	switch {
	case err == nil:
		r.metrics.writes.Inc()
		r.works(now)
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		r.queue.back(name, spec, now.Add(interval))
		err = nil
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		r.metrics.drop(refused, spec.Count)
		if now.Sub(r.complained) >= time.Minute {
			r.complained = now
			r.log.Error(err, "The API server refuses a record", "record", name)
		}
		err = nil
	default:
		r.queue.back(name, spec, now)
		r.metrics.errors.Inc()
		r.fails(now, err)
	}
	return err
}

// write adds spec to the record of this name.
func (r *Recorder) write(ctx context.Context, name string, spec v1alpha1.EditRecordSpec) error {
	var err error
	for range attempts {
		existing := &v1alpha1.EditRecord{}
		err = r.client.Get(ctx, client.ObjectKey{Name: name}, existing)
		switch {
		case apierrors.IsNotFound(err):
			// Also what a cluster without the CRD answers; then Create says so.
			err = r.client.Create(ctx, &v1alpha1.EditRecord{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec})
		case err == nil:
			existing.Spec = merge(existing.Spec, spec)
			err = r.client.Update(ctx, existing)
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			break
		}
	}
	return err
}

func (r *Recorder) fails(now time.Time, err error) {
	if !r.down.IsZero() {
		return
	}
	r.down = now
	r.log.Error(err, "Records of edits cannot be written; they wait, as far as there is room, and this is logged once. Is the CRD editrecords.gitops-drift.dev installed, and may this controller write them?")
}

func (r *Recorder) works(now time.Time) {
	r.pause = 0
	if r.down.IsZero() {
		return
	}
	r.log.Info("Records of edits are written again", "after", now.Sub(r.down).Round(time.Millisecond).String(), "lostSinceStart", r.lost.Load())
	r.down = time.Time{}
}
