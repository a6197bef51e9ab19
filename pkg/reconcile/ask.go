package reconcile

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// fieldManager owns the request annotation. Its name must not begin with "kubectl", as the default of
// a kubectl plugin would: where a Kustomization is itself applied by another one, kustomize-controller
// takes over the fields of such managers and so would remove the request.
const fieldManager = "gitops-drift"

// asking is how long a request may take that is written while the wait ends.
const asking = 10 * time.Second

// askAgain is the pause after which a source is asked again that has not come to the revision yet: it may have been
// pushed a moment ago, and the interval of the source may be long.
const askAgain = 10 * time.Second

// newToken is unique to a request. It begins with the time, because people read the annotation.
func newToken() string {
	return time.Now().UTC().Format(time.RFC3339Nano) + "-" + rand.Text()
}

// run asks for one object, after what it depends on, and waits for the outcome.
func (p *plan) run(ctx context.Context, t *target) Result {
	if t.standing != nil {
		return Result{Object: t.object, State: StateSuspended, Revision: t.seen.revision(), Message: t.standing.Brief(), Err: t.standing}
	}
	if why := p.precede(ctx, t); why != "" {
		return Result{Object: t.object, State: StateSkipped, Revision: t.seen.revision(), Message: "not requested: " + why}
	}
	start := time.Now()
	w := &waiting{token: newToken(), wanted: t.revision}
	if err := p.annotate(ctx, t, w.token); err != nil {
		return t.broken(explain("patch", t.object, err))
	}
	if p.NoWait {
		return Result{Object: t.object, State: StateRequested}
	}
	p.event(t, StateReconciling, t.seen.revision(), "requested")
	if t.source != nil {
		w.source = t.source.result.Revision
	}
	result := p.await(ctx, t, w)
	result.Took = time.Since(start)
	return result
}

// precede waits for what comes before t and says why t is not asked for; "" if it is.
func (p *plan) precede(ctx context.Context, t *target) string {
	if p.NoWait {
		return ""
	}
	for _, n := range t.needs {
		<-n.done // soon after ctx
		if n.result.State != StateReady && n.result.State != StateSuspended {
			return fmt.Sprintf("%s is %s", n.object, n.result.State)
		}
	}
	for _, n := range t.after {
		<-n.done
	}
	if ctx.Err() != nil {
		return "the time was over before its turn came"
	}
	return ""
}

// await follows the object until its outcome, or until ctx ends, and sums up what was seen.
func (p *plan) await(ctx context.Context, t *target, w *waiting) Result {
	shown, asked := "", time.Now()
	see := func(u *unstructured.Unstructured) (bool, error) {
		seen, err := observe(u)
		if err != nil {
			return false, err
		}
		if err := seen.standsStill(); err != nil {
			return false, err
		}
		next := w.see(seen)
		if next == stepAskSource {
			source, err := t.source.observe(ctx)
			if err != nil {
				return false, err
			}
			w.source = source.revision()
			next = w.see(seen)
		}
		switch {
		case next == stepDone:
			return true, nil
		case next == stepAskAgain:
			p.event(t, StateReconciling, seen.revision(), "somebody else's request came first; asking again")
			w.token, asked = newToken(), time.Now() // another one: helm-controller notes a token of which nothing came as handled
			return false, p.again(ctx, t, w)
		case next == stepLate && !t.object.applies() && time.Since(asked) >= askAgain:
			p.event(t, StateReconciling, seen.revision(), fmt.Sprintf("not at %s; asking again", w.wanted))
			w.renew(newToken())
			asked = time.Now()
			return false, p.again(ctx, t, w)
		}
		if now := w.doing(); now != shown && now != "" {
			shown = now
			p.event(t, StateReconciling, seen.revision(), now)
		}
		return false, nil
	}
	err := follow(ctx, t.resource, t.object.Name, askAgain, see)
	if err != nil && ctx.Err() == nil {
		return t.lost(err)
	}
	state, reason, message := w.report()
	result := Result{Object: t.object, Revision: w.last.revision(), State: state, Reason: reason, Message: message}
	if !p.Revision.IsZero() && t.object.applies() && state == StateReady {
		p.descend(ctx, t, w.last, &result)
	}
	if state == StateReady && p.Resume && t.seen.Spec.Suspend {
		result.Message = resumedInGit(t.seen)
	}
	if result.State == StateFailed || result.State == StateReconciling {
		p.diagnose(ctx, w.last, &result)
	}
	return result
}

// again makes a further request, and has what is followed read anew: events from before it tell nothing.
func (p *plan) again(ctx context.Context, t *target, w *waiting) error {
	if err := p.annotate(ctx, t, w.token); err != nil {
		return err
	}
	return errReread
}

// resumedInGit is what people need to know of a resumption that does not last; "" if it does.
func resumedInGit(seen observed) string {
	if by := drift.SuspensionOf(seen.raw); by.Manager != ownership.KustomizeManager {
		return ""
	}
	return "resumed, but git says suspend: true, so Flux will suspend it again; change it in git"
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

// annotate makes the request. It is written even if ctx ends meanwhile, so that nobody wonders whether it was.
func (p *plan) annotate(ctx context.Context, t *target, token string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), asking)
	defer cancel()
	annotations := map[string]string{meta.ReconcileRequestAnnotation: token}
	// helm-controller takes them for requests of their own where they equal the first.
	if t.object.isRelease() && p.Force {
		annotations[helmv2.ForceRequestAnnotation] = token
	}
	if t.object.isRelease() && p.Reset {
		annotations[helmv2.ResetRequestAnnotation] = token
	}
	change := map[string]any{"metadata": map[string]any{"annotations": annotations}}
	if t.seen.Spec.Suspend && p.Resume {
		change["spec"] = map[string]any{"suspend": false}
	}
	patch, err := json.Marshal(change)
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
