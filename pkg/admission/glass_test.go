package admission

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// breakable is a world whose policy lets those on call break glass, for ten minutes.
func breakable(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.policies[0].Spec.BreakGlass = &v1alpha1.BreakGlassRule{Allowed: []v1alpha1.Subject{oncall}}
	w.policies[0].Spec.BreakGlass.MaxDuration.Duration = 10 * time.Minute
	return w
}

func TestBeforeARefusalTheServerIsAskedForABreakGlass(t *testing.T) {
	fresh := func(list ...v1alpha1.BreakGlass) func(context.Context) ([]v1alpha1.BreakGlass, error) {
		return func(context.Context) ([]v1alpha1.BreakGlass, error) { return list, nil }
	}
	others := glass()
	others.Spec.RequestedBy = "dev@contoso.com"
	for name, test := range map[string]struct {
		request string
		asked   func(context.Context) ([]v1alpha1.BreakGlass, error)
		world   func(*world)
		allowed bool
		result  string
	}{
		"one was just opened":      {"memory", fresh(glass()), nil, true, "found"},
		"there is none":            {"memory", fresh(), nil, false, "none"},
		"there is somebody's":      {"memory", fresh(others), nil, false, "none"},
		"the server is away":       {"memory", func(context.Context) ([]v1alpha1.BreakGlass, error) { return nil, errors.New("away") }, nil, false, "error"},
		"the server is too slow":   {"memory", func(ctx context.Context) ([]v1alpha1.BreakGlass, error) { <-ctx.Done(); return nil, ctx.Err() }, nil, false, "error"},
		"nobody may":               {"memory", fresh(glass()), func(w *world) { w.policies[0].Spec.BreakGlass = nil }, false, ""},
		"an edit that is admitted": {"same-values-applied", fresh(glass()), nil, true, ""},
		"an opt-out":               {"opted-out", fresh(glass()), nil, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := breakable(t)
			if test.world != nil {
				test.world(w)
			}
			h, _ := newHandler(t, w)
			h.Glasses = test.asked
			if resp := h.Handle(t.Context(), request(recorded(t, test.request))); resp.Allowed != test.allowed {
				t.Errorf("got %+v", resp.AdmissionResponse)
			}
			for _, result := range []string{"found", "none", "error"} {
				want := 0.0
				if result == test.result {
					want = 1
				}
				if got := testutil.ToFloat64(h.Metrics.looks.WithLabelValues(result)); got != want {
					t.Errorf("%v looks that were %s", got, result)
				}
			}
		})
	}
}

func TestARefusalSaysHowToBreakGlassToWhomMay(t *testing.T) {
	const command = "Flux would undo this edit. Change the file in git, or in an emergency:\n  kubectl gitops-drift break-glass deployment/payments-api -n payments --for 10m --reason \"…\""
	w := breakable(t)
	if got := verdict(t, recorded(t, "memory"), w).Message(); !strings.HasSuffix(got, command) {
		t.Errorf("it says\n%s", got)
	}
	if got := verdict(t, recorded(t, "opted-out"), w).Message(); strings.Contains(got, "break-glass") {
		t.Errorf("of what no BreakGlass admits it says\n%s", got)
	}
	w.policies[0].Spec.BreakGlass.Allowed[0].Name = "sre"
	if got := verdict(t, recorded(t, "memory"), w).Message(); strings.Contains(got, "break-glass") {
		t.Errorf("to somebody who may not it says\n%s", got)
	}
}

// TestNobodyElseHoldsFluxOffUnderABreakGlass: what people set would outlive it.
func TestNobodyElseHoldsFluxOffUnderABreakGlass(t *testing.T) {
	w := breakable(t)
	w.glasses = []v1alpha1.BreakGlass{glass()}
	v := verdict(t, recorded(t, "opted-out"), w)
	if v.Decision != Denied || !strings.Contains(v.Message(), "BreakGlass payments-fix holds Flux off the object by itself") {
		t.Errorf("%s: %s", v.Decision, v.Message())
	}
	forged := strings.NewReplacer(ownership.Reconcile, ownership.Hold)
	in := recorded(t, "opted-out")
	in.Object.Raw = []byte(forged.Replace(string(in.Object.Raw)))
	if v := verdict(t, in, w); v.Decision != Denied {
		t.Errorf("a hold in our name: %s", v.Decision)
	}
}
