package fields

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
	"sigs.k8s.io/yaml"
)

// parse reads YAML as the API machinery does: JSON values, whole numbers as int64.
func parse(t *testing.T, text string) any {
	t.Helper()
	var out any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func parseMap(t *testing.T, text string) map[string]any {
	t.Helper()
	out, ok := parse(t, text).(map[string]any)
	if !ok {
		t.Fatalf("%q is no map", text)
	}
	return out
}

// set reads a fieldsV1.
func set(t *testing.T, fieldsV1 string) *fieldpath.Set {
	t.Helper()
	out := fieldpath.NewSet()
	if err := out.FromJSON(strings.NewReader(fieldsV1)); err != nil {
		t.Fatal(err)
	}
	return out
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func path(parts ...any) fieldpath.Path { return fieldpath.MakePathOrDie(parts...) }

const (
	containers = `{"f:spec":{"f:containers":{"k:{\"name\":\"api\"}":{".":{},"f:name":{},"f:image":{},"f:args":{},
		"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}}}}}}`
	ports = `{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}}}`
	tags  = `{"f:tags":{"v:\"a\"":{}}}`
)

func TestDiffNamesTheSmallestFieldThatDiffers(t *testing.T) {
	tests := []struct {
		name, shape, before, after string
		// want are lines of path: before → after.
		want []string
	}{
		{name: "equal objects have no change", before: "a: {b: 1}", after: "a: {b: 1}"},
		{name: "a leaf", before: "a: {b: 1, c: x}", after: "a: {b: 2, c: x}", want: []string{"a.b: 1 → 2"}},
		{name: "a whole map that is gone is one change", before: "a: {b: {c: 1, d: 2}}", after: "a: {}", want: []string{`a.b: {"c":1,"d":2} → null`}},
		{name: "a whole map that is new is one change", before: "{}", after: "a: {b: 1}", want: []string{`a: null → {"b":1}`}},
		{name: "null is absent on either side", before: "a: null\nb: 1", after: "b: 1\nc: null"},
		{name: "null inside a map that is otherwise equal", before: "a: {b: null, c: 1}", after: "a: {c: 1}"},
		{name: "a value that becomes null is removed", before: "a: 1", after: "a: null", want: []string{"a: 1 → null"}},
		{name: "false is not absent", before: "a: false", after: "{}", want: []string{"a: false → null"}},
		{name: "an empty map is not absent", before: "emptyDir: {}", after: "{}", want: []string{"emptyDir: {} → null"}},
		{name: "numbers are compared by value", before: "a: 1.0", after: "a: 1"},
		{name: "a number is not its text", before: "a: 1", after: `a: "1"`, want: []string{`a: 1 → "1"`}},
		{name: "a map that became a list", before: "a: {b: 1}", after: "a: [1]", want: []string{`a: {"b":1} → [1]`}},
		{name: "a map that became a scalar", before: "a: {b: 1}", after: "a: 1", want: []string{`a: {"b":1} → 1`}},
		{name: "a list without a shape is compared as a whole", before: "a: [x, z]", after: "a: [z, x]", want: []string{`a: ["x","z"] → ["z","x"]`}},
		{name: "an associative item's field", shape: containers,
			before: "spec: {containers: [{name: api, image: a:1}]}", after: "spec: {containers: [{name: api, image: a:2}]}",
			want: []string{`spec.containers[name=api].image: "a:1" → "a:2"`}},
		{name: "items that only moved because one was put before them", shape: containers,
			before: "spec: {containers: [{name: api, image: a}]}", after: "spec: {containers: [{name: new}, {name: api, image: a}]}",
			want: []string{`spec.containers[name=new]: null → {"name":"new"}`}},
		{name: "a nested associative list, of an item that no manager named", shape: containers,
			before: "spec: {containers: [{name: other, env: [{name: A, value: x}]}]}", after: "spec: {containers: [{name: other, env: [{name: A, value: z}, {name: B}]}]}",
			want: []string{`spec.containers[name=other].env[name=A].value: "x" → "z"`, `spec.containers[name=other].env[name=B]: null → {"name":"B"}`}},
		{name: "an atomic list inside an associative item", shape: containers,
			before: "spec: {containers: [{name: api, args: [a]}]}", after: "spec: {containers: [{name: api, args: [a, b]}]}",
			want: []string{`spec.containers[name=api].args: ["a"] → ["a","b"]`}},
		{name: "all items of an associative list are gone", shape: containers,
			before: "spec: {containers: [{name: api}], x: 1}", after: "spec: {x: 1}",
			want: []string{`spec.containers[name=api]: {"name":"api"} → null`}},
		{name: "items that no manager holds as such, only fields of them", shape: `{"f:l":{"k:{\"name\":\"a\"}":{"f:v":{}},"k:{\"name\":\"b\"}":{"f:v":{}}}}`,
			before: "l: [{name: a, v: 1}, {name: b, v: 2}]", after: "l: [{name: a, v: 1}, {name: b, v: 3}]", want: []string{"l[name=b].v: 2 → 3"}},
		{name: "order of an associative list", shape: containers,
			before: "spec: {containers: [{name: a}, {name: b}]}", after: "spec: {containers: [{name: b}, {name: a}]}",
			want: []string{`spec.containers: [{"name":"a"},{"name":"b"}] → [{"name":"b"},{"name":"a"}]`}},
		{name: "several keys", shape: ports,
			before: "ports: [{port: 80, protocol: TCP, targetPort: 1}, {port: 80, protocol: UDP, targetPort: 1}]",
			after:  "ports: [{port: 80, protocol: TCP, targetPort: 2}, {port: 80, protocol: UDP, targetPort: 1}]",
			want:   []string{"ports[port=80,protocol=TCP].targetPort: 1 → 2"}},
		{name: "an item without a key makes the list one field", shape: ports,
			before: "ports: [{port: 80}]", after: "ports: [{port: 80, protocol: TCP}]",
			want: []string{`ports: [{"port":80}] → [{"port":80,"protocol":"TCP"}]`}},
		{name: "an item that stands twice makes the list one field", shape: containers,
			before: "spec: {containers: [{name: a, image: x}, {name: a, image: z}]}", after: "spec: {containers: [{name: a, image: x}]}",
			want: []string{`spec.containers: [{"image":"x","name":"a"},{"image":"z","name":"a"}] → [{"image":"x","name":"a"}]`}},
		{name: "a set that grew and shrank", shape: tags, before: "tags: [a, b]", after: "tags: [b, c]",
			want: []string{`tags["a"]: "a" → null`, `tags["c"]: null → "c"`}},
		{name: "order of a set", shape: tags, before: "tags: [a, b]", after: "tags: [b, a]", want: []string{`tags: ["a","b"] → ["b","a"]`}},
		{name: "a value that stands twice in a set", shape: tags, before: "tags: [a, a]", after: "tags: [a]", want: []string{`tags: ["a","a"] → ["a"]`}},
		{name: "a set that is new", shape: tags, before: "{}", after: "tags: [a]", want: []string{`tags["a"]: null → "a"`}},
		{name: "an atomic map is one field", shape: `{"f:selector":{},"f:labels":{"f:a":{}}}`,
			before: "selector: {a: x, b: w}\nlabels: {a: x}", after: "selector: {a: z, b: w}\nlabels: {a: z}",
			want: []string{`labels.a: "x" → "z"`, `selector: {"a":"x","b":"w"} → {"a":"z","b":"w"}`}},
		{name: "what nobody owns is compared leaf by leaf", shape: `{"f:other":{}}`,
			before: "selector: {a: x, b: w}", after: "selector: {a: z, b: w}", want: []string{`selector.a: "x" → "z"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var shape *Shape
			if test.shape != "" {
				shape = NewShape(nil, set(t, test.shape))
			}
			before, after := parse(t, test.before), parse(t, test.after)
			var got []string
			for _, c := range Diff(before, after, shape) {
				got = append(got, fmt.Sprintf("%s: %s → %s", Name(c.Path), text(t, c.Before), text(t, c.After)))
			}
			slices.Sort(got) // of changes at one list, its order comes last
			if !slices.Equal(got, test.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if back := Diff(after, before, shape); len(back) != len(got) {
				t.Errorf("the other way round there are %d changes instead of %d", len(back), len(got))
			}
		})
	}
}

func TestDiffNullsTellsNullFromAbsent(t *testing.T) {
	before, after := parse(t, "{spec: {same: null, gone: null, set: null, a: {b: null}}}"), parse(t, "{spec: {same: null, come: null, set: 1, a: {}}}")
	var got []string
	for _, c := range DiffNulls(before, after, nil) {
		got = append(got, Name(c.Path)+": "+Show(c.Before, 20)+" → "+Show(c.After, 20))
	}
	want := []string{"spec.a.b: null → –", "spec.come: – → null", "spec.gone: null → –", "spec.set: – → 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if changes := Diff(before, after, nil); len(changes) != 1 {
		t.Errorf("Diff finds %v", changes)
	}
}

func TestPathsOfChangesDoNotShareMemory(t *testing.T) {
	changes := Diff(parse(t, "a: {b: {c: 1, d: 1, e: {f: 1}}}"), parse(t, "a: {b: {c: 2, d: 2, e: {f: 2}}}"), nil)
	for i, want := range []string{"a.b.c", "a.b.d", "a.b.e.f"} {
		if got := Name(changes[i].Path); got != want {
			t.Errorf("change %d is at %s, want %s", i, got, want)
		}
	}
}

func TestRemoveTakesWhatNobodyElseHolds(t *testing.T) {
	tests := []struct{ name, root, set, keep, want string }{
		{name: "an empty set removes nothing", root: "a: {b: 1}", set: `{}`, want: "a: {b: 1}"},
		{name: "a leaf", root: "a: {b: 1, c: 2}", set: `{"f:a":{"f:b":{}}}`, keep: `{"f:a":{"f:c":{}}}`, want: "a: {c: 2}"},
		{name: "what nobody holds, such as a default, beside the last field that somebody held", root: "a: {b: 1, c: 2}\nd: 1", set: `{"f:a":{"f:b":{}}}`, want: "d: 1"},
		{name: "a map that another manager holds stays, empty", root: "a: {b: {c: 1}}", set: `{"f:a":{"f:b":{".":{},"f:c":{}}}}`, keep: `{"f:a":{"f:b":{}}}`, want: "a: {b: {}}"},
		{name: "an item of which another manager holds a field, but not the item", root: "l: [{name: a, v: 1, w: 2}]\nx: 1",
			set: `{"f:l":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:v":{}}}}`, keep: `{"f:l":{"k:{\"name\":\"a\"}":{"f:w":{}}}}`, want: "x: 1"},
		{name: "the keys of an item that nobody takes away", root: "l: [{name: a, v: 1, w: 2}]",
			set: `{"f:l":{"k:{\"name\":\"a\"}":{"f:name":{},"f:v":{}}}}`, keep: `{"f:l":{"k:{\"name\":\"a\"}":{"f:w":{}}}}`, want: "l: [{name: a, w: 2}]"},
		{name: "an item whose key is left out", root: "l: [{}, {name: a}]", set: `{"f:l":{"k:{\"name\":\"\"}":{".":{}}}}`,
			keep: `{"f:l":{"k:{\"name\":\"a\"}":{".":{}}}}`, want: "l: [{name: a}]"},
		{name: "the map that became empty by it", root: "a: {b: {c: 1}}\nd: 1", set: `{"f:a":{"f:b":{"f:c":{}}}}`, want: "d: 1"},
		{name: "a map that was empty before stays", root: "a: {b: {}, c: 1}", set: `{"f:a":{"f:c":{}}}`, keep: `{"f:a":{"f:b":{}}}`, want: "a: {b: {}}"},
		{name: "everything leaves an empty object", root: "a: 1", set: `{"f:a":{}}`, want: "{}"},
		{name: "what another manager holds stays", root: "a: {b: 1}", set: `{"f:a":{"f:b":{}}}`, keep: `{"f:a":{"f:b":{}}}`, want: "a: {b: 1}"},
		{name: "a map with something below it that another holds", root: "a: {b: 1, c: 2}", set: `{"f:a":{".":{},"f:b":{}}}`,
			keep: `{"f:a":{"f:c":{}}}`, want: "a: {c: 2}"},
		{name: "a field that is not there", root: "a: 1", set: `{"f:x":{"f:y":{}}}`, want: "a: 1"},
		{name: "a whole list item", root: "l: [{name: a, v: 1}, {name: b, v: 2}]", set: `{"f:l":{"k:{\"name\":\"a\"}":{".":{},"f:name":{}}}}`,
			keep: `{"f:l":{"k:{\"name\":\"b\"}":{".":{}}}}`, want: "l: [{name: b, v: 2}]"},
		{name: "a list item's field", root: "l: [{name: a, v: 1}]", set: `{"f:l":{"k:{\"name\":\"a\"}":{"f:v":{}}}}`,
			keep: `{"f:l":{"k:{\"name\":\"a\"}":{".":{}}}}`, want: "l: [{name: a}]"},
		{name: "a list item of which another manager holds a field", root: "l: [{name: a, v: 1, w: 2}]",
			set:  `{"f:l":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:v":{}}}}`,
			keep: `{"f:l":{"k:{\"name\":\"a\"}":{".":{},"f:name":{},"f:w":{}}}}`, want: "l: [{name: a, w: 2}]"},
		{name: "fields of several items that others hold", root: "l: [{name: a, v: 1}, {name: b, v: 2}]",
			set:  `{"f:l":{"k:{\"name\":\"a\"}":{"f:v":{}},"k:{\"name\":\"b\"}":{"f:v":{}}}}`,
			keep: `{"f:l":{"k:{\"name\":\"a\"}":{".":{}},"k:{\"name\":\"b\"}":{".":{}}}}`, want: "l: [{name: a}, {name: b}]"},
		{name: "the last item takes the list with it", root: "l: [{name: a}]\nx: 1", set: `{"f:l":{"k:{\"name\":\"a\"}":{".":{}}}}`, want: "x: 1"},
		{name: "an item of a set", root: "l: [a, b]", set: `{"f:l":{"v:\"a\"":{}}}`, keep: `{"f:l":{"v:\"b\"":{}}}`, want: "l: [b]"},
		{name: "an atomic list", root: "l: [a, b]\nx: 1", set: `{"f:l":{}}`, want: "x: 1"},
		{name: "a key that is a number, whatever its type", root: "l: [{port: 80}, {port: 81}]", set: `{"f:l":{"k:{\"port\":80}":{".":{}}}}`,
			keep: `{"f:l":{"k:{\"port\":81}":{".":{}}}}`, want: "l: [{port: 81}]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root, keep := parseMap(t, test.root), fieldpath.NewSet()
			if test.keep != "" {
				keep = set(t, test.keep)
			}
			got := Remove(root, set(t, test.set), keep)
			if want := parseMap(t, test.want); !reflect.DeepEqual(got, want) {
				t.Errorf("got %s, want %s", text(t, got), text(t, want))
			}
			if !reflect.DeepEqual(root, parseMap(t, test.root)) {
				t.Errorf("the root itself was changed to %s", text(t, root))
			}
		})
	}
}

func TestPruneLeavesNullWhereAMapStaysThatLostAllItHad(t *testing.T) {
	root := parseMap(t, "a: {b: {c: 1}, l: [{name: x, m: {c: 1}}]}")
	got := Prune(root, set(t, `{"f:a":{"f:b":{"f:c":{}},"f:l":{"k:{\"name\":\"x\"}":{"f:m":{"f:c":{}}}}}}`),
		set(t, `{"f:a":{"f:b":{},"f:l":{"k:{\"name\":\"x\"}":{".":{},"f:m":{},"f:name":{}}}}}`))
	if want := parseMap(t, "a: {b: null, l: [{name: x, m: null}]}"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %s, want %s", text(t, got), text(t, want))
	}
}

func TestWithEmptiesFillsInEmptyMapsAndNothingElse(t *testing.T) {
	shape := NewShape(set(t, `{"f:l":{"k:{\"name\":\"x\"}":{"f:m":{}}}}`))
	tests := []struct{ name, root, wanted, want string }{
		{"where there is null", "a: {b: null}", "a: {b: {}}", "a: {b: {}}"},
		{"where there is nothing", "a: {c: 1}", "a: {b: {}}", "a: {b: {}, c: 1}"},
		{"not where there is something", "a: {b: {c: 1}}", "a: {b: {}}", "a: {b: {c: 1}}"},
		{"not in a map that is not there", "x: 1", "a: {b: {}}", "x: 1"},
		{"nothing but empty maps", "a: {}", "a: {b: 1, c: [], d: null}", "a: {}"},
		{"in an item, wherever it stands", "l: [{name: y}, {name: x, m: null}]", "l: [{name: x, m: {}}]", "l: [{name: y}, {name: x, m: {}}]"},
		{"not in an item that is not there", "l: [{name: y}]", "l: [{name: x, m: {}}]", "l: [{name: y}]"},
		{"not in an atomic list", "k: [{m: null}]", "k: [{m: {}}]", "k: [{m: null}]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := parseMap(t, test.root)
			got, changed := WithEmpties(root, parse(t, test.wanted), shape)
			if want := parse(t, test.want); !reflect.DeepEqual(got, want) {
				t.Errorf("got %s, want %s", text(t, got), text(t, want))
			}
			if changed != (test.root != test.want) {
				t.Errorf("changed: %t", changed)
			}
			if !reflect.DeepEqual(root, parseMap(t, test.root)) {
				t.Errorf("the root itself was changed to %s", text(t, root))
			}
		})
	}
}

func TestWithSetsOneFieldAndLeavesTheRootAlone(t *testing.T) {
	tests := []struct {
		name, root string
		path       fieldpath.Path
		value      any
		want       string
	}{
		{"a leaf is set", "a: {b: 1}", path("a", "b"), 2.0, "a: {b: 2}"},
		{"a leaf is added", "a: {b: 1}", path("a", "c"), "x", "a: {b: 1, c: x}"},
		{"maps on the way are made", "{}", path("a", "b", "c"), "x", "a: {b: {c: x}}"},
		{"a leaf is removed, and the map that is empty then", "a: {b: 1}\nc: 1", path("a", "b"), nil, "c: 1"},
		{"removing what is not there changes nothing", "c: 1", path("a", "b"), nil, "c: 1"},
		{"an item's field is set", "l: [{name: a, v: 1}, {name: b}]", path("l", fieldpath.KeyByFields("name", "a"), "v"), 2.0, "l: [{name: a, v: 2}, {name: b}]"},
		{"an item that is missing gets its keys", "l: [{name: a}]", path("l", fieldpath.KeyByFields("name", "b"), "v"), 2.0, "l: [{name: a}, {name: b, v: 2}]"},
		{"a list that is missing is made", "{}", path("l", fieldpath.KeyByFields("name", "b"), "v"), 2.0, "l: [{name: b, v: 2}]"},
		{"an item is removed", "l: [{name: a}, {name: b}]", path("l", fieldpath.KeyByFields("name", "a")), nil, "l: [{name: b}]"},
		{"the last item takes the list with it", "l: [{name: a}]\nx: 1", path("l", fieldpath.KeyByFields("name", "a")), nil, "x: 1"},
		{"a value is added to a set", "l: [a]", path("l", fieldpath.ValueElement(value.NewValueInterface("b"))), "b", "l: [a, b]"},
		{"a value is removed from a set", "l: [a, b]", path("l", fieldpath.ValueElement(value.NewValueInterface("a"))), nil, "l: [b]"},
		{"the empty path is the value itself", "a: 1", nil, "x", `"x"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := parse(t, test.root)
			got := With(root, test.path, test.value)
			if want := parse(t, test.want); !reflect.DeepEqual(got, want) {
				t.Errorf("got %s, want %s", text(t, got), text(t, want))
			}
			if !reflect.DeepEqual(root, parse(t, test.root)) {
				t.Errorf("the root itself was changed to %s", text(t, root))
			}
		})
	}
}

func TestGetFindsAFieldByItsPath(t *testing.T) {
	root := parse(t, `{a: {b: 1, n: null}, l: [{name: a, v: 1}, {name: b, v: 2}], p: [{port: 80, v: x}], s: [x, z]}`)
	tests := []struct {
		name string
		path fieldpath.Path
		want any
	}{
		{"a leaf", path("a", "b"), 1.0},
		{"null is absent", path("a", "n"), nil},
		{"nothing below a leaf", path("a", "b", "c"), nil},
		{"an item by its key", path("l", fieldpath.KeyByFields("name", "b"), "v"), 2.0},
		{"an item by a number", path("p", fieldpath.KeyByFields("port", 80), "v"), "x"},
		{"an item that is not there", path("l", fieldpath.KeyByFields("name", "c")), nil},
		{"a value of a set", path("s", fieldpath.ValueElement(value.NewValueInterface("z"))), "z"},
		{"a value that is not in a set", path("s", fieldpath.ValueElement(value.NewValueInterface("q"))), nil},
		{"an item by its place", path("s", 1), "z"},
		{"a place behind the end", path("s", 2), nil},
		{"a key where there is a map", path("a", fieldpath.KeyByFields("name", "a")), nil},
		{"a field name where there is a list", path("l", "name"), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := Get(root, test.path)
			if !reflect.DeepEqual(got, test.want) || ok != (test.want != nil) {
				t.Errorf("got %v, %t; want %v", got, ok, test.want)
			}
		})
	}
}

func TestEqualComparesNumbersByValueAndNullAsAbsent(t *testing.T) {
	tests := []struct {
		a, b any
		want bool
	}{
		{int64(1), 1.0, true},
		{Null{}, Null{}, true},
		{Null{}, nil, false},
		{nil, Null{}, false},
		{int64(1), json.Number("1"), true},
		{int32(1), int64(1), true},
		{1.5, json.Number("1.5"), true},
		{int64(1), 1.5, false},
		{int64(9007199254740993), int64(9007199254740992), false},
		{int64(9007199254740993), json.Number("9007199254740993"), true},
		{"1", int64(1), false},
		{true, "true", false},
		{nil, nil, true},
		{nil, "", false},
		{nil, map[string]any{}, false},
		{map[string]any{"a": nil}, map[string]any{}, true},
		{map[string]any{}, map[string]any{"a": nil}, true},
		{map[string]any{"a": nil}, map[string]any{"b": int64(1)}, false},
		{[]any{int64(1)}, []any{1.0}, true},
		{[]any{int64(1)}, []any{int64(1), nil}, false},
		{[]any{}, map[string]any{}, false},
	}
	for _, test := range tests {
		if Equal(test.a, test.b) != test.want || Equal(test.b, test.a) != test.want {
			t.Errorf("Equal(%#v, %#v) is %t one way, %t the other; want %t", test.a, test.b, Equal(test.a, test.b), Equal(test.b, test.a), test.want)
		}
	}
}

func TestNameWritesPathsAsPeopleDo(t *testing.T) {
	tests := []struct {
		path fieldpath.Path
		want string
	}{
		{nil, ""},
		{path("spec", "replicas"), "spec.replicas"},
		{path("spec", "containers", fieldpath.KeyByFields("name", "api"), "env", fieldpath.KeyByFields("name", "DEBUG")), "spec.containers[name=api].env[name=DEBUG]"},
		{path("spec", "ports", fieldpath.KeyByFields("port", 80, "protocol", "TCP")), "spec.ports[port=80,protocol=TCP]"},
		{path("metadata", "annotations", "example.com/owner"), `metadata.annotations["example.com/owner"]`},
		{path("metadata", "finalizers", fieldpath.ValueElement(value.NewValueInterface("x/y"))), `metadata.finalizers["x/y"]`},
		{path("l", 3), "l[3]"},
		{path("data", "a\x1b[31mb\n"), `data["a\x1b[31mb\n"]`},
		{path("l", fieldpath.KeyByFields("name", "a\x1b[31m]\n")), `l[name="a\x1b[31m]\n"]`},
		{path("l", fieldpath.KeyByFields("name", "")), `l[name=""]`},
	}
	for _, test := range tests {
		if got := Name(test.path); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
