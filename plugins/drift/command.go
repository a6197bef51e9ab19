package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

var outputs = []string{"table", "wide", "diff", "json", "yaml", "name"}

type options struct {
	clusters         cli.Clusters
	output           string
	owner            string
	checkout, source string
	overrideManagers []string
	timeout          time.Duration
	watch            watching
}

func newCommand(name string) *cobra.Command {
	o := &options{clusters: cli.Clusters{Config: genericclioptions.NewConfigFlags(true)}}
	cmd := &cobra.Command{
		Use:   "gitops-drift [TYPE/NAME ...]",
		Short: "Show how the cluster differs from git, and what Flux will do about it",
		Long: `Compare what Flux applied with what is in the cluster, field by field: who changed it, and whether Flux
will undo it. Objects of every namespace are compared unless -n names one.

Exit code: 0 in sync, 1 drift found, 2 bad input or something could not be checked.`,
		Example: fmt.Sprintf(`  # everything that Flux manages
  %[1]s

  # one object, as a diff
  %[1]s deployment/payments-api -n payments -o diff

  # five clusters at once
  %[1]s --contexts prod-eu,prod-us,prod-ap,stage,dev

  # what one Kustomization manages, for a program; a HelmRelease likewise
  %[1]s --owner Kustomization/flux-system/apps -o json

  # what kubectl has of all that differs
  %[1]s -o name | xargs -L1 kubectl get`, name),
		Args: cobra.ArbitraryArgs, // selection tells more than cobra would
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.clusters.AddFlags(cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "one of "+strings.Join(outputs, ", "))
	cmd.Flags().StringVar(&o.owner, "owner", "", "compare only what this owner manages, as Kustomization/NAMESPACE/NAME or HelmRelease/NAMESPACE/NAME")
	cmd.Flags().StringVar(&o.checkout, "path", "", "compare with this working tree, the root of the repository, instead of what Flux applied")
	cmd.Flags().StringVar(&o.source, "source", "", "the source that --path is a working tree of, as GitRepository/NAMESPACE/NAME, if there are several")
	cmd.PersistentFlags().StringSliceVar(&o.overrideManagers, "override-manager", nil,
		"a field manager that kustomize-controller takes over from, if it runs with this flag")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to try, for each cluster; what was compared by then is shown")
	o.watch.addFlags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	_ = cmd.RegisterFlagCompletionFunc("owner", o.completeOwner)                                                      // as above
	cmd.ValidArgsFunction = o.completeObject
	cmd.AddCommand(o.historyCommand(name), o.statusCommand(name), o.breakGlassCommand(name))
	return cmd
}

func (o *options) run(cmd *cobra.Command, args []string) error {
	q, err := o.question(args)
	if err != nil {
		return err
	}
	clusters, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return err
	}
	return o.watch.run(cmd, o.output, func(ctx context.Context, stderr io.Writer, progress *terminal.Progress) (*look, error) {
		found, err := o.compare(ctx, clusters, q, stderr, progress)
		if err != nil {
			return nil, err
		}
		return &look{
			print:   func(out io.Writer, color bool) error { return o.write(out, color, found.scans) },
			state:   func(out io.Writer) error { return report.NewDriftReport(found.scans...).WriteJSON(out) },
			verdict: found.verdict(),
		}, nil
	})
}

// question reads the command line. What it needs a cluster for is left as it is.
func (o *options) question(args []string) (q question, err error) {
	if err := known(o.output, outputs); err != nil {
		return q, err
	}
	if err := positive("timeout", o.timeout); err != nil {
		return q, err
	}
	if err := o.watch.check(); err != nil {
		return q, err
	}
	if o.owner != "" {
		if q.owner, err = ownership.ParseOwner(o.owner); err != nil {
			return q, fmt.Errorf("--owner: %w", err)
		}
	}
	switch {
	case o.checkout != "" && q.owner.Kind == ownership.HelmRelease:
		return q, errors.New("--path compares with what Kustomizations apply of a working tree; what a HelmRelease applies comes from its chart")
	case o.checkout != "":
		q.checkout = &drift.Checkout{Dir: o.checkout, Source: o.source}
	case o.source != "":
		return q, errors.New("--source says what --path is a working tree of; give --path too")
	}
	q.wanted, err = parseObjects(args)
	q.timeout = o.timeout
	return q, err
}

func known(output string, outputs []string) error {
	if !slices.Contains(outputs, output) {
		return fmt.Errorf("-o %q is not known; it is one of %s", output, strings.Join(outputs, ", "))
	}
	return nil
}

func positive(flag string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("--%s is %s; it has to be more than 0", flag, d)
	}
	return nil
}

// compare scans the clusters. It is an error that nothing at all was compared, in one cluster alone or in any; what went
// wrong with one of several is said beside what the others have.
func (o *options) compare(ctx context.Context, clusters []string, q question, stderr io.Writer, progress *terminal.Progress) (*findings, error) {
	found := o.scan(ctx, clusters, q, stderr, progress)
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	if only := found.scans[0]; len(clusters) == 1 && only.Value == nil {
		if o.clusters.Several() {
			return nil, fmt.Errorf("%s: %w", only.Cluster, only.Err)
		}
		return nil, only.Err
	}
	if count := report.Count(found.scans...); !q.status && count.Checked+count.Failed+count.Findings+len(count.FailedClusters) == 0 {
		return nil, errors.Join(found.nowhere()...)
	}
	return found, nil
}

func (o *options) write(out io.Writer, color bool, scans []report.Scan) error {
	switch o.output {
	case "json":
		return report.NewDriftReport(scans...).WriteJSON(out)
	case "yaml":
		return report.NewDriftReport(scans...).WriteYAML(out)
	case "diff":
		return report.WriteDiff(out, scans, color)
	case "name":
		return report.Names{Namespace: o.namespace()}.Write(out, scans...)
	}
	return report.Table{Wide: o.output == "wide", Color: color, Now: time.Now()}.Write(out, scans...)
}
