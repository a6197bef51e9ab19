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

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/stage"
)

var (
	// keySecret is the name of the Secret of a key that a controller made itself.
	keySecret = regexp.MustCompile(`sealed-secrets-key[a-z0-9]{5}\b`)
	// listed are items that the controller lists in any order.
	listed = regexp.MustCompile(`\b(username|password)\b`)
)

func TestTheClusterSectionShowsWhatTheCommandsPrint(t *testing.T) {
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
	section, _ := parted(t, string(text), "One key in several clusters")
	steps := parse(t, section)
	if len(steps) < 5 {
		t.Fatalf("the section has only %d commands", len(steps))
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
	keys := t.TempDir()
	if err := s.StartSiblings(ctx, keys, "prod-us"); err != nil {
		t.Fatal(err)
	}
	in := func(words ...string) []string {
		t.Helper()
		cmd, err := s.Cluster.Command(ctx, harness.OnCall, words[0], words[1:]...)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Dir = s.Repo.Dir
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	}
	in("kubectl", "gitops-seal", "keygen", "--dir", keys)
	in("kubectl", "gitops-seal", "init", "--cert", filepath.Join(keys, "shared.crt"), "--contexts", stage.Environment+",prod-us")
	if err := s.ShareKey(ctx, keys); err != nil {
		t.Fatal(err)
	}
	// Of some ciphertexts the text alone rules the shared key out; the README's is not one of them.
	for tries := 0; tries == 0 || strings.Contains(strings.Join(in("kubectl", "gitops-seal", "check", "apps"), "\n"), "WrongKey"); tries++ {
		if tries == 100 {
			t.Fatal("the text of every ciphertext rules the shared key out")
		}
		in("kubeseal", "--cert", filepath.Join(keys, "fetched.crt"), "-f", filepath.Join(keys, "secret.yaml"), "-w", stage.Database, "-o", "yaml")
	}
	stands := func(lines []string) []string {
		out := normal(unvarying(lines))
		for i := range out {
			out[i] = listed.ReplaceAllString(keySecret.ReplaceAllString(out[i], "sealed-secrets-keyNAME"), "ITEM")
		}
		return out
	}
	for _, step := range steps {
		got := in(strings.Fields(step.command)...)
		if !same(stands(got), stands(trimmed(step.output))) {
			t.Fatalf("$ %s\nprints\n%s\nthe README says\n%s", step.command, strings.Join(got, "\n"), strings.Join(step.output, "\n"))
		}
	}
}
