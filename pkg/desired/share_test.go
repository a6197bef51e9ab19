package desired

import (
	"reflect"
	"testing"
)

func TestEqualValuesAreShared(t *testing.T) {
	object := func(name string) map[string]any {
		return map[string]any{
			"metadata": map[string]any{"name": name, "labels": map[string]any{"team": "payments"}},
			"spec":     map[string]any{"replicas": int64(1), "items": []any{"1", int64(1), 1.0, true, nil, map[string]any{}, []any{}}},
		}
	}
	p := newPool()
	a, b := p.share(object("a")).(map[string]any), p.share(object("b")).(map[string]any)
	if !reflect.DeepEqual(a, object("a")) || !reflect.DeepEqual(b, object("b")) {
		t.Errorf("got\n%v\n%v", a, b)
	}
	same := func(path ...string) bool {
		var x, y any = a, b
		for _, name := range path {
			x, y = x.(map[string]any)[name], y.(map[string]any)[name]
		}
		return reflect.ValueOf(x).Pointer() == reflect.ValueOf(y).Pointer()
	}
	if !same("spec") || !same("spec", "items") || !same("metadata", "labels") || same("metadata") {
		t.Error("the objects do not share what is equal, or what is not")
	}
}

func TestWhatOnlyLooksEqualIsNotShared(t *testing.T) {
	p := newPool()
	values := []any{
		[]any{"1"}, []any{int64(1)}, []any{1.0}, []any{"1,"}, []any{"1", "1"}, []any{[]any{"1"}}, []any{nil}, []any{"<nil>"},
		map[string]any{"a": "b"}, map[string]any{"a:b": nil}, map[string]any{"a": map[string]any{"b": nil}}, map[string]any{"a": "#0"},
		map[string]any{}, []any{}, []any{true}, []any{"true"},
	}
	for _, v := range values {
		if got := p.share(v); !reflect.DeepEqual(got, v) {
			t.Errorf("%#v became %#v", v, got)
		}
	}
}
