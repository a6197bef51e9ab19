package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/stage"
)

// state is what up tells down and the user, in .demo/state.json of the checkout.
type state struct {
	PID        int    `json:"pid"`
	Kubeconfig string `json:"kubeconfig"`
	Bin        string `json:"bin"`
}

func folder() (string, error) {
	root, err := harness.ModuleRoot()
	return filepath.Join(root, ".demo"), err
}

// up starts a process that holds the cluster, and returns when the cluster is ready.
func up(ctx context.Context) (err error) {
	dir, err := folder()
	if err != nil {
		return err
	}
	if running, err := load(dir); err == nil && alive(running.PID) {
		return fmt.Errorf("the demo's cluster is running already (process %d); end it with: make demo-down", running.PID)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "serve")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println("Starting the cluster; this takes about half a minute.")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("the cluster did not start: %w\n%s", err, text)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), cmd.Process.Signal(syscall.SIGTERM), <-ended)
		case <-time.After(100 * time.Millisecond):
		}
		if s, err := load(dir); err == nil {
			return welcome(os.Stdout, s)
		}
	}
}

func welcome(w io.Writer, s state) error {
	_, err := fmt.Fprintf(w, `The cluster is running. In this shell:

  eval "$(%s/demo env)"

You are oncall@contoso.com there. Five things to try:

  kubectl gitops-drift
  kubectl set resources deployment/payments-api -n payments --limits=memory=1Gi
  kubectl gitops-drift deployment/payments-api -n payments -o diff
  kubectl gitops-reconcile kustomization/apps
  kubectl patch editpolicy record --type merge -p '{"spec":{"action":"Deny"}}'   # then try the edit again

End it with: make demo-down
`, s.Bin)
	return err
}

// env prints what a shell needs to use the cluster.
func env(context.Context) error {
	dir, err := folder()
	if err != nil {
		return err
	}
	s, err := load(dir)
	if err != nil || !alive(s.PID) {
		return errors.New("there is no demo cluster; start one with: make demo-up")
	}
	_, err = fmt.Printf("export KUBECONFIG='%s' PATH='%s':\"$PATH\"\n", s.Kubeconfig, s.Bin)
	return err
}

// serve holds the cluster until it is told to end.
func serve(ctx context.Context) (err error) {
	dir, err := folder()
	if err != nil {
		return err
	}
	s, err := stage.Start(ctx, func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(), os.RemoveAll(dir)) }()
	bin, err := harness.BinDir()
	if err != nil {
		return err
	}
	text, err := json.Marshal(state{PID: os.Getpid(), Kubeconfig: s.Cluster.Kubeconfig(harness.OnCall), Bin: bin})
	if err != nil {
		return err
	}
	partial := filepath.Join(dir, "state.new")
	if err := os.WriteFile(partial, text, 0o600); err != nil {
		return err
	}
	if err := os.Rename(partial, filepath.Join(dir, "state.json")); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// down ends what up started and waits until it is gone.
func down(ctx context.Context) error {
	dir, err := folder()
	if err != nil {
		return err
	}
	s, err := load(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && !alive(s.PID) {
		fmt.Println("There is no demo cluster.")
		return os.RemoveAll(dir)
	}
	if err != nil {
		return err
	}
	if err := syscall.Kill(s.PID, syscall.SIGTERM); err != nil {
		return err
	}
	for alive(s.PID) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	fmt.Println("The demo's cluster is gone.")
	return nil
}

func load(dir string) (state, error) {
	var s state
	text, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

// alive reports whether the process exists and is the one that holds the demo's cluster.
func alive(pid int) bool {
	if pid <= 0 || syscall.Kill(pid, 0) != nil {
		return false
	}
	self, err := os.Executable()
	if err != nil {
		return true
	}
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	// Without /proc, or when the program was built again meanwhile, the process id has to do.
	return err != nil || filepath.Base(program) == filepath.Base(self) || filepath.Base(program) == filepath.Base(self)+" (deleted)"
}
