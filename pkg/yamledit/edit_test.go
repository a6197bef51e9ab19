package yamledit

import (
	"strings"
	"testing"
)

// step is one change: key=value sets, a lone key deletes; a dot parts the keys of a path.
func step(t *testing.T, d *Document, change string) error {
	t.Helper()
	path, value, set := strings.Cut(change, "=")
	keys := strings.Split(path, "/")
	if !set {
		return d.Delete(keys...)
	}
	return d.Set(value, keys...)
}

func TestOnlyTheLinesThatMustChangeDo(t *testing.T) {
	for _, test := range []struct{ name, before, change, after string }{
		{"plain", "a:\n  x: 1 # one\n  y: two  # 2\n  z: 3\n", "a/y=new", "a:\n  x: 1 # one\n  y: new  # 2\n  z: 3\n"},
		{"a value that would be something else", "a: b\n", "a=yes", "a: \"yes\"\n"},
		{"a number", "a: b\n", "a=017", "a: \"017\"\n"},
		{"double quotes", "a: \"x\\\"y\" # c\nb: 1\n", "a=n\"ew", "a: \"n\\\"ew\" # c\nb: 1\n"},
		{"single quotes", "a: 'it''s' # c\n", "a=it's new", "a: 'it''s new' # c\n"},
		{"literal", "a: |\n  one\n  two\n\n# c\nb: 1\n", "a=new", "a: |-\n  new\n\n# c\nb: 1\n"},
		{"folded", "x:\n  a: >-\n    one\n    two\n  b: 1\n", "x/a=new", "x:\n  a: >-\n    new\n  b: 1\n"},
		{"literal with a comment", "x:\n  a: |- # c\n    one\n  b: 1\n", "x/a=new", "x:\n  a: |- # c\n    new\n  b: 1\n"},
		{"literal with a comment and a value of lines", "x:\n  a: |- # c\n    one\n  b: 1\n", "x/a=x\ny", "x:\n  a: \"x\\ny\" # c\n  b: 1\n"},
		{"literal with an anchor and an indentation", "x:\n  a: &q |2\n    one\n  b: 1\n", "x/a=new\n", "x:\n  a: |\n    new\n  b: 1\n"},
		{"literal with a line break at its end", "a: |\n  one\n", "a=new\n", "a: |\n  new\n"},
		{"literal at the end without a line break", "x:\n  a: |\n    one", "x/a=new", "x:\n  a: |-\n    new"},
		{"plain over several lines", "x:\n  a: one\n    two\n\n    three # c\n  b: 1\n", "x/a=new", "x:\n  a: new # c\n  b: 1\n"},
		{"quotes over several lines", "x:\n  a: \"one\n    two\"\n  b: 1\n", "x/a=new", "x:\n  a: \"new\"\n  b: 1\n"},
		{"a value with line breaks", "a: b\n", "a=x\ny", "a: \"x\\ny\"\n"},
		{"no value", "a:\nb: 1\n", "a=new", "a: new\nb: 1\n"},
		{"no value at the end", "a:", "a=new", "a: new"},
		{"null", "a: ~ # c\n", "a=new", "a: new # c\n"},
		{"a mapping", "a:\n  b: 1\n  c: 2\nd: 3\n", "a=new", "a:\n  new\nd: 3\n"},
		{"CRLF", "a:\r\n  x: 1\r\n  y: 2 # c\r\nz: 1\r\n", "a/x=new", "a:\r\n  x: new\r\n  y: 2 # c\r\nz: 1\r\n"},
		{"CRLF, added", "a:\r\n  x: 1\r\nz: 1\r\n", "a/w=new", "a:\r\n  x: 1\r\n  w: new\r\nz: 1\r\n"},
		{"CRLF, literal", "a: |\r\n  one\r\n  two\r\nz: 1\r\n", "a=new", "a: |-\r\n  new\r\nz: 1\r\n"},
		{"markers", "---\na: 1\n", "a=new", "---\na: new\n"},
		{"markers with content", "--- {a: 1}\n", "a=new", "--- {a: \"new\"}\n"},
		{"an end", "---\na: b\n...\n", "a=new", "---\na: new\n...\n"},
		{"wide characters", "ä: {\"漢字\": x, b: 1} # ü\n", "ä/b=new", "ä: {\"漢字\": x, b: \"new\"} # ü\n"},
		{"added", "a:\n  x: 1 # one\n  # last\n\nb: 2\n", "a/w=new", "a:\n  x: 1 # one\n  w: new\n  # last\n\nb: 2\n"},
		{"added behind a literal", "a:\n  x: |\n    one\n\n    two\n\n\nb: 2\n", "a/w=new", "a:\n  x: |\n    one\n\n    two\n  w: new\n\n\nb: 2\n"},
		{"added behind a literal that keeps its end", "a:\n  x: |+\n    one\n\nb: 2\n", "a/w=new", "a:\n  x: |+\n    one\n\n  w: new\nb: 2\n"},
		{"added behind mappings and lists", "a:\n  x:\n    - 1\n    - k: 2\nb: 2\n", "a/w=new", "a:\n  x:\n    - 1\n    - k: 2\n  w: new\nb: 2\n"},
		{"added behind a list that is not indented", "a:\n  x:\n  - 1\n  - k: 2\nb: 2\n", "a/w=new", "a:\n  x:\n  - 1\n  - k: 2\n  w: new\nb: 2\n"},
		{"added at the end without a line break", "a:\n    x: 1", "a/w=new", "a:\n    x: 1\n    w: new"},
		{"added mappings", "m:\n    n: 1\na: 1\n", "m/x/w=new", "m:\n    n: 1\n    x:\n        w: new\na: 1\n"},
		{"added to nothing", "m:\n  a: # c\n  b: 1\n", "m/a/x=new", "m:\n  a:\n    x: new # c\n  b: 1\n"},
		{"added to null", "m:\n  a: null\n  b: 1\n", "m/a/x=new", "m:\n  a:\n    x: new\n  b: 1\n"},
		{"added to {}", "m:\n  a: {}\n  b: 1\n", "m/a/x=new", "m:\n  a:\n    x: new\n  b: 1\n"},
		{"added to braces", "m: {a: 1}\n", "m/b=new", "m: {a: 1, \"b\": \"new\"}\n"},
		{"added to braces over lines", "{\n  \"m\": {\n    \"a\": \"1\"\n  }\n}\n", "m/b=new", "{\n  \"m\": {\n    \"a\": \"1\",\n    \"b\": \"new\"\n  }\n}\n"},
		{"added to a JSON mapping without entries", "{\"m\": {}}\n", "m/b=new", "{\"m\": {\"b\": \"new\"}}\n"},
		{"changed in braces", "m: {a: b c, d: 'e' }\n", "m/a=new", "m: {a: \"new\", d: 'e' }\n"},
		{"no value in braces", "m: {a, b: }\n", "m/b=new", "m: {a, b: \"new\"}\n"},
		{"deleted", "a:\n  # about x\n  x: 1 # one\n  y: 2\n", "a/x", "a:\n  # about x\n  y: 2\n"},
		{"deleted literal", "a:\n  x: |\n    one\n\n    two\n  y: 2\n", "a/x", "a:\n  y: 2\n"},
		{"deleted mapping", "a:\n  x:\n    k: 1\n    l: [1,\n      2]\n  y: 2\n", "a/x", "a:\n  y: 2\n"},
		{"deleted, the last one", "a: # c\n  x: 1\nb: 2\n", "a/x", "a: {} # c\nb: 2\n"},
		{"deleted, in braces", "m: {a: 1, b: 2, c: 3}\n", "m/b", "m: {a: 1, c: 3}\n"},
		{"deleted, the last in braces", "m: {a: 1, b: 2 }\n", "m/b", "m: {a: 1 }\n"},
		{"deleted, the only one in braces", "m: { a: 1 }\n", "m/a", "m: {}\n"},
		{"deleted, in braces with comments", "m: {a: 1, # one\n  # about b\n  b: 2, # two\n  # about c\n  c: 3 # three\n  # end\n  }\n", "m/b",
			"m: {a: 1, # one\n  # about b\n  # about c\n  c: 3 # three\n  # end\n  }\n"},
		{"deleted, the first in braces with comments", "m: {a: 1, # one\n  # about b\n  b: 2}\n", "m/a", "m: {\n  # about b\n  b: 2}\n"},
		{"deleted, the last in braces with comments", "m: {a: 1, # one\n  # about b\n  b: 2}\n", "m/b", "m: {a: 1, # one\n  # about b\n  }\n"},
		{"deleted, the only one in braces with comments", "m: { # all\n  # about a\n  a: 1 # one\n  }\n", "m/a", "m: { # all\n  # about a\n  }\n"},
		{"a comment without a blank in braces", "m: {a: 1,# one\n  b: 2}\n", "m/b=new", "m: {a: 1,# one\n  b: \"new\"}\n"},
		{"added behind comments in braces", "m: {a: 1, # one\n  b: 2 # two\n  }\n", "m/c=new", "m: {a: 1, # one\n  b: 2,\n  \"c\": \"new\" # two\n  }\n"},
		{"added behind a literal that a comment ends", "m:\n  a: |\n      text\n   # about b\n  b: 1\nc: 1\n", "m/a=new", "m:\n  a: |-\n      new\n   # about b\n  b: 1\nc: 1\n"},
		{"deleted in JSON", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "a", "{\n  \"b\": 2\n}\n"},
		{"deleted at the end without a line break", "a:\n  x: 1\n  y: 2", "a/y", "a:\n  x: 1\n"},
		{"an anchor nobody uses", "a: &x one # c\nb: 1\n", "a=new", "a: new # c\nb: 1\n"},
		{"an anchor that others use", "a: &x one\nb: *x\nc: *x\n", "a=new", "a: new\nb: &x one\nc: *x\n"},
		{"an anchor that others use, deleted", "m:\n  a: &x one\n  b: [*x, *x] # c\n", "m/a", "m:\n  b: [&x one, *x] # c\n"},
		{"an alias", "a: &x one\nb: *x # c\n", "b=new", "a: &x one\nb: new # c\n"},
		{"a tag", "a: !!str 12 # c\n", "a=new", "a: new # c\n"},
		{"a tag and an anchor without a value", "m:\n  a: !!str &x\n  b: 1\n", "m/a=new", "m:\n  a: new\n  b: 1\n"},
		{"an anchored mapping", "m: &m\n  a: 1\nn: *m\n", "x/w=1", "m: &m\n  a: 1\nn: *m\nx:\n  w: \"1\"\n"},
		{"merged keys", "b: &b\n  x: 1\nm:\n  <<: *b\n  y: 2\n", "m/y=new", "b: &b\n  x: 1\nm:\n  <<: *b\n  y: new\n"},
		{"a plain value with signs", "a: x:y#z,[q] # c\nb: 1\n", "a=new", "a: new # c\nb: 1\n"},
		{"a byte that only looks like a comment", "a: \"x # y\" # c\n", "a=n", "a: \"n\" # c\n"},
		{"a value on the next line", "a:\n  one\nb: 1\n", "a=new", "a:\n  new\nb: 1\n"},
		{"tabs before a comment", "a: one\t# c\n", "a=new", "a: new\t# c\n"},
		{"quoted keys", "\"a b\": 1\n'c': 2\n", "a b=new", "\"a b\": new\n'c': 2\n"},
		{"a key that needs quotes", "a: 1\n", "x: y=new", "a: 1\n'x: y': new\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := NewDocument(test.before)
			if err != nil {
				t.Fatal(err)
			}
			if err := step(t, d, test.change); err != nil {
				t.Fatal(err)
			}
			if d.Text() != test.after {
				t.Errorf("got\n%q\nwant\n%q", d.Text(), test.after)
			}
		})
	}
}

