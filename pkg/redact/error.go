package redact

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Error returns err, of a request about an object of this kind, without what it may quote of a Secret's values: the
// messages of validation, of admission webhooks and of the decoder do. Its reason, the fields that it names, what says
// nothing but which right is missing, and why the server cannot be reached stay.
func Error(kind schema.GroupKind, err error) error {
	if err == nil || !isSecret(kind) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if transport := (*url.Error)(nil); errors.As(err, &transport) {
		return transport
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return errors.New("the request failed; the reason is not shown, because it may quote a Secret's values")
	}
	answer := status.Status()
	switch {
	case answer.Reason == metav1.StatusReasonForbidden && missingRight.MatchString(answer.Message),
		answer.Reason == metav1.StatusReasonNotFound, answer.Reason == metav1.StatusReasonConflict,
		answer.Reason == metav1.StatusReasonUnauthorized, answer.Reason == metav1.StatusReasonTooManyRequests,
		answer.Reason == metav1.StatusReasonTimeout, answer.Reason == metav1.StatusReasonServerTimeout:
		return err
	}
	what := fmt.Sprintf("status %d", answer.Code)
	if answer.Reason != "" {
		what = string(answer.Reason)
	}
	var named []string
	if answer.Details != nil {
		for _, cause := range answer.Details.Causes {
			if cause.Field != "" {
				named = append(named, cause.Field)
			}
		}
	}
	if len(named) > 0 {
		what += " at " + strings.Join(named, ", ")
	}
	return fmt.Errorf("the API server answered %s; its message is not shown, because it may quote a Secret's values", what)
}

// missingRight is the whole of what the RBAC authorizer answers.
var missingRight = regexp.MustCompile(`^[a-z.]+ ("[^"]*" )?is forbidden: User "[^"]*" cannot [a-z]+ resource "[^"]*" in API group "[^"]*"( in the namespace "[^"]*"| at the cluster scope)?$`)
