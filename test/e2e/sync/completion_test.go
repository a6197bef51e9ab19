package sync

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// The real kubectl completes what the plugins offer, once they have installed their shims.
func TestKubectlCompletesThePlugins(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd, err := shared.Command(patient.Context(t), harness.OnCall, "kubectl", args...)
		if err != nil {
			t.Fatal(err)
		}
		plugins, err := exec.LookPath(cmd.Path)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "PATH="+strings.Join([]string{filepath.Dir(plugins), dir, os.Getenv("PATH")}, string(os.PathListSeparator)))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("kubectl %s: %v %s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	for _, test := range []struct {
		plugin, typed, want string
	}{
		{"gitops-reconcile", "kustom", "kustomization/\n"},
		{"gitops-drift", "hist", "history\t"},
		{"gitops-seal", "--all-c", "--all-contexts"},
	} {
		if got := run(test.plugin, "completion", "install", "--dir", dir); !strings.Contains(got, "kubectl completes kubectl "+test.plugin+" now: "+dir) {
			t.Errorf("got %q", got)
		}
		if got := run("__complete", test.plugin, test.typed); !strings.Contains(got, test.want) {
			t.Errorf("%s %s is completed by %q", test.plugin, test.typed, got)
		}
	}
}
