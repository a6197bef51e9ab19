package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// screen is a terminal, and what a program has written to it.
type screen struct {
	t        *testing.T
	keyboard *os.File // the side of the person
	device   *os.File // the side of the program

	mu   sync.Mutex
	text bytes.Buffer
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	device, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(device.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100}); err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, keyboard: keyboard, device: device}
	go func() {
		part := make([]byte, 4096)
		for {
			n, err := keyboard.Read(part)
			s.mu.Lock()
			s.text.Write(part[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = device.Close()   // it is gone with the test
		_ = keyboard.Close() // as above
	})
	return s
}

func (s *screen) shows() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until the screen shows a text.
func (s *screen) await(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(s.shows(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the terminal does not show %q but %q", text, s.shows())
		}
	}
}

func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := s.keyboard.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// echoes reports whether the terminal shows what is typed.
func (s *screen) echoes() bool {
	s.t.Helper()
	state, err := unix.IoctlGetTermios(int(s.device.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// start runs a program whose terminal is the screen, standard output apart.
func (s *screen) start(cmd *exec.Cmd, stdout *strings.Builder) {
	s.t.Helper()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.device, stdout, s.device
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

func TestAValueIsAskedForAndNotShown(t *testing.T) {
	p := newPlace(t)
	file := p.file("apps/payments/db.yaml", p.ok(plain, "seal", "-n", "payments", "-f", "-"))
	s := newScreen(t)
	var stdout strings.Builder
	cmd := p.command("", "set", "-f", file, "password")
	s.start(cmd, &stdout)
	s.await("Value of password: ")
	for deadline := time.Now().Add(10 * time.Second); s.echoes(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the terminal shows what is typed")
		}
	}
	s.press("CANARY typed\n")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, s.shows())
	}
	if strings.Contains(s.shows()+stdout.String(), canary) || !s.echoes() {
		t.Errorf("the terminal shows %q, and echoes: %v", s.shows(), s.echoes())
	}
	if out := p.ok("", "view", file, "password", "--key", p.key, "--reveal"); out != "CANARY typed" {
		t.Errorf("sealed %q", out)
	}

	// What somebody else writes while it asks is not lost.
	s = newScreen(t)
	cmd = p.command("", "set", "-f", file, "password")
	s.start(cmd, &stdout)
	s.await("Value of password: ")
	p.ok("other", "set", "-f", file, "user=-")
	between := p.read(file)
	s.press("CANARY late\n")
	_ = cmd.Wait() // its exit code is looked at
	s.await("apps/payments/db.yaml was changed meanwhile; nothing is written")
	if code := cmd.ProcessState.ExitCode(); code != cli.CodeError || p.read(file) != between || strings.Contains(s.shows(), canary) {
		t.Errorf("exit %d, %q", code, s.shows())
	}

	// Ctrl-C gives the terminal back as it was.
	before := p.read(file)
	s = newScreen(t)
	cmd = p.command("", "set", "-f", file, "password")
	s.start(cmd, &stdout)
	s.await("Value of password: ")
	for s.echoes() {
		time.Sleep(time.Millisecond)
	}
	s.press("CANARY ty\x03")
	_ = cmd.Wait() // its exit code is looked at
	s.await("interrupted; nothing is written")
	if code := cmd.ProcessState.ExitCode(); code != cli.CodeError || strings.Contains(s.shows(), canary) || !s.echoes() {
		t.Errorf("exit %d, echoes: %v, %q", code, s.echoes(), s.shows())
	}
	if p.read(file) != before {
		t.Error("the file was changed")
	}
}

// large fills a repository with SealedSecrets, sealed with another key than the pinned one.
func (p *place) large(old *sealkey.Pair, files, items int) []string {
	p.t.Helper()
	var names []string
	for i := range files {
		target := seal.Target{Namespace: "payments", Name: fmt.Sprintf("db-%d", i)}
		var b strings.Builder
		fmt.Fprintf(&b, "# File %d.\napiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: %s\n  namespace: payments\nspec:\n  encryptedData:\n", i, target.Name)
		for n := range items {
			item, err := seal.Item(old.Certificate.Key, target, fmt.Appendf(nil, "%d of %d", n, i))
			if err != nil {
				p.t.Fatal(err)
			}
			fmt.Fprintf(&b, "    # item %d\n    k%d: %s # behind\n", n, n, item)
		}
		names = append(names, p.file(fmt.Sprintf("apps/payments/db-%d.yaml", i), b.String()))
	}
	return names
}

// opened reports by which of two keys the items of a file open, all of them by one, with the values that large gave them.
func (p *place) opened(file string, items int, keys ...*sealkey.Pair) int {
	p.t.Helper()
	d, err := yamledit.NewDocument(p.read(file))
	if err != nil {
		p.t.Fatalf("%s: %v", file, err)
	}
	sealed, err := sealdoc.Read(d)
	if err != nil {
		p.t.Fatalf("%s: %v", file, err)
	}
	for i, key := range keys {
		ring := sealkey.Keyring{}
		if err := ring.Add(key.Key); err != nil {
			p.t.Fatal(err)
		}
		values, err := sealdoc.Items(sealed, seal.TargetOf(sealed), ring)
		if err != nil {
			continue
		}
		number := strings.TrimPrefix(sealed.Name, "db-")
		for n := range items {
			if got := string(values[fmt.Sprintf("k%d", n)]); got != fmt.Sprintf("%d of %s", n, number) {
				p.t.Errorf("%s: item k%d is %q", file, n, got)
			}
		}
		if comments, ok := d.Comments(); !ok || len(comments) != 1+2*items {
			p.t.Errorf("%s has %d comments", file, len(comments))
		}
		return i
	}
	p.t.Errorf("%s: neither key opens all of it", file)
	return -1
}

// pipe makes a file that whoever reads it waits at, until the test writes it.
func (p *place) pipe(path string) string {
	p.t.Helper()
	if err := syscall.Mkfifo(filepath.Join(p.repository, path), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// fill gives who reads a pipe what it waits for.
func (p *place) fill(path, text string) {
	p.t.Helper()
	p.write(filepath.Join(p.repository, path), text)
}

func TestAnInterruptedResealGoesOn(t *testing.T) {
	const files, items, before = 8, 5, 3
	for name, end := range map[string]syscall.Signal{"interrupted": syscall.SIGINT, "told to end": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			old := newPair(t)
			key := filepath.Join(filepath.Dir(p.key), "old.key")
			p.write(key, string(old.KeyPEM()))
			names := p.large(old, files, items)
			wait := p.pipe("apps/payments/wait.yaml")

			s := newScreen(t)
			var stdout strings.Builder
			args := append(append([]string{"reseal", "--key", key, "--write"}, names[:before]...), append([]string{wait}, names[before:]...)...)
			cmd := p.command("", args...)
			cmd.Env = append(cmd.Env, "GOMAXPROCS=1") // one file after the other
			s.start(cmd, &stdout)
			s.await(fmt.Sprintf(" %d of %d files, ", before, files+1))
			if err := cmd.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
			if end != syscall.SIGKILL {
				time.Sleep(100 * time.Millisecond) // until the signal is there; it must not go on behind the file at which it is
				p.fill(wait, "")
			}
			_ = cmd.Wait() // it was interrupted
			if end != syscall.SIGKILL {
				s.await(fmt.Sprintf("interrupted after %d of %d files; run it again to go on", before+1, files+1))
				if code := cmd.ProcessState.ExitCode(); code != cli.CodeIncomplete {
					t.Errorf("exit %d, %q", code, s.shows())
				}
			}
			for i, file := range names {
				if want := map[bool]int{true: 1, false: 0}[i < before]; p.opened(file, items, old, p.pair) != want {
					t.Errorf("%s: not what it was, or not sealed anew", file)
				}
			}
			if err := os.Remove(filepath.Join(p.repository, wait)); err != nil {
				t.Fatal(err)
			}
			p.file("apps/payments/.db-5.yaml.unfinished", "kind: Sea") // killed in the midst of a file

			out := p.ok("", "reseal", "--key", key, "--write")
			if want := fmt.Sprintf("Sealed anew: %d SealedSecrets in %d files; sealed with the pinned certificate already: %d.\n", files-before, files-before, before); !strings.HasSuffix(out, want) {
				t.Errorf("got %s, want %s", out, want)
			}
			for _, file := range names {
				if p.opened(file, items, old, p.pair) != 1 {
					t.Errorf("%s is not sealed anew", file)
				}
			}
			entries, err := os.ReadDir(filepath.Join(p.repository, "apps/payments"))
			if err != nil || len(entries) != files {
				t.Errorf("%d files are there, of %d: %v", len(entries), files, err)
			}
		})
	}
}

func TestProgressIsShownOnATerminalAlone(t *testing.T) {
	p := newPlace(t)
	old := newPair(t)
	key := filepath.Join(filepath.Dir(p.key), "old.key")
	p.write(key, string(old.KeyPEM()))
	names := p.large(old, 2, 2)
	before := p.read(names[0])
	wait := p.pipe("wait.yaml")
	s := newScreen(t)
	var stdout strings.Builder
	cmd := p.command("", "reseal", "--key", key, names[0], wait, names[1])
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	s.start(cmd, &stdout)
	s.await("[###·······] 1 of 3 files, 1 SealedSecret sealed anew")
	p.fill(wait, "")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !strings.HasSuffix(s.shows(), "\r\x1b[K"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the bar stays: %q", s.shows())
		}
	}
	if out := stdout.String(); strings.Contains(out, "[#") || !strings.Contains(out, "To be sealed anew: 2 SealedSecrets in 2 files") || p.read(names[0]) != before {
		t.Errorf("got %s", out)
	}

	go p.fillLater(wait, 2*time.Second)
	if r := p.run("", "reseal", "--key", key, names[0], wait, names[1]); r.code != 0 || r.stderr != "" || strings.Contains(r.stdout, "[#") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// fillLater is fill after a while, for whoever waits elsewhere.
func (p *place) fillLater(path string, after time.Duration) {
	time.Sleep(after)
	_ = os.WriteFile(filepath.Join(p.repository, path), nil, 0o600) // else the other side waits until the test ends
}
