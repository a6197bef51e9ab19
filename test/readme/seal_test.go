package readme

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// parted takes the section of a title out of a text.
func parted(t *testing.T, text, title string) (section, rest string) {
	t.Helper()
	begin := strings.Index(text, "\n## "+title+"\n")
	if begin < 0 {
		t.Fatalf("there is no section %s", title)
	}
	end := strings.Index(text[begin+1:], "\n## ")
	if end < 0 {
		t.Fatalf("section %s is the last one", title)
	}
	end += begin + 1
	return text[begin:end], text[:begin] + text[end:]
}

// sealed are the parts of the output of sealing that differ from run to run, or that the README shortens.
var sealed = []struct {
	pattern *regexp.Regexp
	stands  string
}{
	{regexp.MustCompile(`\bA[gQ][A-Za-z0-9+/]{20,}[=…]*`), "SEALED"},
	{regexp.MustCompile(`SHA256:[A-Za-z0-9+/]{43}`), "SHA256:FINGERPRINT"},
	{regexp.MustCompile(`sha256:[0-9a-f]+…?`), "sha256:DIGEST"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
}

func unvarying(lines []string) []string {
	text := strings.Join(lines, "\n")
	for _, s := range sealed {
		text = s.pattern.ReplaceAllString(text, s.stands)
	}
	return strings.Split(text, "\n")
}

func TestTheSealSectionShowsWhatTheCommandsPrint(t *testing.T) {
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	section, _ := parted(t, string(text), "Seal")
	dir := t.TempDir()
	repository := filepath.Join(dir, "repository")
	for _, folder := range []string{filepath.Join(repository, ".git"), filepath.Join(dir, "keys")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{filepath.Join(dir, "password"): "another one"}
	configurations := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(section, -1) {
		first, _, _ := strings.Cut(block[1], "\n")
		if path, ok := strings.CutPrefix(first, "# "); ok {
			files[filepath.Join(repository, path)] = block[1]
			continue
		}
		configurations++
		if _, err := sealconfig.Parse([]byte(block[1]), repository); err != nil {
			t.Errorf("the configuration is not valid: %v", err)
		}
	}
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin, err := harness.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	steps := parse(t, section)
	if len(steps) < 8 || configurations != 1 {
		t.Fatalf("the section has only %d commands, and %d configurations", len(steps), configurations)
	}
	for _, step := range steps {
		words := strings.Fields(step.command)
		if words[0] == "kubectl" {
			words[0] = filepath.Join(bin, "kubectl")
		}
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Dir = repository
		cmd.Env = []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + dir, "KUBECONFIG=" + filepath.Join(dir, "none")}
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
		if !same(normal(unvarying(got)), normal(unvarying(trimmed(step.output)))) {
			t.Fatalf("$ %s\nprints\n%s\nthe README says\n%s", step.command, strings.Join(got, "\n"), strings.Join(step.output, "\n"))
		}
	}
}

// trimmed is an output without blank lines at its end.
func trimmed(lines []string) []string {
	return strings.Split(strings.TrimRight(strings.Join(lines, "\n"), "\n"), "\n")
}
