package admission

import (
	"encoding/json"

	"github.com/tidwall/gjson"
	admissionv1 "k8s.io/api/admission/v1"
)

// decodeReview decodes a review, whose objects stay as they are, parts of body. They are nearly all of it: encoding/json
// would go through them three times and copy them, only for NewRequest to decode them then. Whether they are JSON is
// for NewRequest to say.
func decodeReview(body []byte) (*admissionv1.AdmissionReview, error) {
	var texts [2][]byte
	var rest []byte
	from := 0
	// This is the order in which the API server writes them.
	for i, path := range []string{"request.object", "request.oldObject"} {
		found := gjson.GetBytes(body, path)
		if !found.IsObject() || found.Index < from {
			continue
		}
		rest = append(append(rest, body[from:found.Index]...), "null"...)
		from = found.Index + len(found.Raw)
		texts[i] = body[found.Index:from]
	}
	review := &admissionv1.AdmissionReview{}
	if err := json.Unmarshal(append(rest, body[from:]...), review); err != nil {
		return nil, err
	}
	if in := review.Request; in != nil {
		// Of a field that is there twice, the last counts.
		if in.Object.Raw == nil {
			in.Object.Raw = texts[0]
		}
		if in.OldObject.Raw == nil {
			in.OldObject.Raw = texts[1]
		}
	}
	return review, nil
}
