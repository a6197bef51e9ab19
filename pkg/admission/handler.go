package admission

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// Where the API server finds the webhook: Path is for webhooks with failurePolicy Ignore, PathFailClosed, which serves a
// Handler that is FailClosed, for those with Fail.
const (
	Path           = "/admit-edits"
	PathFailClosed = Path + "/fail-closed"
)

// Handler answers admission reviews. Its fields must not change once it serves; it serves concurrently.
type Handler struct {
	Installation *Installation
	Lookups      Lookups
	KindOf       KindOf
	Metrics      *Metrics
	Log          logr.Logger
	// FailClosed refuses what cannot be judged, as failurePolicy Fail asks for; without it such an edit is admitted
	// and marked in the audit log.
	FailClosed bool
	// Record is called with every edit that does something to a managed object, or was refused, dry-runs left out; it must not block.
	// Nil records nothing.
	Record func(v1alpha1.EditRecordSpec)
	// Now is the API server's time, by which BreakGlasses end; nil for this machine's.
	Now func() time.Time
	// Glasses lists the BreakGlasses as the API server has them now. It is asked before a refusal of an editor whom policy
	// lets break glass, for memory may not know one that was just opened. Nil asks nobody.
	Glasses func(context.Context) ([]v1alpha1.BreakGlass, error)
}

var _ admission.Handler = (*Handler)(nil)

// Handle implements admission.Handler.
func (h *Handler) Handle(ctx context.Context, req admission.Request) (resp admission.Response) {
	start := time.Now()
	decision := Unjudged
	// A panic that controller-runtime recovers is answered as a refusal, even under failurePolicy Ignore.
	defer func() {
		if p := recover(); p != nil {
			decision, resp = Unjudged, h.unjudged(&req.AdmissionRequest, fmt.Errorf("panic: %T", p))
		}
		h.Metrics.observe(decision, req.Operation, req.DryRun != nil && *req.DryRun, time.Since(start))
	}()
	v, err := h.judge(ctx, &req.AdmissionRequest)
	if err != nil {
		return h.unjudged(&req.AdmissionRequest, err)
	}
	decision = v.Decision
	return respond(v)
}

func (h *Handler) judge(ctx context.Context, in *admissionv1.AdmissionRequest) (*Verdict, error) {
	// Most writes come from controllers; they need no decoding.
	if why := h.Installation.Trusts(in.UserInfo); why != "" {
		return &Verdict{Decision: Passed, Reason: why}, nil
	}
	r, err := NewRequest(in, h.KindOf)
	if err != nil {
		return nil, err
	}
	facts, err := gather(r, h.Installation, h.Lookups, h.now())
	if err != nil {
		return nil, err
	}
	v, err := Judge(r, facts)
	if err != nil {
		return nil, err
	}
	if h.lookAgain(ctx, r, facts, v) {
		if v, err = Judge(r, facts); err != nil {
			return nil, err
		}
	}
	v.log(h.Log, r)
	if h.Record != nil && v.evident() && !r.DryRun {
		h.Record(v.record(r, facts, h.now()))
	}
	return v, nil
}

func respond(v *Verdict) admission.Response {
	resp := admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Allowed:          v.Admitted(),
		AuditAnnotations: v.AuditAnnotations(),
		Warnings:         v.Warnings(),
	}}
	if !resp.Allowed {
		resp.Result = &metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: v.Message()}
	}
	return resp
}

// unjudged answers a request that could not be judged as the failure policy says. It never goes unnoticed.
func (h *Handler) unjudged(in *admissionv1.AdmissionRequest, err error) admission.Response {
	h.Log.Error(err, "edit could not be judged", "operation", in.Operation, "kind", in.Kind.Kind, "group", in.Kind.Group,
		"namespace", in.Namespace, "name", in.Name, "subresource", in.SubResource, "user", in.UserInfo.Username, "admitted", !h.FailClosed)
	resp := admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Allowed:          !h.FailClosed,
		AuditAnnotations: map[string]string{AuditDecision: string(Unjudged), AuditError: bounded(err.Error())},
	}}
	if h.FailClosed {
		resp.Result = &metav1.Status{Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError,
			Message: fmt.Sprintf("gitops-drift could not judge this edit, and failurePolicy Fail refuses what it cannot judge: %v", err)}
	}
	return resp
}
