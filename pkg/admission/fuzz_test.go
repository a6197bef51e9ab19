package admission

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// The fuzzers hold the guard against reviews that no API server sends; see hold for what must be true of all of them.
// `make fuzz` runs them; testdata/fuzz keeps reviews that once told something.

// FuzzReview takes the body of the API server's call.
func FuzzReview(f *testing.F) {
	for _, name := range recordings(f) {
		f.Add([]byte(review(f, recorded(f, name))))
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		h, _ := newHandler(t, w)
		answer := post(h, bytes.NewReader(body))
		if ok := answer.Code == http.StatusOK; ok != json.Valid(answer.Body.Bytes()) || !ok && answer.Code != http.StatusBadRequest {
			t.Fatalf("answered %d %s", answer.Code, answer.Body)
		}
		in := &admissionv1.AdmissionReview{}
		if json.Unmarshal(body, in) == nil && in.Request != nil {
			hold(t, in.Request, w)
		}
	})
}

// recordings are the names of the recorded requests.
func recordings(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no recorded requests: %v", err)
	}
	names := make([]string, 0, len(files))
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	return names
}

// patience is longer than the API server waits for a webhook. What is fuzzed takes milliseconds.
const patience = 5 * time.Second

// hold checks what must be true of every request, whatever is in it.
func hold(t *testing.T, in *admissionv1.AdmissionRequest, w *world) {
	t.Helper()
	start := time.Now()
	decodedAsUpstream(t, in)
	h, logged := newHandler(t, w)
	first := h.Handle(t.Context(), request(in))
	if took := time.Since(start); took > patience {
		t.Errorf("took %s", took)
	}
	decision := Decision(first.AuditAnnotations[AuditDecision])
	if strings.HasPrefix(first.AuditAnnotations[AuditError], "panic") {
		// Handle hides it; here it shows with its stack.
		judgeAgain(in, w)
		t.Fatal("a panic that does not happen again")
	}

	text := logged.String() + strings.Join(first.Warnings, "\n")
	for _, key := range slices.Sorted(maps.Keys(first.AuditAnnotations)) {
		text += key + first.AuditAnnotations[key]
	}
	if first.Result != nil {
		text += first.Result.Message
	}
	// 20 lines, each in the message or a warning, the annotation and the log, and what names the object and its owner.
	names := len(in.Name) + len(in.Namespace) + len(in.Kind.Kind) + len(in.Kind.Group) + len(first.AuditAnnotations[AuditOwner])
	for _, group := range append(in.UserInfo.Groups, in.UserInfo.Username, in.SubResource, string(in.Operation)) {
		names += len(group)
	}
	if limit := 256<<10 + 20*names; len(text) > limit {
		t.Errorf("%d bytes are written about a request of %d", len(text), len(in.Object.Raw)+len(in.OldObject.Raw))
	}
	for _, secret := range secrets(in) {
		if strings.Contains(text, secret) {
			t.Errorf("the value %q of a Secret shows in %s", secret, text)
		}
	}
	for range 2 {
		again := h.Handle(t.Context(), request(in))
		if !jsonEqual(t, first.AdmissionResponse, again.AdmissionResponse) {
			t.Errorf("judged twice:\n%+v\n%+v", first.AdmissionResponse, again.AdmissionResponse)
		}
	}
	if decision == Denied && (first.Result == nil || first.Result.Message == "") {
		t.Error("refused without a word")
	}

	nothing := in.DeepCopy()
	nothing.Operation, nothing.Object = admissionv1.Update, nothing.OldObject
	if resp := h.Handle(t.Context(), request(nothing)); !resp.Allowed {
		t.Errorf("an edit that changes nothing is refused: %s", resp.Result.Message)
	}
	trusted := in.DeepCopy()
	trusted.UserInfo = fluxUser()
	if resp := h.Handle(t.Context(), request(trusted)); !resp.Allowed || len(resp.AuditAnnotations) > 0 {
		t.Errorf("Flux is judged: %+v", resp.AdmissionResponse)
	}
}

// decodedAsUpstream checks that objects are those that apimachinery itself reads.
func decodedAsUpstream(t *testing.T, in *admissionv1.AdmissionRequest) {
	t.Helper()
	older, newer, err := decode(in.OldObject.Raw, in.Object.Raw)
	for raw, got := range map[*[]byte]*unstructured.Unstructured{&in.OldObject.Raw: older, &in.Object.Raw: newer} {
		if len(*raw) == 0 {
			continue
		}
		want := &unstructured.Unstructured{}
		if upstream := want.UnmarshalJSON(*raw); upstream != nil && err == nil {
			t.Errorf("%s is decoded; apimachinery: %v", *raw, upstream)
		} else if upstream == nil && err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s is decoded as %v", *raw, got)
		}
	}
}

// judgeAgain judges without the safety net of Handle.
func judgeAgain(in *admissionv1.AdmissionRequest, w *world) {
	r, err := NewRequest(in, kindOf)
	if err != nil {
		return
	}
	facts, err := gather(r, installation(), w, time.Now())
	if err != nil {
		return
	}
	if v, err := Judge(r, facts); err == nil {
		respond(v)
		v.log(logr.Discard(), r)
	}
}

func jsonEqual(t *testing.T, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(x, y)
}

// fluxUser is kustomize-controller with the token of its Pod.
func fluxUser() authenticationv1.UserInfo {
	return authenticationv1.UserInfo{
		Username: "system:serviceaccount:flux-system:kustomize-controller", UID: "f1",
		Groups: []string{"system:serviceaccounts"},
		Extra:  map[string]authenticationv1.ExtraValue{podName: {"kustomize-controller-5d8f7-x2x9q"}},
	}
}

// secrets are the values that a request about a Secret carries and that stand nowhere else in it.
func secrets(in *admissionv1.AdmissionRequest) []string {
	if in.Kind.Group != "" || in.Kind.Kind != "Secret" {
		return nil
	}
	values := map[string]struct{}{}
	public := in.DeepCopy()
	for _, raw := range []*runtime.RawExtension{&public.OldObject, &public.Object} {
		var object map[string]any
		if json.Unmarshal(raw.Raw, &object) != nil {
			raw.Raw = nil
			continue
		}
		for _, field := range []string{"data", "stringData"} {
			collect(object[field], values)
			delete(object, field)
		}
		text, err := json.Marshal(object)
		if err != nil {
			text = nil
		}
		raw.Raw = text
	}
	elsewhere := fmt.Sprintf("%+v %s %s", public, public.OldObject.Raw, public.Object.Raw)
	var out []string
	for _, value := range slices.Sorted(maps.Keys(values)) {
		// A word of the messages is no leak.
		if len(value) >= 8 && !strings.Contains(elsewhere, value) {
			out = append(out, value)
		}
	}
	return out
}

// collect gathers the texts in value, and what they are in base64.
func collect(value any, into map[string]struct{}) {
	switch x := value.(type) {
	case map[string]any:
		for _, inner := range x {
			collect(inner, into)
		}
	case []any:
		for _, inner := range x {
			collect(inner, into)
		}
	case string:
		into[x] = struct{}{}
		if decoded, err := base64.StdEncoding.DecodeString(x); err == nil {
			into[string(decoded)] = struct{}{}
		}
	}
}
