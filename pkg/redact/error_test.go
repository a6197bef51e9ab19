package redact_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

func TestErrorsAboutSecretsQuoteNothing(t *testing.T) {
	secret, other := schema.GroupKind{Kind: "Secret"}, schema.GroupKind{Kind: "ConfigMap"}
	quoting := fmt.Errorf("Secret/shop/db dry-run failed: %w", apierrors.NewBadRequest(`cannot handle "hunter2"`))
	for _, err := range []error{quoting, errors.New("hunter2")} {
		if got := redact.Error(secret, err).Error(); strings.Contains(got, "hunter2") {
			t.Errorf("%q quotes a value", got)
		}
		if got := redact.Error(other, err); !errors.Is(got, err) {
			t.Errorf("an error about another kind becomes %v", got)
		}
	}
	if got := redact.Error(secret, quoting).Error(); !strings.Contains(got, "BadRequest") {
		t.Errorf("%q does not say the reason", got)
	}
	transport := fmt.Errorf("apply: %w", &url.Error{Op: "Patch", URL: "https://127.0.0.1/api", Err: errors.New("connection refused")})
	if got := redact.Error(secret, transport).Error(); !strings.Contains(got, "connection refused") {
		t.Errorf("%q hides that the server cannot be reached", got)
	}
	if redact.Error(secret, nil) != nil {
		t.Error("no error becomes one")
	}
}
