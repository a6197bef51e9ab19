package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// SuspendedError tells that Flux does not reconcile an object because somebody suspended it.
type SuspendedError struct {
	Object Object
	// By is who did, as far as managedFields tell.
	By drift.Suspension
}

func suspended(o observed) error {
	return &SuspendedError{Object: o.object, By: drift.SuspensionOf(o.raw)}
}

func (e *SuspendedError) Error() string {
	return fmt.Sprintf("%s is suspended%s, so Flux does not act on a request; to resume it as well: --resume, or %s",
		e.Object, e.by(), e.resume())
}

// Brief is the error where the object is named beside it.
func (e *SuspendedError) Brief() string {
	return strings.TrimPrefix(strings.TrimSpace(e.by()+"; --resume lifts it"), "; ")
}

// by is " by USER since TIME", as far as that is known.
func (e *SuspendedError) by() string {
	who := ""
	switch {
	case e.By.User != "":
		who = " by " + e.By.User
	case e.By.Manager == ownership.KustomizeManager:
		who = " in git" // where its Kustomization takes it from
	case e.By.Manager != "":
		who = " with " + e.By.Manager
	}
	switch {
	case e.By.Since.IsZero():
		return who
	case e.By.User != "":
		return fmt.Sprintf("%s since %s", who, e.By.Since.UTC().Format(time.DateTime+" UTC"))
	}
	return fmt.Sprintf("%s since %s at the latest", who, e.By.Since.UTC().Format(time.DateTime+" UTC"))
}

// resume is the command that ends the suspension, with the names that the flux CLI gives to kinds.
func (e *SuspendedError) resume() string {
	return fmt.Sprintf("flux resume %s %s -n %s", e.Object.kind().cli, e.Object.Name, e.Object.Namespace)
}

// errDeleting is for an object that waits for its finalizers: Flux prunes then, and applies nothing.
func errDeleting(object Object) error {
	return &objectError{message: fmt.Sprintf("%s is being deleted, so Flux does not act on a request", object)}
}

// objectError tells of a fault that belongs to one object; the others are still worth a look.
type objectError struct {
	message string
	cause   error
}

func (e *objectError) Error() string { return e.message }
func (e *objectError) Unwrap() error { return e.cause }

// isObjectFault tells a fault of one object from one of the cluster.
func isObjectFault(err error) bool {
	var suspended *SuspendedError
	var object *objectError
	return errors.As(err, &suspended) || errors.As(err, &object)
}

// explain turns an API error into a sentence for people. The verb completes "cannot ... Kustomization
// flux-system/apps".
func explain(verb string, object Object, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("gave up before the cluster answered (to %s %s): %w", verb, object, err)
	case meta.IsNoMatchError(err):
		return NotServed(object.kind())
	case apierrors.IsNotFound(err):
		return &objectError{cause: err, message: fmt.Sprintf("%s not found; to see what is there: kubectl get %s.%s -A",
			object, object.kind().Plural, object.Group)}
	case apierrors.IsForbidden(err):
		return &objectError{cause: err, message: fmt.Sprintf("no permission to %s %s: %v", verb, object, err)}
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the cluster does not accept your credentials: %w", err)
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return &objectError{cause: err, message: fmt.Sprintf("cannot %s %s: %v", verb, object, err)}
	}
	return fmt.Errorf("cannot reach the cluster: %w", err)
}

// NotServed is the error of a cluster that does not know a kind of Flux's.
func NotServed(kind Kind) error {
	return fmt.Errorf("the cluster has no kind %s: Flux is not installed there, or not with this kind", kind.GroupKind)
}
