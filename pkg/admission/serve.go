package admission

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// maxReview bounds the size of a review. The API server takes objects of up to 3 MiB, writes some characters (<, >
// and &) as six, and sends the old object with the new one.
const maxReview = 40 << 20

// usualReview is the size, in bytes, that nearly all reviews stay below.
const usualReview = 4 << 20

// ServeHTTP carries reviews between the API server and Handle. controller-runtime's own takes no more than 7 MiB, which
// an edit of a large object reaches. A call that is no review is an error of the call, which the API server's
// failurePolicy decides about; it is logged and counted here too.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, status, err := h.review(w, r)
	if err != nil {
		h.Metrics.errors.Inc()
		h.Log.Error(err, "a call could not be answered", "status", status, "from", r.RemoteAddr)
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(answer); err != nil {
		h.Log.Error(err, "an answer could not be sent")
	}
}

// review returns the answer to the review in the body, or an error and its HTTP status.
func (h *Handler) review(w http.ResponseWriter, r *http.Request) ([]byte, int, error) {
	if r.Method != http.MethodPost {
		return nil, http.StatusMethodNotAllowed, errors.New("reviews come by POST")
	}
	var read bytes.Buffer
	// The API server says how much it sends; others may say what they like.
	read.Grow(int(min(max(r.ContentLength, 0), usualReview)) + bytes.MinRead)
	_, err := read.ReadFrom(http.MaxBytesReader(w, r.Body, maxReview))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the review is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("read the review: %w", err)
	}
	review, err := decodeReview(read.Bytes())
	if err != nil {
		// The error would quote what it cannot read.
		return nil, http.StatusBadRequest, errors.New("the body is no AdmissionReview")
	}
	if review.GroupVersionKind() != admissionv1.SchemeGroupVersion.WithKind("AdmissionReview") || review.Request == nil {
		return nil, http.StatusBadRequest, fmt.Errorf("the body is no request of %s", admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	}
	request := admission.Request{AdmissionRequest: *review.Request}
	response := h.Handle(r.Context(), request)
	if err := response.Complete(request); err != nil {
		return nil, http.StatusInternalServerError, err
	}
	answer, err := json.Marshal(&admissionv1.AdmissionReview{TypeMeta: review.TypeMeta, Response: &response.AdmissionResponse})
	return answer, http.StatusInternalServerError, err
}
