package harness_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/test/harness"
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
	cmd := exec.Command(self)
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
	running := strings.Join(processesOf(t, told.Dir), "\n")
	for _, program := range []string{"/bin/sh", "etcd", "kube-apiserver", "kube-controller-manager"} {
		if !strings.Contains(running, program) {
			log, err := os.ReadFile(filepath.Join(told.Dir, "logs", program+".log"))
			t.Fatalf("%s does not run; running:\n%s\nits log: %s (%v)", program, running, log, err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(15 * time.Second)
	for {
		left := processesOf(t, told.Dir)
		_, err := os.Stat(told.Dir)
		if len(left) == 0 && errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left after kill -9: processes %v, folder %s (%v)", left, told.Dir, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if result, err := shared.Kubectl(testContext(t), harness.Admin, "", "get", "namespaces"); err != nil || result.Code != 0 {
		t.Errorf("the other harness is gone too: %+v, %v", result, err)
	}
}

// processesOf returns the living processes whose command line or working directory names dir.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,stat=,args=").Output()
	if err != nil {
		return procfs(t, dir)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); strings.Contains(line, dir) && !strings.HasPrefix(fields[1], "Z") {
			found = append(found, fields[0]+" "+fields[2])
		}
	}
	return found
}

// procfs is processesOf for machines without ps.
func procfs(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("neither ps nor /proc: %v", err)
	}
	for _, file := range files {
		// A zombie's command line is empty.
		args, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(args), dir) {
			found = append(found, filepath.Base(filepath.Dir(file))+" "+strconv.Quote(string(args)))
		}
	}
	return found
}
