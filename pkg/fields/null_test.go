package fields

import (
	"reflect"
	"testing"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

func TestANullThatIsThereIsToldFromAnAbsentField(t *testing.T) {
	root := map[string]any{"a": nil, "b": map[string]any{"c": nil, "d": int64(1)}, "l": []any{map[string]any{"x": nil}}}
	for _, test := range []struct {
		path fieldpath.Path
		want any
		ok   bool
	}{
		{fieldpath.MakePathOrDie("a"), Null{}, true},
		{fieldpath.MakePathOrDie("b", "c"), Null{}, true},
		{fieldpath.MakePathOrDie("b", "d"), int64(1), true},
		{fieldpath.MakePathOrDie("b", "x"), nil, false},
		{fieldpath.MakePathOrDie("x", "c"), nil, false},
		{fieldpath.MakePathOrDie("l", 0, "x"), Null{}, true},
	} {
		if got, ok := Lookup(root, test.path); ok != test.ok || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v, %t", test.path, got, ok)
		}
	}
}

func TestWhereNullsAreMissing(t *testing.T) {
	null, none := map[string]any{"a": nil}, map[string]any{}
	for name, test := range map[string]struct {
		outer, inner any
		want         bool
	}{
		"both":              {null, null, true},
		"only outside":      {null, none, true},
		"only inside":       {none, null, false},
		"deeper":            {map[string]any{"m": none}, map[string]any{"m": null}, false},
		"in a list":         {[]any{none}, []any{null}, false},
		"beyond the list":   {[]any{}, []any{null}, true},
		"nothing to be in":  {nil, null, false},
		"a value elsewhere": {map[string]any{"a": nil, "b": "x"}, null, true},
	} {
		if got := HasNulls(test.outer, test.inner); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestNullsOutliveTheRemovalOfOthers(t *testing.T) {
	root := map[string]any{"keep": nil, "drop": nil, "m": map[string]any{"keep": nil, "drop": "x"}}
	set := fieldpath.NewSet(fieldpath.MakePathOrDie("drop"), fieldpath.MakePathOrDie("m", "drop"))
	keep := fieldpath.NewSet(fieldpath.MakePathOrDie("keep"), fieldpath.MakePathOrDie("m", "keep"))
	want := map[string]any{"keep": nil, "m": map[string]any{"keep": nil}}
	if got := Remove(root, set, keep); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
