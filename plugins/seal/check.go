package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/gitindex"
	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/pkg/sealcheck"
	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealhealth"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

// reportOutputs are the forms of what check, verify and doctor found.
var reportOutputs = []string{"table", "json", "yaml"}

func (o *options) checkCommand(name string) *cobra.Command {
	f := &checkFlags{}
	cmd := &cobra.Command{
		Use:   "check [PATH ...]",
		Short: "Find what is wrong with the secrets of a repository before it is committed",
		Long: fmt.Sprintf(`Judge the secrets of the working tree offline, without any key: in a pre-commit hook, or in CI. All of the repository is
read, for what Flux makes of a file depends on others; with PATH only what is wrong in these files and folders is told. With
--staged it is what git is about to commit, whatever the working tree has meanwhile.

  Plaintext     a Secret, or a generator of one, with values that everybody can read
  UnknownKey    a SealedSecret that does not say which key it was sealed with
  UnpinnedKey   one that was sealed with a key that is not pinned, such as a cluster's own
  WrongKey      one whose folder is to be sealed with another key, or whose ciphertext rules the key out
  Edited        one that was changed since it was sealed, or is no ciphertext
  TooLarge      one whose Secret no API server takes, or that is itself too large to be stored
  Renamed       one that Flux applies under a name, in a namespace or in a scope that it was not sealed for
  Unnoticed     a Kustomization of Flux that would be Ready although its SealedSecrets do not open

What Flux applies is built from the Kustomizations that the repository declares. So that Flux notices, they need:

  wait: true
  %s

That a key opens something only who has the key can tell: see verify.

Exit code: 0 nothing is wrong, 1 something is, 2 bad input or something could not be checked.`, strings.ReplaceAll(sealhealth.Expressions, "\n", "\n  ")),
		Example: fmt.Sprintf(`  %[1]s check

  # in a pre-commit hook
  %[1]s check --staged

  # in CI, for another program
  %[1]s check -o json`, name),
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return o.check(cmd, args, f) },
	}
	addOutput(cmd, &f.output)
	cmd.Flags().BoolVar(&f.staged, "staged", false, "check what git is about to commit, not the working tree")
	return cmd
}

type checkFlags struct {
	output string
	staged bool
}

func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "one of "+strings.Join(reportOutputs, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(reportOutputs, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

func knownOutput(output string) error {
	if !slices.Contains(reportOutputs, output) {
		return fmt.Errorf("-o %q is not known; it is one of %s", output, strings.Join(reportOutputs, ", "))
	}
	return nil
}

func (o *options) check(cmd *cobra.Command, args []string, f *checkFlags) (err error) {
	if err := knownOutput(f.output); err != nil {
		return err
	}
	var config *sealconfig.Config
	var paths []string
	var source sealcheck.Source
	if f.staged {
		var index *gitindex.Index
		if config, index, paths, err = o.staged(cmd.Context(), args); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, index.Close()) }()
		source = index
	} else {
		if config, paths, err = o.repository(args); err != nil {
			return err
		}
		source = sealcheck.WorkingTree(config.Root())
	}
	collectLess()
	found, err := sealcheck.Check(cmd.Context(), config, source, paths...)
	if err != nil {
		return err
	}
	list := report.NewSealCheckReport(found)
	out := cmd.OutOrStdout()
	if err := writeReport(out, f.output, list, func(color bool) error { return list.WriteTable(out, color) }); err != nil {
		return err
	}
	var errs []error
	for _, e := range found.Errors {
		errs = append(errs, e)
	}
	switch {
	case len(errs) > 0:
		return &cli.ExitError{Code: cli.CodeError, Err: errors.Join(errs...)}
	case len(found.Findings) > 0:
		return &cli.ExitError{Code: cli.CodeIncomplete}
	}
	return nil
}

// collectLess has a program that ends soon look for garbage less often, which took a fifth of its time, unless the person
// has said how often.
func collectLess() {
	const often, limit = 400, 1 << 30
	if before := debug.SetGCPercent(often); before != 100 {
		debug.SetGCPercent(before)
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(limit)
	}
}

// writeReport writes a list for programs, or has it written for people.
func writeReport(out io.Writer, output string, list any, table func(color bool) error) error {
	switch output {
	case "json":
		return report.WriteJSON(out, list)
	case "yaml":
		return report.WriteYAML(out, list)
	}
	return table(terminal.Colors(out))
}

// repository loads the configuration that is for the paths, and returns them from its folder on.
func (o *options) repository(args []string) (*sealconfig.Config, []string, error) {
	first := "."
	if len(args) > 0 {
		first = args[0]
	}
	for _, arg := range args {
		if _, err := os.Stat(arg); err != nil {
			return nil, nil, err
		}
	}
	config, err := o.load(first)
	if err != nil {
		return nil, nil, err
	}
	paths, err := below(config.Root(), args)
	return config, paths, err
}

// below are paths as they are from a root on, slash-separated.
func below(root string, args []string) ([]string, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, arg := range args {
		abs, err := filepath.Abs(arg)
		if err != nil {
			return nil, err
		}
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			abs = real
		} else if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil { // it need not be in the working tree
			abs = filepath.Join(dir, filepath.Base(abs))
		}
		rel, err := filepath.Rel(root, abs)
		if err != nil || !filepath.IsLocal(rel) {
			return nil, fmt.Errorf("%s is not in the repository %s", arg, root)
		}
		out = append(out, filepath.ToSlash(rel))
	}
	return out, nil
}

// staged loads the configuration as git is about to commit it, with the index, and returns the paths from its folder on. Whoever
// called closes the index.
func (o *options) staged(ctx context.Context, args []string) (_ *sealconfig.Config, _ *gitindex.Index, paths []string, err error) {
	inTree, err := o.load(".")
	if err != nil {
		return nil, nil, nil, err
	}
	root := inTree.Root()
	index, err := gitindex.Open(ctx, root)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("--staged: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, index.Close())
		}
	}()
	name := sealconfig.FileName
	if o.config != "" {
		name = filepath.Base(o.config)
	}
	text, err := index.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil, fmt.Errorf("--staged: %s is not in git yet; git add it, and the certificates that it names", name)
	} else if err != nil {
		return nil, nil, nil, err
	}
	config, err := sealconfig.Parse(text, root)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s, as it is staged: %w", name, err)
	}
	if paths, err = below(root, args); err != nil {
		return nil, nil, nil, err
	}
	files, err := index.Files(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	for i, path := range paths {
		if path != "." && !slices.ContainsFunc(files, func(file string) bool { return file == path || strings.HasPrefix(file, path+"/") }) {
			return nil, nil, nil, fmt.Errorf("--staged: git has no %s to commit", args[i])
		}
	}
	return config.ReadFrom(index.ReadFile), index, paths, nil
}
