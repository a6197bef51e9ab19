// Package docs holds the tests that the documentation is true, as far as programs can tell: links lead somewhere, commands
// have the flags that the code has, messages are in the source, and YAML is what the API server would take.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is one Markdown file; its path is relative to the root of the repository.
type page struct {
	path string
	text string
}

// pages are README.md, CONTRIBUTING.md, everything in docs/, and what the manifests come with.
func pages(t *testing.T) []page {
	t.Helper()
	var out []page
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel("..", path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && name != "." || slices.Contains([]string{"bin", "dist", "test", "pkg", "hack"}, name)) {
			return fs.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		out = append(out, page{path: name, text: string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(out, func(p page) bool { return p.path == "README.md" }) || len(out) < 15 {
		t.Fatalf("there are only %d pages", len(out))
	}
	return out
}

// written are the pages that people write.
func written(t *testing.T) []page {
	t.Helper()
	return slices.DeleteFunc(pages(t), func(p page) bool { return strings.HasPrefix(p.path, "docs/reference/") })
}

// block is a fenced or indented piece of code.
type block struct {
	language string // "" where it is indented, or no language is named
	text     string
}

var fence = regexp.MustCompile("^ *```(\\w*)$")

// blocks are the pieces of code of a page, and the page without them.
func (p page) blocks() (code []block, prose string) {
	var rest strings.Builder
	var open *block
	// An indented block begins after a blank line, and goes on over blank lines.
	afterBlank, indented := true, false
	for _, line := range strings.Split(p.text, "\n") {
		mark := fence.FindStringSubmatch(line)
		switch {
		case mark != nil && open == nil:
			open = &block{language: mark[1]}
		case mark != nil:
			code, open = append(code, *open), nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "    ") && indented:
			code[len(code)-1].text += line + "\n"
		case strings.HasPrefix(line, "    ") && afterBlank:
			code, indented = append(code, block{text: line + "\n"}), true
		default:
			indented = indented && line == ""
			rest.WriteString(line + "\n")
		}
		afterBlank = line == ""
	}
	return code, rest.String()
}

var span = regexp.MustCompile("`([^`\n]+)`")

// spans are the pieces of code in a text.
func spans(text string) []string {
	var out []string
	for _, match := range span.FindAllStringSubmatch(text, -1) {
		out = append(out, match[1])
	}
	return out
}
