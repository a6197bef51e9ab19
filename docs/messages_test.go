package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// gap stands for what differs from message to message: in the documentation it is written like this, in the code as a verb or
// as anything but text.
const gap = "…"

var verb = regexp.MustCompile(`%(\[\d+\])?[-+# 0]*[\d.*]*[a-zA-Z]`)

// texts are all texts in the code of the product, and of its manifests, with gaps.
func texts(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, folder := range []string{"pkg", "plugins", "webhook"} {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(node ast.Node) bool {
				expression, ok := node.(ast.Expr)
				if !ok {
					return true
				}
				text, ok := constant(expression)
				if ok {
					out = append(out, verb.ReplaceAllStringFunc(text, func(v string) string {
						if strings.HasSuffix(v, "q") {
							return `"` + gap + `"`
						}
						return gap
					}))
				}
				_, sum := expression.(*ast.BinaryExpr)
				return !ok || !sum // the parts of a sum are in it; what is called within it is not
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range []string{"../manifests/static/*.yaml", "../manifests/crds/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, strings.Join(strings.Fields(strings.ReplaceAll(string(text), `\'`, "'")), " "))
		}
	}
	return out
}

// constant is the text of an expression that is a text, or a sum with texts in it.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.ParenExpr:
		return constant(e.X)
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, ok := constant(e.X)
		right, also := constant(e.Y)
		if !ok {
			left = gap
		}
		if !also {
			right = gap
		}
		return left + right, ok || also
	}
	return "", false
}

// foreign are messages of others that are explained.
var foreign = map[string]bool{
	"failed calling webhook": true, // the API server
	`admission webhook "edits.gitops-drift.dev" denied the request:`: true, // the API server
}

// enough is the share of a message's letters that have to be those of one text of the code; the others may be what stands for its
// verbs.
const enough = 0.7

// said reports whether a message is one that the code says. Both have gaps: that of the code takes any text, and so does that
// of the documentation, which may leave a part of the message out, its beginning and its end as well.
func said(message string, texts []string) bool {
	words := strings.FieldsFunc(message, func(r rune) bool { return !letter(r) })
	letters := len(strings.Join(words, ""))
	// One of the longest is in the text, or there is no need to look closer.
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	near := func(text string) bool {
		return slices.ContainsFunc(words[:min(len(words), 3)], func(word string) bool { return strings.Contains(text, word) })
	}
	for _, text := range texts {
		if text == message && letters > 0 {
			return true
		}
		if letters >= 8 && near(text) && float64(covered([]rune(gap+message+gap), []rune(gap+text+gap))) >= enough*float64(letters) {
			return true
		}
	}
	return false
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// covered is how many letters of a message, at most, are letters of a text that it may be; -1 where it cannot be.
func covered(message, text []rune) int {
	const hole = '…'
	after := make([]int, len(text)+1) // by where the text goes on, for the message after this rune
	for j := range after {
		after[j] = -1
	}
	after[len(text)] = 0
	for j := len(text) - 1; j >= 0 && text[j] == hole; j-- {
		after[j] = 0
	}
	for i := len(message) - 1; i >= 0; i-- {
		here := make([]int, len(text)+1)
		for j := len(text); j >= 0; j-- {
			best := -1
			if message[i] == hole {
				best = after[j]
				if j < len(text) {
					best = max(best, here[j+1])
				}
			}
			if j < len(text) && text[j] == hole {
				best = max(best, here[j+1], after[j])
			}
			if j < len(text) && text[j] == message[i] && message[i] != hole && after[j+1] >= 0 {
				n := after[j+1]
				if letter(message[i]) {
					n++
				}
				best = max(best, n)
			}
			here[j] = best
		}
		after = here
	}
	return after[0]
}

// explained are the messages in the tables of a page: in the column of that title.
func explained(p page, column string) []string {
	var out []string
	at := -1
	for _, line := range strings.Split(p.text, "\n") {
		if !strings.HasPrefix(line, "|") {
			at = -1
			continue
		}
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "\x00"), "|"), "|")
		if at < 0 {
			at = len(cells)
			for i, cell := range cells {
				if strings.TrimSpace(cell) == column {
					at = i
				}
			}
			continue
		}
		if at < len(cells) {
			for _, message := range spans(cells[at]) {
				out = append(out, strings.ReplaceAll(message, "\x00", "|"))
			}
		}
	}
	return out
}

func TestMessagesThatAreExplainedAreSaid(t *testing.T) {
	all := texts(t)
	checked := 0
	for _, p := range pages(t) {
		for _, column := range []string{"message", "it says", "line"} {
			for _, message := range explained(p, column) {
				checked++
				if !foreign[message] && !said(message, all) {
					t.Errorf("%s explains what nothing says: %s", p.path, message)
				}
			}
		}
	}
	if checked < 150 {
		t.Errorf("only %d messages were found", checked)
	}
}

func TestMessagesThatNothingSaysAreFound(t *testing.T) {
	all := []string{
		"BreakGlass … is closed, but Flux still seems to be held off its object after …; is it running?",
		"no reason, no glass: say why", "…: … at most", "…", "Flux … undo this edit. Change the file in git.", "timeout",
	}
	for message, want := range map[string]bool{
		"BreakGlass … is closed, but Flux still seems to be held off … after 10s; …": true,
		"BreakGlass … is closed, and Flux still seems to be held off …":              false,
		"Flux would undo this edit. Change the file in git.":                         true,
		"Flux would undo this edit. Change the file in the cluster.":                 false,
		"Flux would not care about the files":                                        false,
		"… is closed; BreakGlass …":                                                  false,
		"no reason, no glass: …":                                                     true,
		"no reasons, no glass: …":                                                    false,
		"timeout":                                                                    true,
		"timeouts":                                                                   false,
		"at most":                                                                    false,
		"…":                                                                          false,
	} {
		if got := said(message, all); got != want {
			t.Errorf("%q: got %v", message, got)
		}
	}
}
