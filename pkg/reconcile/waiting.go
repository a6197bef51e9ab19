package reconcile

import (
	"fmt"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// step is what an observed state calls for.
type step int

const (
	stepWait step = iota
	stepAskAgain
	stepAskSource
	stepLate // all is well, but not at the revision that is wanted
	stepDone
)

// waiting is the wait for one token.
type waiting struct {
	token   string
	handled bool // the token came back; Flux may have begun another reconciliation since
	last    observed

	// source is the revision of the source that is to be attempted; "" if the source was not asked.
	source string
	// wanted is the revision to come to.
	wanted Revision
}

// renew is for a new request after one that was handled.
func (w *waiting) renew(token string) { w.token, w.handled = token, false }

// see takes in the next state of the object.
//
// A second request that lands before Flux has seen the first replaces it, and the first token would
// never come back. So when the other one has been handled, the first is made again; waiting until then
// keeps the two from replacing each other for ever.
//
// kustomize-controller's cache may show it a request before the artifact that its source got shortly
// before. It then handles the token with the old revision, and reconciles again by itself when it sees the
// artifact. So an outcome at another revision than the source's counts only if the source has moved on to it.
//
// A revision that is wanted may come later too: the source fetches it at its interval. What fails at another revision
// may be what the wanted one mends.
func (w *waiting) see(now observed) step {
	w.last = now
	w.handled = w.handled || now.handled() == w.token
	switch {
	case w.handled && now.outcome() != StateReconciling:
		if w.source != "" && !now.attempted(w.source) {
			return stepAskSource
		}
		if !w.wanted.Matches(now.revision()) && !w.stuck() {
			return stepLate
		}
		return stepDone
	case w.handled, now.requested() == w.token:
		return stepWait
	case now.requested() == "" || now.requested() == now.handled():
		return stepAskAgain
	}
	return stepWait
}

// stuck reports whether no other revision will come by itself: a source that cannot fetch, and what Flux says to be
// stalled.
func (w *waiting) stuck() bool {
	return w.last.outcome() == StateFailed && (!w.last.object.applies() || w.last.condition(meta.StalledCondition) != nil)
}

// doing says for people how far the wait is; "" if there is nothing to say.
func (w *waiting) doing() string {
	if ready := w.last.condition(meta.ReadyCondition); !w.handled && (ready == nil || ready.Status != metav1.ConditionUnknown) {
		return "" // what is there is from before the request
	}
	if w.last.outcome() == StateReconciling {
		return w.last.doing()
	}
	if w.handled && !w.wanted.Matches(w.last.revision()) {
		return w.late()
	}
	return ""
}

func (w *waiting) late() string {
	at := w.last.revision()
	if at == "" {
		return fmt.Sprintf("not at %s yet", w.wanted)
	}
	return fmt.Sprintf("at %s, not yet at %s", desired.ShortRevision(at), w.wanted)
}

// report sums up the last that was seen: the outcome if the token came back, else why there is none.
func (w *waiting) report() (state State, reason, message string) {
	ready := w.last.condition(meta.ReadyCondition)
	state = w.last.outcome()
	if !w.handled {
		state = StateReconciling
		if ready == nil || ready.Status != metav1.ConditionUnknown {
			return state, "", fmt.Sprintf("Flux has not picked up the request; is %s running?", w.last.object.kind().controller())
		}
	}
	switch {
	case w.source != "" && !w.last.attempted(w.source) && state != StateReconciling:
		return StateReconciling, "", fmt.Sprintf("Flux has not come to revision %s of the source", w.source)
	case state == StateReady && !w.wanted.Matches(w.last.revision()):
		return StateReconciling, "", w.late()
	case state == StateReady || ready == nil:
		return state, "", ""
	case state == StateFailed && w.last.retriesExceeded():
		return state, ready.Reason, ready.Message + " (Flux has given up; --reset makes it try again)"
	case state == StateFailed:
		return state, ready.Reason, ready.Message
	}
	return state, ready.Reason, w.last.progress().Message
}

// retriesExceeded reports whether helm-controller does nothing any more until its failures are forgotten.
func (o observed) retriesExceeded() bool {
	stalled := o.condition(meta.StalledCondition)
	return stalled != nil && stalled.Reason == "RetriesExceeded"
}
