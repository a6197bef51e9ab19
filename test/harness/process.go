package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// logTail is how many lines of a program's log an error shows.
const logTail = 20

// FreePort returns a TCP port of 127.0.0.1 that nobody listened on a moment ago.
func FreePort() (int, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// command is a program to be run as a child: its path, arguments, whole environment and log file.
type command struct {
	name string
	path string
	args []string
	env  []string
	dir  string
	log  string
	root string // the program's root directory; empty: ours
}

// process is a running command. Its output goes to a file, never to ours: an inherited descriptor would
// keep `go test` waiting.
type process struct {
	command
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has been waited for
	err  error         // how it ended; read after done
}

// spawn starts c in the reaper's group. The log is appended to.
func (r *reaper) spawn(c command) (*process, error) {
	if err := os.MkdirAll(filepath.Dir(c.log), 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	// No context: a child lives until it is stopped, or reaped.
	cmd := exec.CommandContext(context.Background(), c.path, c.args...)
	cmd.Env, cmd.Dir = c.env, c.dir
	cmd.Stdout, cmd.Stderr = log, log
	r.adopt(cmd)
	if c.root != "" {
		imprison(cmd.SysProcAttr, c.root)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	p := &process{command: c, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// await polls ready until it answers nil, the process ends or ctx does. The error of the last two shows
// the end of the program's log.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	var last error
	for {
		if last = ready(ctx); last == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.failure(fmt.Errorf("ended before it was ready: %w", errOr(p.err, "exit status 0")))
		case <-ctx.Done():
			return p.failure(fmt.Errorf("not ready in time: %w (%w)", last, context.Cause(ctx)))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

func errOr(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}

// failure names the program and adds the last lines of its log to err.
func (p *process) failure(err error) error {
	log, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return fmt.Errorf("%s: %w; its log cannot be read: %w", p.name, err, readErr)
	}
	lines := strings.Split(strings.TrimRight(string(log), "\n"), "\n")
	if len(lines) > logTail {
		lines = lines[len(lines)-logTail:]
	}
	return fmt.Errorf("%s: %w; the end of its log:\n  %s", p.name, err, strings.Join(lines, "\n  "))
}

// ended tells whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// portTaken tells whether the program ended because another one got its port first.
func (p *process) portTaken() bool {
	if !p.ended() {
		return false
	}
	log, err := os.ReadFile(p.log)
	return err == nil && strings.Contains(string(log), "address already in use")
}

// kill ends the process at once and waits for its end.
func (p *process) kill() {
	// An error means that it has ended already.
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to end and waits; when ctx ends first it kills it and says so.
func (p *process) stop(ctx context.Context) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.kill()
		return p.failure(fmt.Errorf("did not end when asked to and was killed: %w", context.Cause(ctx)))
	}
}