func TestSeveralValuesAreSetAtOnce(t *testing.T) {
	const before = "m:\n  # one\n  a: 1 # first\n  b: |\n    text\n  c: &x old\n  d: *x\n  e: 'q'\n"
	d, err := NewDocument(before)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SetEach(map[string]string{"a": "A", "b": "B\n", "c": "C", "e": "E", "new": "N"}, "m"); err != nil {
		t.Fatal(err)
	}
	if want := "m:\n  # one\n  a: A # first\n  b: |\n    B\n  c: C\n  d: &x old\n  e: 'E'\n  new: \"N\"\n"; d.Text() != want {
		t.Errorf("got\n%s\nwant\n%s", d.Text(), want)
	}
	text := d.Text()
	if err := d.SetEach(map[string]string{"a": "x", "y": "z"}, "m", "a"); err == nil || d.Text() != text {
		t.Errorf("%v, %s", err, d.Text())
	}
}

func TestWhatCannotBeChangedInPlaceIsRefusedAndStays(t *testing.T) {
	for _, test := range []struct{ name, before, change, want string }{
		{"below an alias", "a: &x {k: 1}\nb: *x\n", "b/k=2", "line 2: b.k: b is an alias"},
		{"an anchored mapping that others use", "a: &x\n  k: 1\nb: *x\n", "a=2", "other places refer to it as *x"},
		{"a change that an alias would take over", "a: &x\n  k: 1\nb: *x\n", "a/k=2", "line 2: a.k: the text is written"},
		{"no mapping", "- a\n", "a=1", "line 1: is no mapping"},
		{"a list on the way", "a: [1]\n", "a/b=1", "a is no mapping"},
		{"a key twice", "a: 1\na: 2\n", "a=1", "line 2: has a key twice"},
		{"aliases of aliases", "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n" +
			"d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n" +
			"g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]\n", "a=1", "is too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := NewDocument(test.before)
			if err != nil {
				t.Fatal(err)
			}
			err = step(t, d, test.change)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if d.Text() != test.before {
				t.Errorf("it became %q", d.Text())
			}
		})
	}
}

