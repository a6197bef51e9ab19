package origin_test

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/origin"
)

// edit is a change of one value on one line, or of a whole file where line is 0. Column and length are those of the
// value in bytes, without quotes.
type edit struct {
	file                 string
	line, column, length int
}

func (e edit) String() string { return fmt.Sprintf("%s:%d:%d", e.file, e.line, e.column+1) }

// value is a scalar of a file.
type value struct {
	// line is the one that the value stands on, or that a block of lines begins on.
	line int
	edit edit
	path []step
	text string
}

// step is a part of a path: the name of a field, or the number of an item and the item.
type step struct {
	name string
	item *yaml.Node
}

func structured(file string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)) || filepath.Base(file) == "Kustomization"
}

// locate finds the value of a field on a line: of all that stand there the one that fits best.
func (r repo) locate(at origin.Origin, leaf leaf) (edit, bool) {
	if !structured(at.File) {
		lines := strings.Split(r[at.File], "\n")
		if at.Line > len(lines) {
			return edit{}, false
		}
		line := strings.TrimRight(lines[at.Line-1], "\r")
		column := strings.IndexByte(line, '=') + 1
		return edit{at.File, at.Line, column, len(line) - column}, true
	}
	var best value
	score, count := 0, 0
	for _, v := range r.values(at.File) {
		if v.line != at.Line {
			continue
		}
		count++
		if s := v.fits(leaf); count == 1 || s > score {
			best, score = v, s
		}
	}
	e := best.edit
	if line := strings.Split(r[at.File], "\n"); count > 0 && best.suffix(leaf) == 0 && leaf.text != "" && !strings.Contains(best.text, "$") {
		// A replacement may copy a part.
		if from := strings.Index(line[e.line-1][e.column:e.column+e.length], leaf.text); from >= 0 {
			e.column, e.length = e.column+from, len(leaf.text)
		}
	}
	return e, score > 0 || count == 1
}

// suffix is how many parts of the paths of value and field are the same, from their ends.
func (v value) suffix(leaf leaf) int {
	for i := 1; ; i++ {
		if i > len(v.path) || i > len(leaf.path) || !v.path[len(v.path)-i].is(leaf.path[len(leaf.path)-i]) {
			return i - 1
		}
	}
}

// fits tells how well a value fits a field: by its path, by its text, and by what kustomizations call the field.
func (v value) fits(leaf leaf) int {
	score := 10 * v.suffix(leaf)
	last := v.path[len(v.path)-1].name
	switch {
	case slices.Contains(map[string][]string{"image": {"newTag", "digest", "newName"}, "replicas": {"count"}, "namespace": {"targetNamespace"}}[leaf.name], last):
		score += 8
	case len(v.path) > 1 && v.path[len(v.path)-2].name == "literals" && strings.HasPrefix(v.text, leaf.name+"="):
		score += 8
	}
	switch {
	case v.text == leaf.text, v.text != "" && base64.StdEncoding.EncodeToString([]byte(v.text)) == leaf.text:
		score += 5
	case v.text != "" && (strings.Contains(leaf.text, v.text) || strings.Contains(v.text, leaf.text)):
		score++
	}
	return score
}

func (s step) is(element fieldpath.PathElement) bool {
	switch {
	case element.FieldName != nil:
		return s.name == *element.FieldName
	case element.Index != nil:
		return s.name == strconv.Itoa(*element.Index)
	case element.Value != nil:
		return s.item != nil && s.item.Value == fmt.Sprint((*element.Value).Unstructured())
	case element.Key == nil || s.item == nil:
		return false
	}
	for i := 0; i+1 < len(s.item.Content); i += 2 {
		for _, key := range *element.Key {
			if s.item.Content[i].Value == key.Name && s.item.Content[i+1].Value != fmt.Sprint(key.Value.Unstructured()) {
				return false
			}
		}
	}
	return true
}

// values are all scalars of a YAML or JSON file, also those within texts that are YAML themselves.
func (r repo) values(file string) []value {
	v := &visitor{file: file, lines: strings.Split(r[file], "\n")}
	v.stream(r[file], func(line, column int) (int, int) { return line, column })
	return v.out
}

// place turns a line and a column of a text, both from 1, into those of the file; line 0 if it has none.
type place func(line, column int) (int, int)

type visitor struct {
	file  string
	lines []string
	out   []value
}

// stream visits documents up to the first that is none.
func (v *visitor) stream(content string, at place) {
	decoder := yaml.NewDecoder(strings.NewReader(content))
	for {
		var doc yaml.Node
		if err := decoder.Decode(&doc); err != nil {
			return
		}
		v.visit(doc.Content[0], nil, at)
	}
}

func (v *visitor) visit(n *yaml.Node, path []step, at place) {
	switch n.Kind {
	case yaml.MappingNode:
		path := slices.Concat(pointed(n), path)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if len(pointed(n)) > 0 && key == "value" {
				// What a JSON patch writes is at the path that it names.
				v.visit(n.Content[i+1], pointed(n), at)
				continue
			}
			v.visit(n.Content[i+1], append(slices.Clone(path), step{name: key}), at)
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			v.visit(item, append(slices.Clone(path), step{strconv.Itoa(i), item}), at)
		}
	case yaml.AliasNode:
		if n.Alias.Kind == yaml.ScalarNode {
			v.scalar(n, n.Alias.Value, path, at)
		}
	case yaml.ScalarNode:
		if inner := v.inner(n, path, at); inner != nil {
			v.stream(n.Value, inner)
			return
		}
		v.scalar(n, n.Value, path, at)
	}
}

