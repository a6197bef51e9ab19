package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// SuspendedError tells that Flux does not reconcile an object because somebody suspended it.
type SuspendedError struct {
	Object Object
}

func (e *SuspendedError) Error() string {
	return fmt.Sprintf("%s is suspended, so Flux does not act on a request; resume it first: %s",
		e.Object, e.resume())
}

// resume is the command that ends the suspension, with the names that the flux CLI gives to kinds.
func (e *SuspendedError) resume() string {
	command := map[string]string{
		kindKustomization: "kustomization",
		"GitRepository":   "source git",
		"OCIRepository":   "source oci",
		"Bucket":          "source bucket",
	}[e.Object.Kind]
	return fmt.Sprintf("flux resume %s %s -n %s", command, e.Object.Name, e.Object.Namespace)
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

// explain turns an API error into a sentence for people. The verb completes "cannot ... Kustomization
// flux-system/apps".
func explain(verb string, object Object, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("gave up before the cluster answered (to %s %s): %w", verb, object, err)
	case meta.IsNoMatchError(err):
		return fmt.Errorf("the cluster has no kind %s.%s: Flux is not installed there, or not with this kind",
			object.Kind, object.Group)
	case apierrors.IsNotFound(err):
		return &objectError{cause: err, message: fmt.Sprintf("%s not found; to see what is there: kubectl get %ss.%s -A",
			object, strings.ToLower(object.Kind), object.Group)}
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