func TestAFileIsTheSumOfItsDocuments(t *testing.T) {
	for _, test := range []struct {
		text  string
		lines []int // at which the documents' content begins
	}{
		{"a: 1\n", []int{1}},
		{"", []int{1}},
		{"# only a comment\n", []int{1}},
		{"\ufeff# c\n---\na: 1\n---\n\nb: 2\n", []int{3, 6}},
		{"a: 1\n---\n---\nb: 2", []int{1, 3, 4}},
		{"a: |\n  text\n  ---\n--- # c\nb: 2\n", []int{1, 5}},
		{"%YAML 1.1\n---\na: 1\n...\n%YAML 1.1\n---\nb: 2\n...\n", []int{3, 7}},
		{"a: 1\r\n---\r\nb: 2\r\n", []int{1, 3}},
		{"a: 1\n...\nb: 2\n", []int{1, 3}},
	} {
		f, err := Parse([]byte(test.text))
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if got := string(f.Bytes()); got != test.text {
			t.Errorf("%q became %q", test.text, got)
		}
		var lines []int
		for _, d := range f.Documents() {
			lines = append(lines, d.Line())
			if d.Root() != nil {
				if err := d.Set("new", "zzz"); err != nil {
					t.Errorf("%q: %v", test.text, err)
				}
			}
		}
		if len(lines) != len(test.lines) {
			t.Fatalf("%q: documents at %v, want %v", test.text, lines, test.lines)
		}
		for i := range lines {
			if lines[i] != test.lines[i] && f.Documents()[i].Root() != nil {
				t.Errorf("%q: documents at %v, want %v", test.text, lines, test.lines)
			}
		}
		if _, err := Parse(f.Bytes()); err != nil {
			t.Errorf("%q: %v", f.Bytes(), err)
		}
	}
}

