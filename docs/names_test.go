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

var metric = regexp.MustCompile(`\bgitops_drift_[a-z_]+\b`)

var (
	// Metrics are named by a text, or in a file by texts that one and the same beginning is put before.
	whole     = regexp.MustCompile(`"(gitops_drift_[a-z_]+[a-z])"`)
	beginning = regexp.MustCompile(`"(gitops_drift_[a-z_]+_)" ?\+`)
	ending    = regexp.MustCompile(`"([a-z_]+_total)"`)
)

// metrics are those of the code.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, folder := range []string{"pkg", "webhook"} {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, match := range whole.FindAllSubmatch(text, -1) {
				out[string(match[1])] = true
			}
			if before := beginning.FindSubmatch(text); before != nil {
				for _, match := range ending.FindAllSubmatch(text, -1) {
					if !out[string(match[1])] {
						out[string(before[1])+string(match[1])] = true
					}
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestMetricsAreThoseOfTheCode(t *testing.T) {
	code, told := metrics(t), map[string]bool{}
	shortened := regexp.MustCompile("`…(_[a-z_]+)`")
	for _, p := range written(t) {
		for _, name := range metric.FindAllString(p.text, -1) {
			told[name] = true
			if !code[name] {
				t.Errorf("%s names the metric %s, which there is not", p.path, name)
			}
		}
		// The others of a row have the same beginning.
		for _, match := range shortened.FindAllStringSubmatch(p.text, -1) {
			found := false
			for name := range code {
				if strings.HasSuffix(name, match[1]) {
					told[name], found = true, true
				}
			}
			if !found {
				t.Errorf("%s names a metric …%s, which there is not", p.path, match[1])
			}
		}
	}
	if len(code) < 25 {
		t.Fatalf("the code has only %d metrics", len(code))
	}
	for name := range code {
		if !told[name] {
			t.Errorf("nothing tells of the metric %s", name)
		}
	}
}

// TestReasonsAreThoseOfTheCode looks at the tables with a column for reasons, events and decisions.
func TestReasonsAreThoseOfTheCode(t *testing.T) {
	all := texts(t)
	checked := 0
	for _, p := range written(t) {
		for _, column := range []string{"reason", "event", "decision", "verdict"} {
			for _, name := range explained(p, column) {
				checked++
				if !slices.Contains(all, name) {
					t.Errorf("%s: there is no %s %s", p.path, column, name)
				}
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d names were found", checked)
	}
}
