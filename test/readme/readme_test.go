package readme

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/stage"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(m.Run())
}

// step is a command of the README and what the README says it prints.
type step struct {
	command string
	output  []string
}

// A policy takes effect, and a drifted object is back, within moments; a step may be tried again until then.
const patience = 20 * time.Second

func TestConsoleBlocksShowWhatTheCommandsPrint(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, others := parted(t, string(text), "Seal") // which needs no cluster
	_, others = parted(t, others, "One key in several clusters")
	steps := parse(t, others)
	if len(steps) < 8 {
		t.Fatalf("the README has only %d commands", len(steps))
	}
	s, err := stage.Start(ctx, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, step := range steps {
		want := normal(step.output)
		var got []string
		for deadline := time.Now().Add(patience); ; {
			got = run(ctx, t, s.Cluster, root, step.command)
			if same(normal(got), want) || time.Now().After(deadline) {
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
		if !same(normal(got), want) {
			t.Fatalf("$ %s\nprints\n%s\nthe README says\n%s", step.command, strings.Join(got, "\n"), strings.Join(step.output, "\n"))
		}
	}
}

func TestMakeDemoPlaysTheWholeStory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "make", "demo")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make demo: %v\n%s", err, out)
	}
	for _, chapter := range []string{"(a)", "(b)", "(c)", "(d)", "(e)", "Summary"} {
		if !strings.Contains(string(out), chapter) {
			t.Errorf("the demo has no chapter %s", chapter)
		}
	}
	if strings.Contains(string(out), "\x1b[") {
		t.Error("the demo writes colours though nobody has a terminal")
	}
}

// parse reads the console blocks: a command after "$ ", then its output.
func parse(t *testing.T, text string) []step {
	t.Helper()
	var steps []step
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for _, line := range strings.Split(strings.TrimSuffix(block[1], "\n"), "\n") {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: command})
				continue
			}
			if len(steps) == 0 {
				t.Fatalf("%q follows no command", line)
			}
			last := &steps[len(steps)-1]
			last.output = append(last.output, line)
		}
	}
	return steps
}

func run(ctx context.Context, t *testing.T, cluster *harness.Cluster, dir, command string) []string {
	t.Helper()
	words := strings.Fields(command)
	cmd, err := cluster.Command(ctx, harness.OnCall, words[0], words[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}

// moving are the parts of the output that differ from run to run.
var moving = []struct {
	pattern *regexp.Regexp
	stands  string
}{
	{regexp.MustCompile(`\bpayments-api-[a-z0-9]{5}\b`), "BREAKGLASS"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d UTC`), "CLOCK UTC"},
	{regexp.MustCompile(`sha1:[0-9a-f]{7}\b`), "sha1:COMMIT"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(s|m|h)(\d+s)?\b`), "TIME"},
	{regexp.MustCompile(` +`), " "},
}

func normal(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		for _, m := range moving {
			line = m.pattern.ReplaceAllString(line, m.stands)
		}
		out = append(out, strings.TrimRight(line, " "))
	}
	return out
}

// same compares line by line; a line of the README that is only … stands for any output at all.
func same(got, want []string) bool {
	if len(want) == 1 && want[0] == "…" {
		return true
	}
	return strings.Join(got, "\n") == strings.Join(want, "\n")
}
