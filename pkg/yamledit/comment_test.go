package yamledit

import (
	"slices"
	"strings"
	"testing"
)

func TestCommentsAreToldFromTheRest(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		{"a: 1\n", nil},
		{"# top\n---\n# head\na: 1 # one\n# tail\n", []string{"# top", "# head", "# one", "# tail"}},
		{"a: x#y # c\nb: 'x # y' #d\nc: \"x # \\\" # y\" # e\n", []string{"# c", "#d", "# e"}},
		{"a: | # header\n  # no comment\n  text\n # less\nb: >-\n  x # y\n\n# d\n", []string{"# header", "# less", "# d"}},
		{"a: |2 # header\n    # no comment\n  # nor this\n # but this\n", []string{"# header", "# but this"}},
		{"a: {b: 1, # one\n  # two\n  c: [d, # three\n  e]} # four\n", []string{"# one", "# two", "# three", "# four"}},
		{"a: {b: 1,#one\n  c: 2}#two\n", []string{"#one", "#two"}},
		{"a: &xy # one\n  b # two\nc: *xy # three\n", []string{"# one", "# two", "# three"}},
		{"a: !xy # one\n  b # two\n", []string{"# one", "# two"}},
		{"a: !!str # empty\nb: 1\n", []string{"# empty"}},
		{"a: one\n  two # c\n  \nb: 1\n", []string{"# c"}},
		{"- a # one\n# two\n- b: c # three\n  # four\n  d:\n  # five\n  - e\n", []string{"# one", "# two", "# three", "# four", "# five"}},
		{"%YAML 1.1 # one\n--- # two\na: 1\n... # three\n", []string{"# one", "# two", "# three"}},
		{"a: 1 # one\r\n# two\r\nb: 2\r\n", []string{"# one", "# two"}},
		{"# alone\n", []string{"# alone"}},
		{"ü: 漢字 # é\n", []string{"# é"}},
		{"a:\n  # above\n  value # behind\n", []string{"# above", "# behind"}},
	} {
		d, err := NewDocument(test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if got, ok := d.Comments(); !ok || !slices.Equal(got, test.want) {
			t.Errorf("%q has %q, %v, want %q", test.text, got, ok, test.want)
		}
	}
}

func TestBracesBecomeLines(t *testing.T) {
	for _, test := range []struct{ before, path, after string }{
		{"m: {a: x, b: y}\nn: 1\n", "m", "m:\n  a: x\n  b: y\nn: 1\n"},
		{"m: {a: x, # one\n  # about b\n  b: y # two\n  # end\n  } # all\nn: 1\n", "m", "m: # all\n  a: x # one\n  # about b\n  b: y # two\n  # end\nn: 1\n"},
		{"m: { # all\n  a: x }\n", "m", "m: # all\n  a: x\n"},
		{"m: { # first\n  a: x } # all\n", "m", "m: # all\n  # first\n  a: x\n"},
		{"m: {\"a\":\"x\",'b':'y',}\n", "m", "m:\n  \"a\": \"x\"\n  'b': 'y'\n"},
		{"m: {a: # why\n    x}\n", "m", "m:\n  # why\n  a: x\n"},
		{"m: {a: {b: c, # kept\n      d: e}, f: [1, 2]}\n", "m", "m:\n  a: {b: c, # kept\n      d: e}\n  f: [1, 2]\n"},
		{"{m: {a: x}, n: 1}\n", "", "m: {a: x}\nn: 1\n"},
		{"# top\n{m: 1, # one\n n: 2}\n# end\n", "", "# top\nm: 1 # one\nn: 2\n# end\n"},
		{"--- {m: 1} # c\n", "", "--- # c\nm: 1\n"},
		{"k:\n    m: {a: x}\n", "k/m", "k:\n    m:\n        a: x\n"},
		{"m:\r\n  k: 1\r\nn: {a: x, # one\r\n  b: y}\r\n", "n", "m:\r\n  k: 1\r\nn:\r\n  a: x # one\r\n  b: y\r\n"},
		{"m: {a: x}", "m", "m:\n  a: x"},
		{"m:\n  {a: x}\n", "m", "m:\n  a: x\n"},
	} {
		d, err := NewDocument(test.before)
		if err != nil {
			t.Fatal(err)
		}
		var path []string
		if test.path != "" {
			path = strings.Split(test.path, "/")
		}
		if ok := d.Unfold(path...); !ok || d.Text() != test.after {
			t.Errorf("%q becomes, %v,\n%q, want\n%q", test.before, ok, d.Text(), test.after)
		}
	}
	for _, test := range []struct{ text, path string }{
		{"m:\n  a: x\n", "m"}, {"m: {}\n", "m"}, {"m: {a, b: x}\n", "m"}, {"m: {? a : b}\n", "m"}, {"m: &x {a: b}\nn: *x\n", "n"},
		{"m: &x {a: b}\nn: *x\n", "m"}, {"m: !!map {a: b}\n", "m"}, {"m: [a]\n", "m"}, {"m: {k: {a: x}}\n", "m/k"}, {"- a\n", ""},
	} {
		d, err := NewDocument(test.text)
		if err != nil {
			t.Fatal(err)
		}
		var path []string
		if test.path != "" {
			path = strings.Split(test.path, "/")
		}
		if ok := d.Unfold(path...); ok || d.Text() != test.text {
			t.Errorf("%q becomes, %v, %q", test.text, ok, d.Text())
		}
	}
}
