package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

// watching are the flags of looking again and again.
type watching struct {
	on       bool
	interval time.Duration
}

func (w *watching) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&w.on, "watch", "w", false, "look again and again until Ctrl-C: on a terminal in place, else another report for each change")
	cmd.Flags().DurationVar(&w.interval, "watch-interval", 2*time.Second, "how long after a look with --watch the next one begins")
}

func (w *watching) check() error { return positive("watch-interval", w.interval) }

// look is what one look found.
type look struct {
	print func(out io.Writer, color bool) error
	// state writes what is equal as long as nothing changed but the time.
	state   func(out io.Writer) error
	verdict error
}

// seeing looks once. An error means that there is nothing to print.
type seeing func(ctx context.Context, stderr io.Writer, progress *terminal.Progress) (*look, error)

// run looks and prints, once or until the command's context ends, and returns what the last look found.
func (w *watching) run(cmd *cobra.Command, output string, see seeing) error {
	out, stderr := cmd.OutOrStdout(), cmd.ErrOrStderr()
	progress := terminal.NewProgress(stderr)
	first, err := see(cmd.Context(), stderr, progress)
	progress.Stop()
	if err != nil {
		return err
	}
	color := terminal.Colors(out)
	if !w.on {
		if err := first.print(out, color); err != nil {
			return err
		}
		return first.verdict
	}
	var show shower = &log{out: out, stderr: stderr, output: output}
	if terminal.Draws(out) && output != "json" && output != "yaml" {
		show, stderr = &screen{screen: terminal.NewScreen(out), out: out, color: color, interval: w.interval}, io.Discard
	}
	return w.again(cmd.Context(), first, show, func(ctx context.Context) (*look, error) { return see(ctx, stderr, nil) })
}

// again shows a first look and every one that see finds after it.
func (w *watching) again(ctx context.Context, last *look, show shower, see func(ctx context.Context) (*look, error)) error {
	for {
		if err := show.show(last); err != nil {
			return err
		}
		timer := time.NewTimer(w.interval)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return show.end(last)
		}
		next, err := see(ctx)
		if ctx.Err() != nil {
			return show.end(last)
		}
		if err != nil { // all was well before, so it may be again
			next = &look{
				print:   func(io.Writer, bool) error { return nil },
				state:   func(out io.Writer) error { return write(out, err.Error()) },
				verdict: err,
			}
		}
		last = next
	}
}

func write(out io.Writer, text string) error {
	_, err := io.WriteString(out, text)
	return err
}

// shower shows one look after the other.
type shower interface {
	show(*look) error
	// end shows what shall stay of the last look, and returns what the command returns.
	end(*look) error
}

// screen shows looks in place.
type screen struct {
	screen   *terminal.Screen
	out      io.Writer
	color    bool
	interval time.Duration
}

func (s *screen) show(l *look) error {
	var text bytes.Buffer
	if err := l.print(&text, s.color); err != nil {
		return err
	}
	for _, line := range cli.Messages(l.verdict) {
		text.WriteString(line + "\n")
	}
	fmt.Fprintf(&text, "%s, and again every %s; Ctrl-C ends", time.Now().Format(time.TimeOnly), s.interval)
	return s.screen.Show(text.String())
}

func (s *screen) end(l *look) error {
	if err := s.screen.Close(); err != nil {
		return err
	}
	if err := l.print(s.out, s.color); err != nil {
		return err
	}
	return l.verdict
}

// log shows the looks that differ from the one before, one after the other.
type log struct {
	out, stderr io.Writer
	output      string
	state       []byte
	shown       int
}

func (l *log) show(look *look) error {
	var state bytes.Buffer
	if err := look.state(&state); err != nil {
		return err
	}
	if l.shown > 0 && bytes.Equal(state.Bytes(), l.state) {
		return nil
	}
	l.state = state.Bytes()
	separator := ""
	switch {
	case l.shown == 0, l.output == "json":
	case l.output == "yaml":
		separator = "---\n"
	case l.output == "table", l.output == "wide":
		separator = fmt.Sprintf("\nAt %s:\n", time.Now().Format(time.DateTime))
	default:
		separator = "\n"
	}
	l.shown++
	if err := write(l.out, separator); err != nil {
		return err
	}
	if err := look.print(l.out, false); err != nil {
		return err
	}
	return write(l.stderr, strings.Join(append(cli.Messages(look.verdict), ""), "\n"))
}

// end says nothing more: the last look is there.
func (l *log) end(look *look) error {
	if look.verdict == nil {
		return nil
	}
	code := cli.CodeError
	if exit := (*cli.ExitError)(nil); errors.As(look.verdict, &exit) {
		code = exit.Code
	}
	return &cli.ExitError{Code: code}
}
