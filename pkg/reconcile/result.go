package reconcile

import "time"

// State is how far a request has come.
type State string

// The states of a Result. All but StateReconciling are final.
const (
	StateReady       State = "ready"       // handled, and Ready is True
	StateFailed      State = "failed"      // handled, and Ready is False for a reason that stays
	StateReconciling State = "reconciling" // waited no longer: the request is with Flux
	StateRequested   State = "requested"   // asked for, not waited for
	StateSkipped     State = "skipped"     // not asked for, because its source did not become ready
	StateError       State = "error"       // the cluster refused the request, or to show its outcome
)

// Result is the outcome of a request for one object.
type Result struct {
	Object Object
	State  State
	// Revision is the one that was applied (ready) or attempted (failed, reconciling); for a source
	// that of its artifact; "" if the object tells none.
	Revision string
	// Took is the time from the request to its outcome, or to the end of the wait.
	Took time.Duration
	// Reason and Message say why, for every state but ready: those of the Ready condition where the
	// state is failed. Reason may be empty.
	Reason, Message string
	// Err is set in StateError only.
	Err error
}

// Event is a step of a request, for people to watch.
type Event struct {
	Object  Object
	Message string
}
