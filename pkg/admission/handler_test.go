package admission

import (
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

func request(in *admissionv1.AdmissionRequest) admission.Request {
	return admission.Request{AdmissionRequest: *in}
}

// newHandler returns a handler and what it logs.
func newHandler(t testing.TB, lookups Lookups) (*Handler, *strings.Builder) {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	logged := &strings.Builder{}
	log := funcr.NewJSON(func(line string) { logged.WriteString(line + "\n") }, funcr.Options{})
	return &Handler{Installation: installation(), Lookups: lookups, KindOf: kindOf, Metrics: metrics, Log: log}, logged
}

// real makes a recorded dry-run an edit.
func real(in *admissionv1.AdmissionRequest) *admissionv1.AdmissionRequest {
	dryRun := false
	in.DryRun = &dryRun
	return in
}

func TestHandlerRefusesAndLeavesEvidence(t *testing.T) {
	h, logged := newHandler(t, newWorld(t))
	resp := h.Handle(t.Context(), request(real(recorded(t, "memory"))))
	if resp.Allowed || resp.Result.Code != 403 || !strings.Contains(resp.Result.Message, "512Mi → 1Gi") {
		t.Errorf("got %+v", resp.AdmissionResponse)
	}
	for key, want := range map[string]string{
		AuditDecision: "Denied",
		AuditPolicy:   "enforce",
		AuditOwner:    "Kustomization/flux-system/apps",
		AuditFields:   api + ".resources.limits.memory: 512Mi → 1Gi",
	} {
		if got := resp.AuditAnnotations[key]; got != want {
			t.Errorf("audit annotation %s is %q, want %q", key, got, want)
		}
	}
	for _, want := range []string{`"decision":"Denied"`, `"user":"oncall@contoso.com"`, `"manager":"kubectl-set"`, `"old":"512Mi"`, `"new":"1Gi"`, `"dryRun":false`} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("%s is not in the log: %s", want, logged)
		}
	}
	if got := testutil.ToFloat64(h.Metrics.requests.WithLabelValues("Denied", "UPDATE", "false")); got != 1 {
		t.Errorf("%v requests counted", got)
	}
}

func TestADryRunIsJudgedTheSameAndIsNoEdit(t *testing.T) {
	h, logged := newHandler(t, newWorld(t))
	resp := h.Handle(t.Context(), request(recorded(t, "memory")))
	if resp.Allowed {
		t.Error("a dry-run was admitted")
	}
	if logged.Len() != 0 {
		t.Errorf("a dry-run was logged as an edit: %s", logged)
	}
}

func TestWhatPassesLeavesNoEvidence(t *testing.T) {
	h, logged := newHandler(t, newWorld(t))
	for _, name := range []string{"flux", "deployment-controller", "unmanaged-created"} {
		resp := h.Handle(t.Context(), request(recorded(t, name)))
		if !resp.Allowed || len(resp.AuditAnnotations) > 0 || len(resp.Warnings) > 0 {
			t.Errorf("%s: got %+v", name, resp.AdmissionResponse)
		}
	}
	if logged.Len() != 0 {
		t.Errorf("logged: %s", logged)
	}
}

// panicking stands for a bug.
type panicking struct{ Lookups }

func (panicking) Policies() ([]v1alpha1.EditPolicy, error) { panic("a bug that knows s3cret") }

func TestWhatCannotBeJudgedFollowsTheFailurePolicy(t *testing.T) {
	undecodable := func(in *admissionv1.AdmissionRequest) { in.Object.Raw = []byte(`{"kind":`) }
	for name, test := range map[string]struct {
		change  func(*admissionv1.AdmissionRequest)
		lookups func(w *world) Lookups
	}{
		"an object that cannot be decoded": {change: undecodable},
		"managedFields that cannot be decoded": {change: func(in *admissionv1.AdmissionRequest) {
			in.OldObject.Raw = []byte(strings.Replace(string(in.OldObject.Raw), `"f:`, `"k:`, 1))
		}},
		"an update without the old object": {change: func(in *admissionv1.AdmissionRequest) { in.OldObject.Raw = nil }},
		"a bug":                            {lookups: func(w *world) Lookups { return panicking{w} }},
	} {
		for _, closed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				var lookups Lookups = newWorld(t)
				if test.lookups != nil {
					lookups = test.lookups(newWorld(t))
				}
				h, logged := newHandler(t, lookups)
				h.FailClosed = closed
				in := recorded(t, "memory")
				if test.change != nil {
					test.change(in)
				}
				resp := h.Handle(t.Context(), request(in))
				if resp.Allowed == closed || resp.AuditAnnotations[AuditDecision] != "Unjudged" {
					t.Errorf("got %+v", resp.AdmissionResponse)
				}
				if closed && (resp.Result.Code != 500 || !strings.Contains(resp.Result.Message, "could not judge")) {
					t.Errorf("got %+v", resp.Result)
				}
				if got := testutil.ToFloat64(h.Metrics.errors); got != 1 {
					t.Errorf("%v errors counted", got)
				}
				if !strings.Contains(logged.String(), "could not be judged") || strings.Contains(logged.String(), "s3cret") {
					t.Errorf("logged: %s", logged)
				}
			})
		}
	}
}

func TestAScaleOfAnUnknownResourceIsUnjudged(t *testing.T) {
	h, _ := newHandler(t, newWorld(t))
	in := recorded(t, "scaled")
	in.Resource.Resource = "widgets"
	if resp := h.Handle(t.Context(), request(in)); !resp.Allowed || resp.AuditAnnotations[AuditDecision] != "Unjudged" {
		t.Errorf("got %+v", resp.AdmissionResponse)
	}
}

var _ Lookups = (*world)(nil)
