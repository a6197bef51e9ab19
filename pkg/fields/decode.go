package fields

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode decodes a JSON value as unstructured objects hold it: whole numbers are int64, others float64. It does what
// k8s.io/apimachinery/pkg/util/json does, which goes through the text twice and takes almost twice as long. The error may
// quote the text.
func Decode(text []byte) (any, error) {
	var out decoded
	err := json.Unmarshal(text, &out, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return out.value, err
}

type decoded struct{ value any }

var _ json.UnmarshalerFrom = (*decoded)(nil)

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *decoded) UnmarshalJSONFrom(d *jsontext.Decoder) (err error) {
	p.value, err = next(d)
	return err
}

func next(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case jsontext.KindBeginObject:
		out := map[string]any{}
		for d.PeekKind() != jsontext.KindEndObject {
			if token, err = d.ReadToken(); err != nil {
				return nil, err
			}
			name := token.String()
			if out[name], err = next(d); err != nil {
				return nil, err
			}
		}
		_, err = d.ReadToken()
		return out, err
	case jsontext.KindBeginArray:
		out := []any{}
		for d.PeekKind() != jsontext.KindEndArray {
			item, err := next(d)
			if err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		_, err = d.ReadToken()
		return out, err
	case jsontext.KindString:
		return token.String(), nil
	case jsontext.KindNumber:
		return number(token.String())
	case jsontext.KindTrue, jsontext.KindFalse:
		return token.Bool(), nil
	}
	return nil, nil
}

func number(text string) (any, error) {
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole, nil
	}
	return strconv.ParseFloat(text, 64)
}
