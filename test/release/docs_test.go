package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The commands that docs/install.md shows are run as they stand, with a served release in place of GitHub's.
func TestTheCommandsThatPeopleInstallWithAreTrue(t *testing.T) {
	dir, number := dist(t)
	url := serve(t, dir)
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer(
		"https://github.com/gitops-drift/gitops-drift/releases/latest/download", url,
		"_0.1.0_linux_amd64", "_"+number+"_linux_"+runtime.GOARCH)
	for _, test := range []struct {
		section  string
		programs []string
		ends     string
	}{
		{"The plugins with krew", []string{"kubectl", "kubectl-krew"}, "kubectl completes kubectl gitops-drift now: "},
		{"The plugins with Flux", []string{"flux"}, "flux drift"},
		{"The plugins by hand", []string{"kubectl"}, "v" + number + " commit "},
	} {
		t.Run(test.section, func(t *testing.T) {
			s := newShell(t, folderOf(t, test.programs...))
			home := t.TempDir()
			bin := filepath.Join(home, ".local", "bin")
			if err := os.MkdirAll(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			s.path = append(s.path, bin, filepath.Join(home, ".krew", "bin"))
			s.env = append(s.env, "HOME="+home, "KREW_DEFAULT_INDEX_URI="+emptyIndex(t), "KREW_NO_UPGRADE_CHECK=1")
			downloads := t.TempDir()
			archive := "kubectl-gitops_drift_" + number + "_linux_" + runtime.GOARCH + ".tar.gz"
			for _, name := range []string{archive, "checksums.txt"} {
				if err := os.Symlink(filepath.Join(dir, name), filepath.Join(downloads, name)); err != nil {
					t.Fatal(err)
				}
			}
			script := here.Replace(commands(t, string(text), test.section))
			out := s.output("sh", "-c", `cd "$1" && set -eux && eval "$2"`, "sh", downloads, script)
			if !strings.Contains(out, test.ends) {
				t.Errorf("%s\nprints\n%s", script, out)
			}
		})
	}
}

// commands are what the code blocks of a section hold.
func commands(t *testing.T, text, section string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, "\n## "+section+"\n")
	if !ok {
		t.Fatalf("there is no section %q", section)
	}
	body, _, _ := strings.Cut(after, "\n## ")
	var out strings.Builder
	for line := range strings.Lines(body) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			out.WriteString(command)
		}
	}
	if out.Len() == 0 {
		t.Fatalf("the section %q shows no command", section)
	}
	return out.String()
}

// emptyIndex is an index of krew that lists no plugins.
func emptyIndex(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plugins", ".keep"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "Begin"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return dir
}