// pointed is the path of an operation of a JSON patch, nil of other maps.
func pointed(n *yaml.Node) []step {
	var op, path string
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case "op":
			op = n.Content[i+1].Value
		case "path":
			path = n.Content[i+1].Value
		}
	}
	if op == "" || !strings.HasPrefix(path, "/") {
		return nil
	}
	var out []step
	for _, name := range strings.Split(path[1:], "/") {
		s := step{name: strings.NewReplacer("~1", "/", "~0", "~").Replace(name)}
		if _, err := strconv.Atoi(name); err == nil || name == "-" {
			s.item = &yaml.Node{} // fits every item
		}
		out = append(out, s)
	}
	return out
}

// inner is where the patch stands that a scalar holds, nil if it holds none.
func (v *visitor) inner(n *yaml.Node, path []step, at place) place {
	if !slices.ContainsFunc(path, func(s step) bool { return s.name == "patch" || s.name == "patchesStrategicMerge" }) || !strings.Contains(n.Value, ":") {
		return nil
	}
	line, column := at(n.Line, n.Column)
	if n.Style&yaml.LiteralStyle != 0 {
		content := strings.Split(n.Value, "\n")
		return func(l, c int) (int, int) {
			return line + l, c + len(strings.TrimRight(v.lines[line+l-1], "\r")) - len(content[l-1])
		}
	}
	if from := strings.Index(v.lines[line-1][column-1:], n.Value); from >= 0 {
		return func(_, c int) (int, int) { return line, column + from + c - 1 }
	}
	return nil
}

func (v *visitor) scalar(n *yaml.Node, text string, path []step, at place) {
	named, column := at(n.Line, n.Column)
	line := named
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		// The lines of a block follow the one that names it.
		line++
		if line > len(v.lines) {
			return
		}
		content := strings.TrimRight(v.lines[line-1], "\r")
		column = len(content) - len(strings.TrimLeft(content, " "))
		v.out = append(v.out, value{named, edit{v.file, line, column, len(content) - column}, path, text})
		return
	}
	content := strings.TrimRight(v.lines[line-1], "\r")
	column = len(string([]rune(content)[:column-1]))
	if decorated := regexp.MustCompile(`^([&!]\S*\s+)+`).FindString(content[column:]); n.Kind != yaml.AliasNode {
		column += len(decorated)
	}
	source := content[column:]
	length := len(source)
	var closing *regexp.Regexp
	switch {
	case n.Kind == yaml.AliasNode:
		length = len(n.Value) + 1
	case n.Style&yaml.SingleQuotedStyle != 0:
		closing = regexp.MustCompile(`^'((?:[^']|'')*)`)
	case n.Style&yaml.DoubleQuotedStyle != 0:
		closing = regexp.MustCompile(`^"((?:[^"\\]|\\.)*)`)
	case strings.HasPrefix(source, text):
		length = len(text)
	}
	if closing != nil {
		column++
		if match := closing.FindStringSubmatch(source); match != nil {
			length = len(match[1])
		}
	}
	if len(path) > 1 && path[len(path)-2].name == "literals" {
		// The key before the value is the name of a field.
		if key, _, ok := strings.Cut(content[column:column+length], "="); ok {
			column, length = column+len(key)+1, length-len(key)-1
		}
	}
	v.out = append(v.out, value{named, edit{v.file, line, column, length}, path, text})
}

// change is an edit to one of two other values, 0 or 1.
type change struct {
	edit
	variant int
}

// with returns a copy with other values at the edits.
func (r repo) with(changes ...change) repo {
	out := maps.Clone(r)
	// From the end of a line to its beginning, for an edit may move what follows.
	changes = slices.SortedFunc(slices.Values(changes), func(a, b change) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(b.line, a.line), cmp.Compare(b.column, a.column))
	})
	for _, e := range changes {
		if e.line == 0 {
			out[e.file] += "x\n"
			continue
		}
		lines := strings.Split(out[e.file], "\n")
		line := lines[e.line-1]
		lines[e.line-1] = line[:e.column] + other(line[e.column:e.column+e.length], e.variant) + line[e.column+e.length:]
		out[e.file] = strings.Join(lines, "\n")
	}
	return out
}

// binary reports whether the value has only one other.
func (r repo) binary(e edit) bool {
	return r.with(change{e, 0})[e.file] == r.with(change{e, 1})[e.file]
}

// other returns another value, and keeps its type: numbers, quantities and base64 stay such.
func other(text string, variant int) string {
	added := string(rune('x' + variant))
	switch {
	case text == "true":
		return "false"
	case text == "false":
		return "true"
	case strings.HasPrefix(text, "$"):
		return added + text
	case strings.HasPrefix(text, "*"):
		return "other" + added
	case strings.HasSuffix(text, "="):
		// The last characters of base64 have bits that mean nothing.
		return string(rune('E'+variant)) + text[1:]
	case len(text) == 1 && strings.ContainsAny(text, "mxwMXW"):
		return text + added // or else it may be y or n, which are booleans
	}
	escaped := false
	for i, c := range []byte(text) {
		if escaped || c == '\\' {
			escaped = !escaped
			continue
		}
		for _, within := range []string{"09", "az", "AZ"} {
			if c < within[0] || c > within[1] {
				continue
			}
			if c++; int(c)+variant <= int(within[1]) {
				c += byte(variant)
			} else {
				c -= byte(2 + variant)
			}
			return text[:i] + string(rune(c)) + text[i+1:]
		}
	}
	return text + added
}
