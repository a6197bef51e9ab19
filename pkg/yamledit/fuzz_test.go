package yamledit

import (
	"bytes"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func FuzzEdit(f *testing.F) {
	for _, text := range []string{
		"", " ", "- a\n", "a: 1\n", "a:\n  b: |\n    x\n  c: >-\n    y\n", "a: {b: 'c', d: \"e\"}\n", "---\na: &x b\nc: *x\n...\n---\n- a\n", "a: !!str &x\n  b\n", "{\"a\": {\"b\": 1}}",
		"a:\r\n  b: c\r\n", "\ufeffa: b # c\n", "? a\n: b\n", "a:\n- b\n- - c: |+\n      d\n\n", "a: [b, {c: d}, e: f]\n", "%YAML 1.1\n--- !!map\na: b\n", "a: &b\n  c: 1\nd:\n  <<: *b\n",
		"a: 'x\n  y'\n", "a: x\n  y\n\n  z # c\n", "a: &x\n\n  |\n  b\n",
		"a: {b: c, # d\n  # e\n  'f': [g, # h\n  i]} # j\n", "{a: {b: c}, # d\n  e: f}\n", "a:\n  # b\n  c # d\ne: | # f\n   g\n  # h\n",
	} {
		f.Add(text, "a/b", "value")
		f.Add(text, "a", "two\nlines\n")
		f.Add(text, "new/key", "")
	}
	f.Fuzz(func(t *testing.T, text, path, value string) {
		file, err := Parse([]byte(text))
		if err != nil {
			return
		}
		if !bytes.Equal(file.Bytes(), []byte(text)) {
			t.Fatalf("%q became %q", text, file.Bytes())
		}
		keys := strings.Split(path, "/")
		for _, d := range file.Documents() {
			_, _ = d.JSON() // an error is fine, a panic is not
			unfolded, err := NewDocument(d.Text())
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range [][]string{{}, keys, keys[:1]} {
				comments, told := unfolded.Comments()
				if !unfolded.Unfold(path...) {
					continue
				}
				if after, ok := unfolded.Comments(); told && (!ok || len(after) != len(comments)) {
					t.Errorf("%q: comments %q are %q in %q", d.Text(), comments, after, unfolded.Text())
				}
			}
			if b, ok := d.Block(); ok {
				var whole strings.Builder
				whole.WriteString(b.Preamble)
				for _, e := range b.Entries {
					whole.WriteString(e.Head + e.Text)
				}
				whole.WriteString(b.Tail)
				if got := whole.String(); got != d.Text() && strings.TrimSuffix(got, d.Newline()) != d.Text() {
					t.Errorf("%q is cut into %q", d.Text(), got)
				}
			}
			before := d.Text()
			comments, told := d.Comments()
			old := d.Get(keys...)
			if err := d.Set(value, keys...); err != nil {
				if d.Text() != before {
					t.Errorf("%q became %q, with %v", before, d.Text(), err)
				}
				continue
			}
			if n := d.Get(keys...); n == nil || n.Value != value || n.ShortTag() != "!!str" {
				t.Errorf("%q: %s is not %q in %q", before, path, value, d.Text())
			}
			// Those inside of what is overwritten go with it.
			if after, ok := d.Comments(); told && ok && (old == nil || old.Kind == yaml.ScalarNode && old.Anchor == "" && old.Style&yaml.TaggedStyle == 0) && len(after) < len(comments) {
				t.Errorf("%q: comments %q of %q are %q in %q", path, comments, before, after, d.Text())
			}
			if err := d.Delete(keys...); err == nil && d.Get(keys...) != nil {
				t.Errorf("%q: %s is still there in %q", before, path, d.Text())
			}
		}
		if _, err := Parse(file.Bytes()); err != nil {
			t.Errorf("%q became %q: %v", text, file.Bytes(), err)
		}
	})
}
