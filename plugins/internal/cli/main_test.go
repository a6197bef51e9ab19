package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestHelpShowsTheNameThatWasTyped(t *testing.T) {
	for program, want := range map[string]string{
		"/usr/local/bin/kubectl-gitops_reconcile": "kubectl gitops-reconcile",
		"kubectl-gitops_drift.exe":                "kubectl gitops-drift",
		"/home/x/.fluxcd/plugins/flux-sync":       "flux sync",
		"/tmp/go-build/reconcile":                 "reconcile",
	} {
		var out bytes.Buffer
		code := run(t.Context(), program, &out, func(name string) *cobra.Command {
			cmd := &cobra.Command{Use: "plugin NAME", Run: func(*cobra.Command, []string) {}, Args: cobra.ArbitraryArgs}
			cmd.SetArgs([]string{"--help"})
			cmd.SetOut(&out)
			if name != want {
				t.Errorf("%s: name %q, want %q", program, name, want)
			}
			return cmd
		})
		if code != CodeDone || !strings.Contains(out.String(), want+" NAME") || !strings.Contains(out.String(), want+" [command]") {
			t.Errorf("%s: exit %d, help:\n%s", program, code, &out)
		}
	}
}

func TestErrorsArePrintedOnceWithTheirExitCode(t *testing.T) {
	tests := []struct {
		name, want string
		err        error
		args       []string
		code       int
	}{
		{name: "success", code: 0},
		{name: "plain", err: errors.New("no cluster"), code: 2, want: "error: no cluster\n"},
		{name: "with a code", err: &ExitError{Code: 1, Err: errors.New("timed out")}, code: 1, want: "error: timed out\n"},
		{name: "wrapped", err: fmt.Errorf("here: %w", &ExitError{Code: 1, Err: errors.New("timed out")}), code: 1, want: "error: timed out\n"},
		{name: "said already", err: &ExitError{Code: 1}, code: 1},
		{name: "joined", err: errors.Join(errors.New("a"), errors.New("b")), code: 2, want: "error: a\nerror: b\n"},
		{name: "control characters", err: errors.New("a\x1b[31mb\nc\u202e"), code: 2, want: "error: a\ufffd[31mb\nc\ufffd\n"},
		{name: "unknown flag", args: []string{"--nope"}, code: 2, want: "error: unknown flag: --nope; see kubectl x --help\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stderr bytes.Buffer
			code := run(t.Context(), "kubectl-x", &stderr, func(string) *cobra.Command {
				cmd := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return test.err }}
				cmd.SetArgs(append([]string{}, test.args...))
				return cmd
			})
			if code != test.code || stderr.String() != test.want {
				t.Errorf("exit %d, stderr %q; want %d, %q", code, &stderr, test.code, test.want)
			}
		})
	}
}
