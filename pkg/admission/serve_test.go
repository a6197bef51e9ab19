package admission

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func review(t testing.TB, in *admissionv1.AdmissionRequest) string {
	t.Helper()
	body, err := json.Marshal(&admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: in})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// post sends a body to a handler as the API server does.
func post(h *Handler, body io.Reader) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, Path, body))
	return answer
}

func TestAReviewIsAnswered(t *testing.T) {
	h, _ := newHandler(t, newWorld(t))
	for name, size := range map[string]int{"small": 0, "larger than controller-runtime takes": 3 << 20} {
		in := real(recorded(t, "memory"))
		in.UID = "6d2b"
		in.Options.Raw = []byte(`{"padding":"` + strings.Repeat("<", size) + `"}`)
		answer := post(h, strings.NewReader(review(t, in)))
		out := &admissionv1.AdmissionReview{}
		if err := json.Unmarshal(answer.Body.Bytes(), out); err != nil {
			t.Fatal(err)
		}
		if answer.Code != http.StatusOK || out.APIVersion != "admission.k8s.io/v1" || out.Kind != "AdmissionReview" ||
			out.Response.UID != "6d2b" || out.Response.Allowed || out.Response.Result.Code != http.StatusForbidden {
			t.Errorf("%s: got %d %+v", name, answer.Code, out)
		}
	}
}

// endless is a body without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestWhatIsNoReviewIsAnErrorOfTheCall(t *testing.T) {
	for name, test := range map[string]struct {
		body io.Reader
		want int
	}{
		"nothing":           {strings.NewReader(""), http.StatusBadRequest},
		"no JSON":           {strings.NewReader("s3cret"), http.StatusBadRequest},
		"no request":        {strings.NewReader(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`), http.StatusBadRequest},
		"another version":   {strings.NewReader(strings.Replace(review(t, recorded(t, "memory")), "admission.k8s.io/v1", "admission.k8s.io/v1beta1", 1)), http.StatusBadRequest},
		"more than allowed": {endless{}, http.StatusRequestEntityTooLarge},
	} {
		h, logged := newHandler(t, newWorld(t))
		if answer := post(h, test.body); answer.Code != test.want || strings.Contains(answer.Body.String(), "s3cret") {
			t.Errorf("%s: got %d %s", name, answer.Code, answer.Body)
		}
		if got := testutil.ToFloat64(h.Metrics.errors); got != 1 || !strings.Contains(logged.String(), "could not be answered") {
			t.Errorf("%s: %v errors counted, logged %s", name, got, logged)
		}
	}
	h, _ := newHandler(t, newWorld(t))
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, Path, nil))
	if answer.Code != http.StatusMethodNotAllowed {
		t.Errorf("a GET is answered %d", answer.Code)
	}
}
