package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/term"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// narrator tells the story and runs its commands, each shown with its real output. It remembers the first thing that
// did not go as told.
type narrator struct {
	cluster *harness.Cluster
	// dir is where commands run; empty: where this program does.
	dir    string
	out    io.Writer
	color  bool
	failed []string
}

// newNarrator tells its story to a file, in colour if that is a terminal.
func newNarrator(out *os.File) *narrator {
	return &narrator{out: out, color: term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == ""}
}

// summary ends the story; it is an error if anything did not go as told.
func (n *narrator) summary() error {
	n.chapter("Summary")
	if len(n.failed) > 0 {
		return fmt.Errorf("%d steps did not do what they say: %s", len(n.failed), strings.Join(n.failed, "; "))
	}
	n.print(`The edit was recorded with user, field and values, and shown with what Flux will do about it.
The loop put it back in milliseconds instead of minutes.
Under Deny the edit and the deletion were refused; the change through git went through.
A field that flux diff misses was shown, and a forced reconcile did what was predicted.
A secret of one cluster's own key was refused before it was committed; sealed with the shared key, all five clusters open it.`, "  ")
	return nil
}

func (n *narrator) chapter(title string) { n.print("\n"+n.paint("1;36", title)+"\n", "") }

// say tells what happens, in whole sentences.
func (n *narrator) say(format string, args ...any) {
	n.print(n.paint("2", "# "+fmt.Sprintf(format, args...)), "")
}

// run runs a command line as user, shows both, and returns the output and the exit code. Words are split at spaces,
// but for what is in single quotes.
func (n *narrator) run(ctx context.Context, user harness.User, line string) (string, int, error) {
	n.print(n.paint("1", fmt.Sprintf("%s$ %s", user, line)), "")
	words := split(line)
	cmd, err := n.cluster.Command(ctx, user, words[0], words[1:]...)
	if err != nil {
		return "", 0, err
	}
	var stdout, stderr strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = n.dir, &stdout, &stderr
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return "", 0, fmt.Errorf("run %s: %w", line, err)
	}
	output := stdout.String() + stderr.String()
	n.print(strings.TrimRight(output, "\n"), "  ")
	return output, cmd.ProcessState.ExitCode(), nil
}

// expect notes what did not happen.
func (n *narrator) expect(ok bool, format string, args ...any) {
	if ok {
		return
	}
	what := fmt.Sprintf(format, args...)
	n.failed = append(n.failed, what)
	n.print(n.paint("1;31", "✗ expected: "+what), "")
}

func (n *narrator) print(text, indent string) {
	for _, line := range strings.Split(text, "\n") {
		if line != "" {
			line = indent + line
		}
		_, _ = fmt.Fprintln(n.out, line) // a closed terminal is no reason to leave the cluster behind
	}
}

func (n *narrator) paint(code, text string) string {
	if !n.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func split(line string) []string {
	var words []string
	var word strings.Builder
	quoted, started := false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, started = !quoted, true
		case r == ' ' && !quoted:
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}
