package readme

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// newcomer is how long the commands of the README may take somebody who has built the control plane already.
const newcomer = 5 * time.Minute

// TestANewcomerGetsToADeniedEdit runs the commands of the sections "Try it" and "Install", in one shell, in a copy of what git has.
func TestANewcomerGetsToADeniedEdit(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), newcomer)
	defer cancel()
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	clone := cloned(ctx, t, root)
	text, err := os.ReadFile(filepath.Join(clone, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	try, rest := parted(t, string(text), "Try it")
	section, _ := parted(t, rest, "Install")
	var lines []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(try, -1) {
		lines = append(lines, strings.Split(strings.TrimSpace(block[1]), "\n")...)
	}
	installing := regexp.MustCompile(`(?m)^    (kubectl apply .*)$`).FindAllStringSubmatch(section, -1)
	if len(lines) < 8 || len(installing) < 2 || lines[0] != "make demo-up" || lines[len(lines)-1] != "make demo-down" {
		t.Fatalf("the README has these commands: %q, and %q", lines, installing)
	}
	lines, last := lines[:len(lines)-1], lines[len(lines)-1]
	// The cluster has it all installed; to do so again changes nothing.
	for _, match := range installing {
		lines = append(lines[:2:2], append([]string{match[1]}, lines[2:]...)...)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if out, err := shell(ctx, clone, last).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", last, err, out)
		}
	})
	var script strings.Builder
	for i, line := range lines {
		fmt.Fprintf(&script, "%s\necho \"=== %d $?\"\n", line, i)
	}
	started := time.Now()
	out, err := shell(ctx, clone, script.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("to a denied edit in %s", time.Since(started).Round(time.Second))
	outputs, codes := answers(string(out))
	if len(outputs) != len(lines) {
		t.Fatalf("of %d commands %d were run:\n%s", len(lines), len(outputs), out)
	}
	for i, line := range lines {
		want := "0"
		switch {
		case i == len(lines)-1, strings.Contains(line, "-o diff"):
			want = "1" // the edit is refused; drift is found
		case strings.HasPrefix(line, "eval "):
			continue // the shell's own
		}
		if codes[i] != want {
			t.Errorf("$ %s\nends with %s, not %s:\n%s", line, codes[i], want, outputs[i])
		}
	}
	if refusal := outputs[len(outputs)-1]; !strings.Contains(refusal, "denied the request: Deployment payments/payments-api is managed by Flux") ||
		!strings.Contains(refusal, "set in apps/payments-api/base/deployment.yaml:") {
		t.Errorf("$ %s\nsays\n%s", lines[len(lines)-1], refusal)
	}
}

// answers takes what a script of many commands wrote apart.
func answers(out string) (outputs, codes []string) {
	mark := regexp.MustCompile(`(?m)^=== \d+ (\d+)\n`)
	at := 0
	for _, match := range mark.FindAllStringSubmatchIndex(out, -1) {
		outputs, codes = append(outputs, out[at:match[0]]), append(codes, out[match[2]:match[3]])
		at = match[1]
	}
	return outputs, codes
}

// cloned copies what git has, or would add, and the programs of the control plane, which a newcomer builds once.
func cloned(ctx context.Context, t *testing.T, root string) string {
	t.Helper()
	clone := filepath.Join(t.TempDir(), "gitops-drift")
	if err := os.MkdirAll(filepath.Join(clone, "bin", ".stamps"), 0o755); err != nil {
		t.Fatal(err)
	}
	list := exec.CommandContext(ctx, "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	files, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range strings.Split(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		copied(t, filepath.Join(root, file), filepath.Join(clone, file))
	}
	bin, err := harness.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	stamps, err := os.ReadDir(filepath.Join(bin, ".stamps"))
	if err != nil {
		t.Fatal(err)
	}
	for _, stamp := range stamps {
		copied(t, filepath.Join(bin, ".stamps", stamp.Name()), filepath.Join(clone, "bin", ".stamps", stamp.Name()))
		if err := os.Symlink(filepath.Join(bin, stamp.Name()), filepath.Join(clone, "bin", stamp.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return clone
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if os.IsNotExist(err) {
		return // deleted, and not committed yet
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, info.Mode().Perm()); err != nil {
		t.Fatal(err)
	}
}

// shell runs a script in a folder, with nothing in its environment that a newcomer has not.
func shell(ctx context.Context, dir, script string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); name != harness.BinEnv && name != "KUBECONFIG" {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	return cmd
}
