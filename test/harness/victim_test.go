package harness_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// victimEnv makes the test binary the victim of the kill -9 test.
const victimEnv = "GITOPS_DRIFT_HARNESS_VICTIM"

// confession is what the victim tells before it dies.
type confession struct {
	Dir string
	Err string
}

// victim starts a harness, tells where it is, and waits to be killed.
func victim() {
	cluster, err := harness.Start(context.Background(), harness.Options{WithoutFlux: true})
	var told confession
	if err != nil {
		told.Err = err.Error()
	} else {
		told.Dir = cluster.Dir()
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	select {}
}

// The victim is a second harness beside the shared one: two run at once.
func TestNothingIsLeftAfterKill9(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(patient.Context(t), self)
	cmd.Env = append(os.Environ(), victimEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var told confession
	if err := json.Unmarshal(line, &told); err != nil || told.Err != "" {
		t.Fatalf("the victim did not start: %s (%v)", told.Err, err)
	}
	if told.Dir == shared.Dir() {
		t.Fatalf("two harnesses in one folder %s", told.Dir)
	}
	running, err := processesOf(told.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"/bin/sh", "etcd", "kube-apiserver", "kube-controller-manager"} {
		if !slices.ContainsFunc(slices.Collect(maps.Values(running)), func(args string) bool {
			return strings.Contains(strings.Fields(args)[0], program)
		}) {
			t.Fatalf("%s does not run; running: %v", program, running)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(15 * time.Second)
	for {
		err := left(told.Dir)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after kill -9: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if result, err := shared.Kubectl(patient.Context(t), harness.Admin, "", "get", "namespaces"); err != nil || result.Code != 0 {
		t.Errorf("the other harness is gone too: %+v, %v", result, err)
	}
}

// processesOf returns the living processes whose command line names dir, by their ids.
func processesOf(dir string) (map[int]string, error) {
	found := map[int]string{}
	out, err := exec.CommandContext(context.Background(), "ps", "-A", "-o", "pid=,stat=,args=").Output()
	if err == nil {
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			if pid, err := strconv.Atoi(fields[0]); err == nil && strings.Contains(line, dir) && !strings.HasPrefix(fields[1], "Z") {
				found[pid] = strings.Join(fields[2:], " ")
			}
		}
		return found, nil
	}
	// No ps: a zombie's command line is empty here.
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("neither ps nor /proc tells what runs: %w", err)
	}
	for _, file := range files {
		args, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(args), dir) {
			continue // ended meanwhile, or another's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		found[pid] = strings.ReplaceAll(string(args), "\x00", " ")
	}
	return found, nil
}

// left tells what a stopped or killed harness left behind; nil if nothing.
func left(dir string) error {
	running, err := processesOf(dir)
	if err != nil {
		return err
	}
	if len(running) > 0 {
		return fmt.Errorf("processes %v are left behind", running)
	}
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("folder %s is left behind", dir)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
