package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

const (
	// queueLimit bounds how many events wait.
	queueLimit = 200
	// window is how long an event that was sent is not sent again; notification-controller's own is five minutes by default.
	window = time.Minute
	// A team reads these: a burst of events, then a few a minute.
	eventsPerSecond, burst = 0.5, 20
	// timeout bounds one attempt, attempts how often an event is sent.
	timeout  = 5 * time.Second
	attempts = 3
)

// What became of events, for the metric.
const (
	sent      = "sent"
	repeated  = "repeated"
	duplicate = "duplicate"
	dropped   = "dropped"
	failed    = "failed"
)

// Notifier sends events. Notify may be called concurrently; Start runs once.
type Notifier struct {
	address  string
	instance string
	client   *http.Client
	log      logr.Logger
	events   *prometheus.CounterVec
	queue    chan *eventv1.Event
	limit    *rate.Limiter
	// pause is the one before an event is sent a second time.
	pause time.Duration
	// down says that the last event could not be sent.
	down bool

	mu sync.Mutex
	// recent are the events of the last window, by what makes them equal.
	recent map[string]time.Time
}

// CheckAddress returns an error for people unless address is an absolute http or https URL.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%q is no URL", address)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no URL such as http://notification-controller.flux-system.svc.cluster.local./", address)
	}
	return nil
}

// New returns a Notifier that posts to address; see CheckAddress.
func New(address string, registry prometheus.Registerer, log logr.Logger) (*Notifier, error) {
	if err := CheckAddress(address); err != nil {
		return nil, err
	}
	instance, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	n := &Notifier{
		address: address, instance: instance, log: log,
		client: &http.Client{Timeout: timeout},
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gitops_drift_events_total",
			Help: "Events about edits for Flux's notification-controller, by what became of them: sent, repeated (not sent again), duplicate (answered 429), dropped (too many), failed."},
			[]string{"result"}),
		queue:  make(chan *eventv1.Event, queueLimit),
		limit:  rate.NewLimiter(eventsPerSecond, burst),
		pause:  time.Second,
		recent: map[string]time.Time{},
	}
	for _, result := range []string{sent, repeated, duplicate, dropped, failed} {
		n.events.WithLabelValues(result)
	}
	return n, registry.Register(n.events)
}

// Notify queues an event about an edit. It never blocks: what does not fit is dropped, and counted.
func (n *Notifier) Notify(edit v1alpha1.EditRecordSpec) {
	e, ok := event(&edit)
	if !ok {
		return
	}
	e.ReportingInstance = n.instance
	if n.known(e, time.Now()) {
		n.count(repeated)
		return
	}
	select {
	case n.queue <- e:
	default:
		n.count(dropped)
	}
}

// known reports whether an equal event was queued within the window, and remembers this one.
func (n *Notifier) known(e *eventv1.Event, now time.Time) bool {
	key := e.InvolvedObject.Kind + "/" + e.InvolvedObject.Namespace + "/" + e.InvolvedObject.Name + "/" + e.Message
	n.mu.Lock()
	defer n.mu.Unlock()
	if last, ok := n.recent[key]; ok && now.Sub(last) < window {
		return true
	}
	for other, last := range n.recent {
		if now.Sub(last) >= window {
			delete(n.recent, other)
		}
	}
	// More than are in the queue need not be remembered: they are dropped, too.
	if len(n.recent) < queueLimit {
		n.recent[key] = now
	}
	return false
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica tells of what it judged.
func (*Notifier) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable: it sends until ctx ends.
func (n *Notifier) Start(ctx context.Context) error {
	for {
		if err := n.limit.Wait(ctx); err != nil {
			return nil //nolint:nilerr // the context has ended
		}
		select {
		case <-ctx.Done():
			return nil
		case e := <-n.queue:
			n.send(ctx, e)
		}
	}
}

func (n *Notifier) send(ctx context.Context, e *eventv1.Event) {
	body, err := json.Marshal(e)
	if err != nil {
		n.fail(err)
		return
	}
	for attempt := 1; ; attempt++ {
		var code int
		code, err = n.post(ctx, body)
		switch {
		case err == nil && code == http.StatusTooManyRequests:
			n.count(duplicate)
			n.down = false
			return
		case err == nil && code < http.StatusMultipleChoices:
			n.count(sent)
			n.down = false
			return
		case err == nil:
			err = fmt.Errorf("answered %d %s", code, http.StatusText(code))
		}
		// What the server refuses, it refuses again.
		if attempt == attempts || code >= http.StatusBadRequest && code < http.StatusInternalServerError {
			n.fail(err)
			return
		}
		select {
		case <-ctx.Done():
			n.fail(err)
			return
		case <-time.After(n.pause << (attempt - 1)):
		}
	}
}

func (n *Notifier) post(ctx context.Context, body []byte) (code int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.address, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := n.client.Do(request)
	if err != nil {
		return 0, err
	}
	// The connection is used again once its answer is read; there is hardly any.
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	return response.StatusCode, err
}

func (n *Notifier) fail(err error) {
	n.count(failed)
	if !n.down {
		n.log.Error(err, "Events cannot be sent to the notification-controller; this is logged once")
	}
	n.down = true
}

func (n *Notifier) count(result string) { n.events.WithLabelValues(result).Inc() }
