package reference

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryVariableThatTheCodeReadsIsTold looks at every program's own code; what libraries read is told as such.
func TestEveryVariableThatTheCodeReadsIsTold(t *testing.T) {
	read := map[string]bool{}
	reading := regexp.MustCompile(`os\.(?:Getenv|LookupEnv)\((?:"(\w+)")?`)
	for _, folder := range []string{"pkg", "plugins", "webhook"} {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, match := range reading.FindAllSubmatch(text, -1) {
				if len(match[1]) == 0 {
					t.Errorf("%s reads a variable whose name cannot be told", path)
				}
				read[string(match[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(read) < 5 {
		t.Fatalf("only %v are read", read)
	}
	for _, v := range Variables() {
		if !v.Library && !read[v.Name] {
			t.Errorf("nothing reads %s", v.Name)
		}
	}
	for name := range read {
		if !slices.ContainsFunc(Variables(), func(v Variable) bool { return v.Name == name }) {
			t.Errorf("%s is read and not told", name)
		}
	}
}
