package admission

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
)

func TestAReviewIsDecodedAsByEncodingJSON(t *testing.T) {
	whole := review(t, recorded(t, "memory"))
	for name, body := range map[string]string{
		"recorded":                    whole,
		"old object first":            `{"kind":"K","request":{"uid":"1","oldObject":{"a":"}"},"object":{"b":[{}]},"name":"n"}}`,
		"an object alone":             `{"request":{"uid":"1","oldObject":{"a":"\"}"},"name":"n"}}`,
		"no objects":                  `{"request":{"uid":"1","object":null,"name":"n"}}`,
		"no request":                  `{"kind":"K","object":{"a":1}}`,
		"a request that is none":      `{"kind":"K","request":null}`,
		"an object that is none":      `{"request":{"object":[1,2],"oldObject":"x"}}`,
		"an object twice":             `{"request":{"object":{"a":1},"object":{"a":2},"oldObject":{"a":3}}}`,
		"space and another case":      ` { "Request" : { "Object" : { "a" : 1 } , "oldObject" : { "a" : 2 } } } `,
		"an object in another object": `{"other":{"request":{"object":{"a":1}}},"request":{"options":{"object":{"a":2}},"object":{"a":3}}}`,
	} {
		want := &admissionv1.AdmissionReview{}
		if err := json.Unmarshal([]byte(body), want); err != nil {
			t.Fatal(err)
		}
		if got, err := decodeReview([]byte(body)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v %v, want %+v", name, got, err, want)
		}
	}
	for i := range len(whole) - 1 {
		if _, err := decodeReview([]byte(whole[:i])); err == nil {
			t.Fatalf("a review cut off after %q is decoded", whole[max(0, i-20):i])
		}
	}
	if got, err := decodeReview([]byte(strings.Replace(whole, `"spec":`, `"spec"`, 1))); err == nil {
		if _, err := NewRequest(got.Request, kindOf); err == nil {
			t.Error("an object that is no JSON is judged")
		}
	}
}
