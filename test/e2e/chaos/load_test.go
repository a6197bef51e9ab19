package chaos

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// Edits come 50 a second, many at a time as from pipelines, so that the API server uses all of its connections: it keeps
// up to 25.
const (
	burst = 40
	pause = 800 * time.Millisecond

	// A call may time out on a machine that stands still, though nothing is wrong with the guard: beats tell.
	heartbeat  = 20 * time.Millisecond
	standstill = 300 * time.Millisecond
)

// result is what became of one edit.
type result struct {
	namespace string
	value     string
	started   time.Time
	took      time.Duration
	err       error
}

// refused tells whether it was the guard's verdict that the edit was refused.
func (r result) refused() bool {
	return apierrors.IsForbidden(r.err) && strings.Contains(r.err.Error(), "denied the request: ConfigMap "+denied)
}

// judged tells whether the edit was answered as its policy says.
func (r result) judged() bool {
	return r.namespace == denied && r.refused() || r.namespace != denied && r.err == nil
}

// ours tells whether the edit failed because of the guard, without a verdict.
func (r result) ours() bool {
	return r.err != nil && !r.refused() && (strings.Contains(r.err.Error(), "webhook") || strings.Contains(r.err.Error(), "gitops-drift.dev"))
}

// load is edits by the engineer on call: one third each of what is refused, what is recorded and what is not managed.
// An object has one edit under way at a time, so that edits don't conflict.
type load struct {
	t      *testing.T
	client kubernetes.Interface
	began  time.Time
	before float64
	edits  int
	idle   map[string]chan string
	group  sync.WaitGroup
	end    chan struct{}
	ended  chan struct{}

	mu      sync.Mutex
	results []result
	// stall is the longest time for which this machine let nothing happen.
	stall time.Duration
}

// serial makes every value that is written another one.
var serial int

func start(t *testing.T) *load {
	t.Helper()
	clientset, err := kubernetes.NewForConfig(cluster.RESTConfig(harness.OnCall))
	if err != nil {
		t.Fatal(err)
	}
	l := &load{t: t, client: clientset, began: time.Now(), before: failedOpen(t), idle: map[string]chan string{}}
	for _, namespace := range []string{denied, recorded, free} {
		l.idle[namespace] = make(chan string, objects)
		for i := range objects {
			l.idle[namespace] <- name(i)
		}
	}
	return l
}

// steady makes edits until stop.
func steady(t *testing.T) *load {
	t.Helper()
	l := start(t)
	l.end, l.ended = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(l.ended)
		ticks := time.NewTicker(pause)
		defer ticks.Stop()
		beats := time.NewTicker(heartbeat)
		defer beats.Stop()
		last := time.Now()
		for {
			select {
			case <-l.end:
				return
			case <-beats.C:
				l.stall = max(l.stall, time.Since(last)-heartbeat)
				last = time.Now()
			case <-ticks.C:
				for range burst {
					l.edit()
				}
			}
		}
	}()
	return l
}

// edit makes one edit, and does not wait for its end.
func (l *load) edit() {
	namespace := []string{denied, recorded, free}[l.edits%3]
	l.edits++
	serial++
	r := result{namespace: namespace, value: fmt.Sprint(serial), started: time.Now()}
	l.group.Go(func() {
		name := <-l.idle[namespace]
		defer func() { l.idle[namespace] <- name }()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		r.started = time.Now()
		_, r.err = l.client.CoreV1().ConfigMaps(namespace).Patch(ctx, name, types.MergePatchType, []byte(`{"data":{"value":"`+r.value+`"}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"})
		r.took = time.Since(r.started)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.results = append(l.results, r)
	})
}

// stop ends the load and returns what became of every edit.
func (l *load) stop() []result {
	if l.end != nil {
		close(l.end)
		<-l.ended
		l.end = nil
	}
	l.group.Wait()
	return l.results
}

// count is what a test looks at.
type count struct {
	edits, refused, admitted, ours, others int
	// unjudged edits were admitted without a verdict.
	unjudged int
	slowest  time.Duration
	// starved says that the machine stood still, and timeouts how many calls then ran out of time.
	starved  bool
	timeouts int
}

// lossless tells whether no call was lost, but for calls that ran out of time because the machine stood still.
func (c count) lossless() bool {
	lost := c.ours + c.others + c.unjudged
	return lost == 0 || c.starved && lost <= c.timeouts
}

// check ends the load and counts. It fails the test where an edit that was admitted without a verdict is neither in the
// API server's metric nor in its audit log.
func (l *load) check() count {
	l.t.Helper()
	c := count{}
	results := l.stop()
	c.starved = l.stall > standstill
	for _, r := range results {
		c.edits++
		c.slowest = max(c.slowest, r.took)
		if r.took >= 3*time.Second {
			c.timeouts++
		}
		switch {
		case r.err == nil:
			c.admitted++
		case r.refused():
			c.refused++
		case r.ours():
			c.ours++
			if c.ours <= 5 {
				l.t.Logf("%s after %s: %v", r.namespace, r.started.Sub(l.began).Round(time.Millisecond), r.err)
			}
		default:
			c.others++
		}
	}
	events, err := cluster.AuditEvents(func(e harness.AuditEvent) bool {
		return e.User.Username == string(harness.OnCall) && e.ObjectRef.Resource == "configmaps" && e.Verb == "patch" &&
			e.Stage == "ResponseComplete" && !e.RequestReceivedTimestamp.Time.Before(l.began) &&
			(e.ObjectRef.Namespace == denied || e.ObjectRef.Namespace == recorded)
	})
	if err != nil {
		l.t.Fatal(err)
	}
	failed := 0
	for _, e := range events {
		verdict, open := false, false
		for key := range e.Annotations {
			verdict = verdict || strings.HasSuffix(key, "gitops-drift.dev/decision")
			if strings.HasPrefix(key, "failed-open.validating.webhook.admission.k8s.io/") {
				open = true
				failed++
			}
		}
		if e.ResponseStatus.Code == 200 && !verdict {
			c.unjudged++
			if !open {
				l.t.Errorf("an edit of %s/%s was admitted without a verdict, and nothing tells: %v", e.ObjectRef.Namespace, e.ObjectRef.Name, e.Annotations)
			}
		}
	}
	if counted := failedOpen(l.t) - l.before; int(counted) != failed {
		l.t.Errorf("the API server counted %v calls that failed open, its audit log has %d", counted, failed)
	}
	l.t.Logf("%+v", c)
	return c
}

// why is what the API server says about the last calls that failed.
func why(t *testing.T) string {
	t.Helper()
	text, err := cluster.Log("kube-apiserver")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "ailed calling webhook") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}
