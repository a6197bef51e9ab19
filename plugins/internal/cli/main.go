package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Exit codes of every plugin.
const (
	CodeDone       = 0 // done, or in sync
	CodeIncomplete = 1 // drift found, or not everything done
	CodeError      = 2 // bad input, or the cluster or its answer is not usable
)

// ExitError ends a plugin with an exit code of its own; any other error ends it with CodeError.
type ExitError struct {
	Code int
	Err  error // nil: the output has said it all
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// Main runs the command that build returns and ends the process. The name is the one that the person
// typed. The command's context ends with the first Ctrl-C; the second one ends the process at once.
func Main(build func(name string) *cobra.Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	// client-go logs some of the errors that it returns as well; people shall see them once.
	klog.SetLogger(logr.Discard())
	log.SetLogger(logr.Discard()) // or controller-runtime complains after 30 s
	os.Exit(run(ctx, os.Args[0], os.Stderr, build))
}

// Command is the whole command of a plugin: what build returns, and what every plugin has. The program is its file.
func Command(program string, build func(name string) *cobra.Command) *cobra.Command {
	name := typedName(program)
	root := build(name)
	if root.Annotations == nil {
		root.Annotations = map[string]string{}
	}
	root.Annotations[cobra.CommandDisplayNameAnnotation] = name
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(versionCommand())
	if s := newShim(program); s != nil {
		root.AddCommand(s.command())
	}
	return root
}

func run(ctx context.Context, program string, stderr io.Writer, build func(name string) *cobra.Command) int {
	err := Command(program, build).ExecuteContext(ctx)
	if err == nil {
		return CodeDone
	}
	for _, message := range Messages(err) {
		_, _ = fmt.Fprintln(stderr, message) // nobody is left to tell
	}
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		return exit.Code
	}
	return CodeError
}

// Messages are what a plugin that ends with err says on stderr.
func Messages(err error) []string {
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		err = exit.Err
	}
	var out []string
	for _, err := range split(err) {
		out = append(out, "error: "+Printable(err.Error()))
	}
	return out
}

// Printable replaces what a terminal would act upon, line breaks and tabs apart: messages quote what others wrote.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// split returns the parts of a joined error, and none for nil.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// typedName is how people call a program: kubectl runs kubectl-gitops_drift for `kubectl gitops-drift`,
// and flux runs flux-drift for `flux drift`.
func typedName(program string) string {
	name := strings.TrimSuffix(filepath.Base(program), ".exe")
	for _, host := range []string{"kubectl", "flux"} {
		if plugin, ok := strings.CutPrefix(name, host+"-"); ok {
			return host + " " + strings.ReplaceAll(plugin, "_", "-")
		}
	}
	return name
}
