package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

var statusOutputs = []string{"table", "wide", "json", "yaml"}

// statusFlags are those of status alone.
type statusFlags struct {
	output  string
	stale   time.Duration
	compare bool
	timeout time.Duration
	watch   watching
}

// statusCommand shares the connection flags of its parent.
func (o *options) statusCommand(name string) *cobra.Command {
	f := &statusFlags{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show of each cluster how far Flux is, what is suspended or stale, and how much drifted",
		Long: `Show a line for each cluster: how many owners (Kustomizations) it has, which revision most of them applied, when
the last one was reconciled, how many are suspended and since when, how many objects differ from git, and how many of
these Flux is held off. What fails or was not reconciled in time is named at the end. -o wide has a line for each owner,
and who suspended it.

An owner is stale if it was not reconciled within its interval and a little more, or within --stale.

Exit code: 0 all is well, 1 something drifted, fails or is stale, 2 bad input or something could not be checked.`,
		Example: fmt.Sprintf(`  # all clusters
  %[1]s status --all-contexts

  # each owner, and who suspended it
  %[1]s status -o wide

  # at once, without comparing anything
  %[1]s status --drift=false --contexts prod-eu,prod-us`, name),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("status is about whole clusters; %q cannot be asked for", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return o.status(cmd, f) },
	}
	cmd.Flags().StringVarP(&f.output, "output", "o", "table", "one of "+strings.Join(statusOutputs, ", "))
	cmd.Flags().DurationVar(&f.stale, "stale", 0, "how long ago an owner may have been reconciled (default: its interval and a little more)")
	cmd.Flags().BoolVar(&f.compare, "drift", true, "compare objects with git, and count those that differ")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 5*time.Minute, "how long to try, for each cluster; what was compared by then is shown")
	f.watch.addFlags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(statusOutputs, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

func (o *options) status(cmd *cobra.Command, f *statusFlags) error {
	if err := errors.Join(known(f.output, statusOutputs), positive("timeout", f.timeout), f.watch.check()); err != nil {
		return err
	}
	if cmd.Flags().Changed("stale") {
		if err := positive("stale", f.stale); err != nil {
			return err
		}
	}
	clusters, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return err
	}
	q := question{timeout: f.timeout, status: true, ownersOnly: !f.compare}
	return f.watch.run(cmd, f.output, func(ctx context.Context, stderr io.Writer, progress *terminal.Progress) (*look, error) {
		found, err := o.compare(ctx, clusters, q, stderr, progress)
		if err != nil {
			return nil, err
		}
		status := report.Status{Wide: f.output == "wide", Compared: f.compare, Stale: f.stale, Now: time.Now()}
		look := &look{
			print: func(out io.Writer, color bool) error {
				status.Color = color
				switch f.output {
				case "json":
					return report.WriteJSON(out, status.Report(found.scans...))
				case "yaml":
					return report.WriteYAML(out, status.Report(found.scans...))
				}
				return status.Write(out, found.scans...)
			},
			state: func(out io.Writer) error { return report.WriteJSON(out, status.Report(found.scans...)) },
		}
		if troubles := found.troubles(); len(troubles) > 0 {
			look.verdict = errors.Join(troubles...)
		} else if status.Wrong(found.scans...) {
			look.verdict = &cli.ExitError{Code: cli.CodeIncomplete}
		}
		return look, nil
	})
}
