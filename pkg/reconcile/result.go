package reconcile

import "time"

// State is how far a request has come.
type State string

// The states of a Result or an Event. In a Result all but StateReconciling are final; StateWaiting is only of Events.
const (
	StateWaiting     State = "waiting"     // for what it depends on; not asked for yet
	StateReady       State = "ready"       // handled, and Ready is True
	StateFailed      State = "failed"      // handled, and Ready is False for a reason that stays
	StateReconciling State = "reconciling" // waited no longer: the request is with Flux
	StateRequested   State = "requested"   // asked for, not waited for
	StateSkipped     State = "skipped"     // not asked for, because of what it depends on or because the time was over
	StateSuspended   State = "suspended"   // not asked for, because it is suspended
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
	// state is failed. Reason may be empty. A message of ready is something to know nevertheless.
	Reason, Message string
	// Culprits are the objects that keep this one from being ready, as far as they are known: at most a few.
	Culprits []Culprit
	// Err is set in StateError and StateSuspended only.
	Err error
}

// Culprit is an object that keeps another one from being ready.
type Culprit struct {
	Object Object
	// Reason and Message are its own: those of a condition, or of a container that does not start. Both may be empty.
	Reason, Message string
	// Events are the last ones of the object and, for a workload, of its Pods, oldest first.
	Events []ObjectEvent
}

// ObjectEvent is a Kubernetes event.
type ObjectEvent struct {
	Time            time.Time
	Type            string
	Object          Object
	Reason, Message string
}

// Event is a step of a request, for people to watch.
type Event struct {
	Object   Object
	State    State
	Revision string
	Message  string
}
