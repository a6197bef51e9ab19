package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// anchorScript lives as long as the harness does and gives the process group of all children its id.
const anchorScript = `trap '' HUP INT TERM; while read -r _; do :; done`

// reaperScript waits until the harness is gone, ends the group $1 and removes the folder $2. A group
// whose members nobody reaps stays visible: the wait is bounded.
const reaperScript = `trap '' HUP INT TERM
while read -r _; do :; done
kill -s TERM -- "-$1" 2>/dev/null
i=0
while [ $i -lt 10 ] && kill -s 0 -- "-$1" 2>/dev/null; do sleep 0.1; i=$((i+1)); done
kill -s KILL -- "-$1" 2>/dev/null
n=0
until rm -rf -- "$2" 2>/dev/null || [ $n -ge 20 ]; do sleep 0.1; n=$((n+1)); done
[ ! -e "$2" ]`

// A reaper ends every child process and removes the temporary folder when this process ends, however it
// ends. Two shells read a pipe whose other end only this process holds; at its end of file the first (the
// anchor, whose group all children join) exits and the second (in a group of its own, so that neither Ctrl-C
// nor its own kill reaches it) cleans up. Nothing depends on this process running a handler.
type reaper struct {
	pipe   *os.File // the write end; the kernel closes it when this process dies
	group  int
	anchor *exec.Cmd
	reaper *exec.Cmd
}

// startReaper guards dir and the group that children join through [reaper.adopt].
func startReaper(dir string) (*reaper, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }()
	shell := func(script string, args ...string) (*exec.Cmd, error) {
		cmd := exec.CommandContext(context.Background(), "/bin/sh", append([]string{"-c", script, "gitops-drift-reaper"}, args...)...)
		cmd.Dir = "/"
		cmd.Stdin = read
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			return nil, fmt.Errorf("start the reaper: %w", err)
		}
		return cmd, nil
	}
	anchor, err := shell(anchorScript)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	// Setpgid makes the anchor the leader of a group that carries its process id.
	group := anchor.Process.Pid
	cleaner, err := shell(reaperScript, strconv.Itoa(group), dir)
	if err != nil {
		return nil, errors.Join(err, write.Close(), anchor.Wait())
	}
	return &reaper{pipe: write, group: group, anchor: anchor, reaper: cleaner}, nil
}

// adopt makes cmd, which has not started, a member of the group that the reaper ends.
func (r *reaper) adopt(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: r.group}
}

// close makes the reaper do its work and waits for it.
func (r *reaper) close() error {
	if err := r.pipe.Close(); err != nil {
		return err
	}
	// The anchor may be killed with its group before it has seen the end of file: either end is fine.
	_ = r.anchor.Wait()
	if err := r.reaper.Wait(); err != nil {
		return fmt.Errorf("the reaper could not remove everything: %w", err)
	}
	return nil
}
