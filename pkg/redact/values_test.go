package redact

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestHiddenValuesAreMaskedWithinText(t *testing.T) {
	var v Values
	for _, value := range []string{"swordfish", "a", "first-line\nsecond-line", "c3dvcmRmaXNo"} {
		v.Add(value)
	}
	for text, want := range map[string]string{
		"nothing of it":                    "nothing of it",
		"password=swordfish, and more":     "password=***, and more",
		"xswordfishx":                      "x***x",
		`value "a" is a wrong value`:       `value "***" is *** wrong value`,
		"banana":                           "banana",
		"second-line of many":              "*** of many",
		`quoted "first-line\nsecond-line"`: `quoted "***"`,
		"encoded: c3dvcmRmaXNo":            "encoded: ***",
	} {
		if got := v.Text(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	var none *Values
	if none.Text("swordfish") != "swordfish" || (&Values{}).Text("swordfish") != "swordfish" {
		t.Error("nothing is hidden, but something was masked")
	}
}

func TestAFieldWithAHiddenValueIsMaskedOnBothSides(t *testing.T) {
	v := &Values{}
	v.Add("swordfish")
	v.Add("3")
	for _, test := range []struct{ before, after, wantBefore, wantAfter any }{
		{"info", "debug", "info", "debug"},
		{"swordfish", "battery", "***", "*** (differs)"},
		{"postgres://x:swordfish@db", nil, "***", nil},
		{nil, map[string]any{"a": []any{"x swordfish"}}, nil, map[string]any{"a": "***"}},
		{int64(3), int64(4), "***", "*** (differs)"},
		{int64(33), int64(4), int64(33), int64(4)},
	} {
		before, after := v.Change(test.before, test.after)
		if fmt.Sprint(before) != fmt.Sprint(test.wantBefore) || fmt.Sprint(after) != fmt.Sprint(test.wantAfter) {
			t.Errorf("%v → %v became %v → %v", test.before, test.after, before, after)
		}
	}
	got, hit := v.JSON(map[string]any{"a": "x swordfish", "b": []any{int64(3), true, nil}, "c": "d"})
	if !hit || text(t, got) != `{"a":"x ***","b":["***",true,null],"c":"d"}` {
		t.Errorf("got %s, %t", text(t, got), hit)
	}
}

func TestAnswersOfTheAPIServerDoNotQuoteASecret(t *testing.T) {
	resource := schema.GroupResource{Resource: "secrets"}
	invalid := apierrors.NewInvalid(secret, "token", field.ErrorList{field.Invalid(field.NewPath("data").Key("p"), hidden, "no "+hidden)})
	tests := []struct {
		name string
		err  error
		want string // contained
		same bool
	}{
		{name: "validation", err: invalid, want: "Invalid at data[p]"},
		{name: "validation, wrapped", err: fmt.Errorf("dry-run: %w", invalid), want: "Invalid at data[p]"},
		{name: "the decoder", err: apierrors.NewBadRequest("cannot restore slice from " + hidden), want: "BadRequest"},
		{name: "typed patches", err: apierrors.NewInternalError(errors.New(".data.p: expected string, got " + hidden)), want: "InternalError"},
		{name: "an admission webhook", err: apierrors.NewForbidden(resource, "token", errors.New("password "+hidden+" is too weak")), want: "Forbidden"},
		{name: "an admission webhook that imitates RBAC", err: apierrors.NewForbidden(resource, "token",
			errors.New(`User "x" cannot patch resource "secrets" in API group "": `+hidden)), want: "Forbidden"},
		{name: "without a reason", err: &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusTeapot, Message: hidden}}, want: "status 418"},
		{name: "a missing right", err: apierrors.NewForbidden(resource, "token",
			errors.New(`User "dev@contoso.com" cannot patch resource "secrets" in API group "" in the namespace "shop"`)), same: true},
		{name: "not found", err: apierrors.NewNotFound(resource, "token"), same: true},
		{name: "a conflict", err: apierrors.NewConflict(resource, "token", errors.New("changed")), same: true},
		{name: "no answer at all", err: &url.Error{Op: "Get", URL: "https://127.0.0.1", Err: errors.New("connection refused")}, same: true},
		{name: "the end of the time", err: context.DeadlineExceeded, same: true},
		{name: "anything else", err: errors.New(hidden), want: "the request failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Error(secret, test.err)
			if test.same != (got.Error() == test.err.Error()) || !strings.Contains(got.Error(), test.want) {
				t.Errorf("got %v", got)
			}
			if strings.Contains(got.Error(), hidden) {
				t.Errorf("the value came out: %v", got)
			}
			if other := Error(schema.GroupKind{Kind: "ConfigMap"}, test.err); !errors.Is(other, test.err) || other.Error() != test.err.Error() {
				t.Errorf("of another kind: %v", other)
			}
		})
	}
	if err := Error(secret, nil); err != nil {
		t.Error(err)
	}
}