func TestErrorsSayTheLineAndQuoteNothing(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: *swordfish\n":        "refers to an anchor that is not there; a text that begins with * has to be quoted",
		"a: swordfish: x\n":            "line 1: is no valid YAML: mapping values are not allowed in this context",
		"---\na: 1\n---\nb: {\n":       "is no valid YAML",
		"a: \"swordfish\\q\"\n":        "line 1: is no valid YAML: found unknown escape character",
		"a: !<swordfish b\n":           "is no valid YAML",
		"a: %swordfish\n":              "line 1: is no valid YAML: found character that cannot start any token",
		"a: 1\n\tswordfish: 2\n":       "is no valid YAML",
		"swordfish\x00":                "is no valid YAML: control characters are not allowed",
		"swordfish\xff":                "is no text in UTF-8",
		"a: 1\n...\nswordfish: [\n---": "is no valid YAML",
	} {
		_, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%q: %v quotes it", text, err)
		}
	}
	for text, want := range map[string]string{
		"? [swordfish]\n: 1\n":         "line 1: has a key that is no text",
		"swordfish: 1\nswordfish: 2":   "line 2: has a key twice",
		"a: !!int swordfish":           "is no valid YAML",
		"a: &swordfish [*swordfish]\n": "",
	} {
		d, err := NewDocument(text)
		if err == nil {
			_, err = d.JSON()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
