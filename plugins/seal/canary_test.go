package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
)

// canary begins every value that must not get anywhere; forms are what it looks like in texts.
const canary = "CANARY"

var forms = []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[:7], base64.StdEncoding.EncodeToString([]byte("x" + canary))[2:9], strconv.Quote(canary)[1:6]}

// leaks are the places of a text at which a value came out.
func leaks(text string) []string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		for _, form := range forms {
			if strings.Contains(line, form) {
				out = append(out, line)
				break
			}
		}
	}
	return out
}

// watched runs the program and looks for values in all that it leaves: what it prints, and every file but those that held values
// before.
func (p *place) watched(stdin string, args ...string) result {
	p.t.Helper()
	held := p.holding()
	cmd := p.command(stdin, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	pid := cmd.Process.Pid
	_ = cmd.Wait() // the exit code is looked at below
	r := result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if found := append(leaks(r.stdout), leaks(r.stderr)...); len(found) > 0 {
		p.t.Errorf("%q prints values:\n%s", args, strings.Join(found, "\n"))
	}
	if strings.Contains(r.stderr, "goroutine ") || r.code != 0 && r.code != 1 && r.code != 2 {
		p.t.Errorf("%q: exit %d\n%s", args, r.code, r.stderr)
	}
	for path := range p.holding() {
		if !held[path] {
			p.t.Errorf("%q leaves a value in %s", args, path)
		}
	}
	gone(p.t, pid)
	return r
}

// holding are the files of the place that hold values.
func (p *place) holding() map[string]bool {
	p.t.Helper()
	out := map[string]bool{}
	err := filepath.WalkDir(filepath.Dir(p.home), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if len(leaks(string(content))) > 0 {
			out[path] = true
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// folders are those in memory that belong to an edit of a process.
func folders(t *testing.T, pid int) []string {
	t.Helper()
	out, err := filepath.Glob(fmt.Sprintf("/dev/shm/gitops-seal-%d-*", pid))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(folders(t, pid)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left over: %v", folders(t, pid))
		}
	}
}

// spy is an editor that looks for values in arguments and environments of all processes of the place, its own included, and notes
// how the file that it edits may be read.
func (p *place) spy(then string) string {
	p.t.Helper()
	path, seen := filepath.Join(p.home, "spy"), filepath.Join(p.home, "seen")
	p.write(path, `#!/bin/sh
{
  stat -c '%a %n' "$1" "$(dirname "$1")"
  for process in /proc/[0-9]*; do
    if tr '\0' '\n' < $process/environ 2>/dev/null | grep -q '^HOME=`+p.home+`$'; then
      echo "process $(tr '\0' ' ' < $process/cmdline)"; tr '\0' '\n' < $process/environ
    fi
  done
} > `+seen+` 2>/dev/null
`+then+"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		p.t.Fatal(err)
	}
	p.editor = path
	return seen
}

func TestNoValueGetsAnywhere(t *testing.T) {
	p := newPlace(t)
	manifest := func(data string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n" + data
	}
	good := manifest("stringData:\n  # CANARY-comment, which is a value too\n  password: CANARY-password\n  comment: CANARY-comment\n  file: |\n    first CANARY\n    last\n")
	secret := filepath.Join(p.home, "secret.yaml")
	p.write(secret, good)
	p.write(filepath.Join(p.home, "value"), "CANARY-file\n")
	p.write(filepath.Join(p.home, "env"), "A=CANARY-env\nCANARY-line\n")
	sealed := "apps/payments/db.yaml"
	p.file("apps/payments/README", "")
	expect := func(code int, r result) {
		t.Helper()
		if r.code != code {
			t.Errorf("exit %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
		}
	}

	expect(0, p.watched("", "seal", "-f", secret))
	expect(0, p.watched(good, "seal", "-f", "-", "--into", sealed))
	expect(0, p.watched(good, "seal", "-f", "-", "--into", sealed, "--key", p.key))
	expect(0, p.watched("CANARY-stdin", "set", "-f", sealed, "password"))
	expect(0, p.watched("CANARY-stdin\n", "set", "-f", sealed, "password=-", "file=@"+filepath.Join(p.home, "value")))
	expect(0, p.watched("", "set", "-f", sealed, "password=CANARY-argument"))
	expect(0, p.watched("CANARY-file", "seal", "made", "-n", "payments", "--from-file", "a=/dev/stdin", "--from-literal", "b=CANARY"))
	expect(0, p.watched("", "view", sealed, "--key", p.key))
	expect(0, p.watched("", "view", sealed, "password", "--key", p.key))
	expect(0, p.watched("", "reseal", "--key", p.key))
	expect(0, p.watched("", "unset", "-f", sealed, "comment"))
	inPlace := p.file("apps/payments/plain.yaml", good)
	expect(0, p.watched("", "seal", "-f", inPlace, "-i"))
	if held := p.holding(); held[filepath.Join(p.repository, inPlace)] {
		t.Error("the plain Secret is still there")
	}

	// What cannot be read, or sealed.
	for i, text := range []string{
		manifest("data:\n  password: CANARY!\n"), manifest("data: CANARY\n"), manifest("data: [CANARY]\n"), manifest("stringData: {a: *CANARY}\n"),
		manifest("stringData:\n  a: CANARY: b\n"), manifest("stringData:\n  a: \"CANARY\\q\"\n"),
		manifest("stringData:\n  a: %CANARY\n"), manifest("stringData:\n  a: |CANARY\n"), manifest("stringData:\n\ta: CANARY\n"),
		manifest("stringData: {a: 'CANARY}\n"), manifest("stringData:\n  a: b\n a: CANARY\n"), manifest("stringData:\n  ? [CANARY]\n  : b\n"),
		manifest("stringData:\n  a: !!int CANARY\n"), manifest("stringData:\n  a: !!binary CANARY!\n"), manifest("stringData:\n  a: !!float CANARY\n"), manifest("stringData:\n  a: &x [*x, CANARY]\n"),
		manifest("stringData:\n  a: {CANARY: CANARY}\n"), manifest("immutable: CANARY\n"), manifest("stringData: &CANARY\n  <<: *CANARY\n"),
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"a":"CANARY","a":"CANARY"}}`,
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"data":{"a":"CANARY!"}}`, `{"apiVersion":"v1","kind":"Secret","stringData":{"a":"CANARY"`,
		"apiVersion: v1\nkind: List\nitems: [CANARY]\n", "apiVersion: v1\nkind: Secret\nstringData: {a: CANARY}\n", "CANARY", "CANARY\x00", "CANARY\xff",
	} {
		args := []string{"seal", "-f", "-"}
		if i%2 == 1 {
			args = append(args, "--into", sealed)
		}
		expect(2, p.watched(text, args...))
	}
	for _, args := range [][]string{
		{"seal", "x", "-n", "payments", "--from-env-file", filepath.Join(p.home, "env")},
		{"seal", "x", "-n", "payments", "--from-literal", "CANARY"},
		{"seal", "x", "--from-literal", "a=CANARY", "--from-literal", "a=CANARY"},
		{"seal", "-f", secret, "-n", "catalog"},
		{"seal", "-f", secret, "--into", "missing/folder.yaml"},
		{"view", sealed, "--key", secret},
		{"view", secret, "--key", p.key},
		{"set", "-f", secret, "a=CANARY"},
		{"edit", secret, "--key", p.key},
		{"init", "--cert", secret},
	} {
		expect(2, p.watched("", args...))
	}

	// A template that fails on a value.
	item, err := seal.Item(p.pair.Certificate.Key, seal.Target{Namespace: "payments", Name: "t"}, []byte("CANARY-template"))
	if err != nil {
		t.Fatal(err)
	}
	template := p.file("template.yaml", "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: t, namespace: payments}\nspec:\n  encryptedData:\n    a: "+item+
		"\n  template:\n    data:\n      b: '{{ fail .a }}'\n")
	expect(2, p.watched("", "view", template, "--key", p.key))

	// The editor sees the values; nobody else does.
	seen := p.spy(`sed -i 's/CANARY-argument/CANARY-edited/' "$1"; cp "$1" "$1~"`)
	expect(0, p.watched("", "edit", sealed, "--key", p.key))
	text, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(leaks(string(text))) > 0 || strings.Count(string(text), "process ") < 3 {
		t.Errorf("arguments and environments hold values, or nobody looked:\n%s", text)
	}
	if !strings.HasPrefix(lines[0], "600 /dev/shm/gitops-seal-") || !strings.HasPrefix(lines[1], "700 /dev/shm/gitops-seal-") {
		t.Errorf("the file and its folder: %s, %s", lines[0], lines[1])
	}
	for _, edit := range []string{
		"exit 1", `printf 'stringData: {a: *CANARY}\n' > "$1"`, `printf 'stringData: {a: 12CANARY: x}\n' > "$1"`, `printf 'data: {a: CANARY!}\n' > "$1"`,
		`printf 'stringData: {a b: CANARY}\n' > "$1"`, `printf 'stringData: [CANARY]\n' > "$1"`, `printf 'x: CANARY\n' > "$1"`, `rm "$1"`, "kill -9 $$",
		`rm "$1"; mkdir "$1"`,
	} {
		p.spy(edit)
		expect(2, p.watched("", "edit", sealed, "--key", p.key))
	}
}

func TestNothingOfAnEditOutlivesItsProcess(t *testing.T) {
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP) // else nohup around the tests has the edit ignore it, too
	t.Cleanup(func() { signal.Stop(hangUps) })
	for name, end := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "ended": syscall.SIGTERM, "hung up": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			file := p.file("apps/payments/db.yaml", plain)
			p.ok("", "seal", "-f", file, "-i")
			held := p.holding()
			ready := filepath.Join(p.home, "ready")
			p.spy("echo $$ > " + ready + "; exec sleep 60")
			cmd := p.command("", "edit", file, "--key", p.key)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var editor []byte
			for deadline := time.Now().Add(20 * time.Second); len(editor) == 0; time.Sleep(10 * time.Millisecond) {
				var err error
				if editor, err = os.ReadFile(ready); err != nil && !errors.Is(err, fs.ErrNotExist) || time.Now().After(deadline) {
					t.Fatalf("no editor runs: %v", err)
				}
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(editor)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
			})
			if found := folders(t, cmd.Process.Pid); len(found) != 1 {
				t.Fatalf("folders %v", found)
			}
			if err := cmd.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
			gone(t, cmd.Process.Pid)
			_ = syscall.Kill(pid, syscall.SIGKILL) // the editor, where it is not gone
			_ = cmd.Wait()                         // it was killed
			for path := range p.holding() {
				if !held[path] {
					t.Errorf("a value is left in %s", path)
				}
			}
		})
	}
}
