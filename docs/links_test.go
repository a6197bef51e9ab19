package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
)

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	anchors := map[string]map[string]bool{}
	all := pages(t)
	for _, p := range all {
		anchors[p.path] = anchorsOf(p)
	}
	checked := 0
	for _, p := range all {
		_, prose := p.blocks()
		for _, match := range link.FindAllStringSubmatch(span.ReplaceAllString(prose, "code"), -1) {
			if err := leads(p.path, match[1], anchors); err != nil {
				t.Errorf("%s: %v", p.path, err)
			}
			checked++
		}
	}
	if checked < 60 {
		t.Errorf("only %d links were found", checked)
	}
}

// leads says what is wrong with a link of a page.
func leads(from, target string, anchors map[string]map[string]bool) error {
	if strings.HasPrefix(target, "https://") {
		return nil
	}
	path, anchor, _ := strings.Cut(target, "#")
	file := from
	if path != "" {
		file = filepath.ToSlash(filepath.Join(filepath.Dir(from), path))
	}
	if _, err := os.Stat(filepath.Join("..", file)); err != nil || strings.HasPrefix(file, "../") {
		return fmt.Errorf("%s leads to no file", target)
	}
	if anchor != "" && !anchors[file][anchor] {
		return fmt.Errorf("%s leads to no heading", target)
	}
	return nil
}

// anchorsOf are those that GitHub gives to the headings.
func anchorsOf(p page) map[string]bool {
	_, prose := p.blocks()
	out, seen := map[string]bool{}, map[string]int{}
	for _, match := range heading.FindAllStringSubmatch(prose, -1) {
		slug := slugOf(match[1])
		n := seen[slug]
		seen[slug]++
		if n > 0 {
			slug = fmt.Sprintf("%s-%d", slug, n)
		}
		out[slug] = true
	}
	return out
}

func slugOf(title string) string {
	title = link.ReplaceAllStringFunc(title, func(s string) string { return s[1:strings.Index(s, "]")] })
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsNumber(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, title)
}

func TestBrokenLinksAreFound(t *testing.T) {
	anchors := map[string]map[string]bool{"docs/operation.md": {"install": true}, "README.md": {}}
	for target, ok := range map[string]bool{
		"operation.md#install": true, "#install": true, "../README.md": true, "operation.md#installs": false, "operations.md": false, "../../etc": false,
	} {
		if err := leads("docs/operation.md", target, anchors); (err == nil) != ok {
			t.Errorf("%s: %v", target, err)
		}
	}
	if got := slugOf("`--for`, and what a [webhook](x.md) can't: do"); got != "--for-and-what-a-webhook-cant-do" {
		t.Errorf("got %s", got)
	}
}
