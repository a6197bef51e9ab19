package reconcile

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// fieldManager owns the request annotation. Its name must not begin with "kubectl", as the default of
// a kubectl plugin would: where a Kustomization is itself applied by another one, kustomize-controller
// takes over the fields of such managers and so would remove the request.
const fieldManager = "gitops-drift"

// newToken is unique to a request. It begins with the time, because people read the annotation.
func newToken() string {
	return time.Now().UTC().Format(time.RFC3339Nano) + "-" + rand.Text()
}

// run asks for one object, after its source if it has one, and waits for the outcome.
func (p *plan) run(ctx context.Context, t *target) Result {
	if t.source != nil && !p.noWait {
		<-t.source.done
		if source := t.source.result; source.State != StateReady {
			return Result{Object: t.object, State: StateSkipped,
				Message: fmt.Sprintf("not requested: %s is %s", source.Object, source.State)}
		}
	}
	start := time.Now()
	token := newToken()
	result := Result{Object: t.object}
	if err := t.annotate(ctx, token); err != nil {
		return t.broken(explain("patch", t.object, err))
	}
	p.event(t.object, "requested")
	if p.noWait {
		result.State = StateRequested
		return result
	}

	w := waiting{token: token}
	if t.source != nil {
		w.revision = t.source.result.Revision
	}
	err := follow(ctx, t.resource, t.object.Name, func(u *unstructured.Unstructured) (bool, error) {
		before := w.last.progress()
		seen, err := observe(u)
		if err != nil {
			return false, err
		}
		if err := seen.standsStill(t.object); err != nil {
			return false, err
		}
		next := w.see(seen)
		if next == stepAskSource {
			source, err := t.source.observe(ctx)
			if err != nil {
				return false, err
			}
			w.revision = source.revision()
			next = w.see(seen)
		}
		switch next {
		case stepDone:
			return true, nil
		case stepAskAgain:
			p.event(t.object, "somebody else's request came first; asking again")
			return false, t.annotate(ctx, token)
		}
		// How it ended is in the result, from before the request too.
		if now := seen.progress(); now != before && seen.outcome() == StateReconciling {
			p.event(t.object, now)
		}
		return false, nil
	})
	if err != nil && ctx.Err() == nil {
		return t.lost(err)
	}
	result.Took = time.Since(start)
	result.Revision = w.last.revision()
	result.State, result.Reason, result.Message = w.report()
	return result
}

// lost is the result where the outcome cannot be had any more.
func (t *target) lost(err error) Result {
	switch {
	case isObjectFault(err): // explained already
		return t.broken(err)
	case apierrors.IsNotFound(err):
		return t.broken(fmt.Errorf("%s was deleted during the wait", t.object))
	}
	return t.broken(explain("follow", t.object, err))
}

func (t *target) broken(err error) Result {
	return Result{Object: t.object, State: StateError, Message: err.Error(), Err: err}
}

// annotate makes the request.
func (t *target) annotate(ctx context.Context, token string) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{requestedAtAnnotation: token}},
	})
	if err != nil {
		return err
	}
	_, err = t.resource.Patch(ctx, t.object.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return err
}

// observe reads the object as it is now.
func (t *target) observe(ctx context.Context) (observed, error) {
	u, err := t.resource.Get(ctx, t.object.Name, metav1.GetOptions{})
	if err != nil {
		return observed{}, explain("read", t.object, err)
	}
	return observe(u)
}

// step is what an observed state calls for.
type step int

const (
	stepWait step = iota
	stepAskAgain
	stepAskSource
	stepDone
)

// waiting is the wait for one token.
type waiting struct {
	token   string
	handled bool // the token came back; Flux may have begun another reconciliation since
	last    observed

	// revision is the source's that is to be attempted; "" if the source was not asked.
	revision string
}

// see takes in the next state of the object.
//
// A second request that lands before Flux has seen the first replaces it, and the first token would
// never come back. So when the other one has been handled, the first is made again; waiting until then
// keeps the two from replacing each other for ever.
//
// kustomize-controller's cache may show it a request before the artifact that its source got shortly
// before. It then handles the token with the old revision, and reconciles again by itself when it sees the
// artifact. So an outcome at another revision than the source's counts only if the source has moved on to it.
func (w *waiting) see(now observed) step {
	w.last = now
	w.handled = w.handled || now.handled() == w.token
	switch {
	case w.handled && now.outcome() != StateReconciling:
		if w.revision != "" && !now.attempted(w.revision) {
			return stepAskSource
		}
		return stepDone
	case w.handled, now.requested() == w.token:
		return stepWait
	case now.requested() == "" || now.requested() == now.handled():
		return stepAskAgain
	}
	return stepWait
}

// report sums up the last that was seen: the outcome if the token came back, else why there is none.
func (w *waiting) report() (state State, reason, message string) {
	ready := w.last.condition("Ready")
	state = w.last.outcome()
	if !w.handled {
		state = StateReconciling
		if ready == nil || ready.Status != metav1.ConditionUnknown {
			return state, "", "Flux has not picked up the request; is its controller running?"
		}
	}
	if w.revision != "" && !w.last.attempted(w.revision) && state != StateReconciling {
		return StateReconciling, "", fmt.Sprintf("Flux has not come to revision %s of the source", w.revision)
	}
	if state == StateReady || ready == nil {
		return state, "", ""
	}
	return state, ready.Reason, w.last.progress()
}
