package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Result is what a command printed and how it ended.
type Result struct {
	Stdout, Stderr string
	// Code is the exit code; -1 if a signal ended it.
	Code int
}

// Command prepares a program (see [Program]) to be run as user: with the user's kubeconfig, the programs'
// folder first in PATH (so that kubectl finds our plugins), and HOME and TMPDIR in the temporary folder. The
// caller may add to Env, set the streams, and runs it. It ends with the cluster, or when ctx does.
func (c *Cluster) Command(ctx context.Context, user User, program string, args ...string) (*exec.Cmd, error) {
	path, err := Program(program)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	// A grandchild may hold the output open after the command was killed.
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(c.environment("home"),
		"PATH="+filepath.Dir(path)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"KUBECONFIG="+c.Kubeconfig(user),
	)
	c.reaper.adopt(cmd)
	return cmd, nil
}

// environment is what every child gets, and all that it gets, of this process's environment. home is a
// folder below the temporary one.
func (c *Cluster) environment(home string) []string {
	env := []string{"HOME=" + filepath.Join(c.dir, home), "TMPDIR=" + filepath.Join(c.dir, "tmp")}
	for _, name := range []string{"PATH", "GOCOVERDIR", "NO_COLOR", "TERM", "COLUMNS"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// Run runs a program as user, stdin being its whole input. The error is nil whatever the exit code: it tells
// that the program could not be run, or that ctx ended it.
func (c *Cluster) Run(ctx context.Context, user User, stdin, program string, args ...string) (Result, error) {
	cmd, err := c.Command(ctx, user, program, args...)
	if err != nil {
		return Result{}, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err = cmd.Run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: -1}
	if cmd.ProcessState != nil {
		result.Code = cmd.ProcessState.ExitCode()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil {
		return result, nil
	}
	if err != nil {
		return result, fmt.Errorf("run %s %s: %w", program, strings.Join(args, " "), err)
	}
	return result, nil
}

// Kubectl runs the real kubectl as user; see [Cluster.Run].
func (c *Cluster) Kubectl(ctx context.Context, user User, stdin string, args ...string) (Result, error) {
	return c.Run(ctx, user, stdin, "kubectl", args...)
}
