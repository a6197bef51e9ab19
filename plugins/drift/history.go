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
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/record"
	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

var historyOutputs = []string{"table", "wide", "json", "yaml", "name"}

// historyCommand shares the connection flags of its parent.
func (o *options) historyCommand(name string) *cobra.Command {
	var output string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "history [TYPE/NAME ...]",
		Short: "Show who edited what Flux manages, the newest edit first",
		Long: `Show the records of edits that the admission webhook keeps: who tried to change what, and whether it was
admitted. Edits of the same fields by the same user are one record with a count. Edits in every namespace are shown
unless -n names one.

Exit code: 0 done, 2 bad input, or the records cannot be read.`,
		Example: fmt.Sprintf(`  # all edits
  %[1]s history

  # those of one object
  %[1]s history deployment/payments-api -n payments

  # of all clusters
  %[1]s history --all-contexts

  # for a program
  %[1]s history -o json`, name),
		Args: cobra.ArbitraryArgs, // parsing tells more than cobra would
		RunE: func(cmd *cobra.Command, args []string) error { return o.history(cmd, args, output, timeout) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "one of "+strings.Join(historyOutputs, ", "))
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to try, for each cluster")
	return cmd
}

func (o *options) history(cmd *cobra.Command, args []string, output string, timeout time.Duration) error {
	if err := known(output, historyOutputs); err != nil {
		return err
	}
	if err := positive("timeout", timeout); err != nil {
		return err
	}
	wanted, err := parseObjects(args)
	if err != nil {
		return err
	}
	clusters, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return err
	}
	limits := fleet.Limits{AtOnce: cli.ClustersAtOnce, Timeout: timeout}
	records := fleet.Ask(cmd.Context(), clusters, limits, func(ctx context.Context, cluster string) ([]v1alpha1.EditRecord, error) {
		records, err := o.records(ctx, cluster, wanted, cmd.ErrOrStderr())
		return records, late(err, timeout)
	})
	failed, err := unanswered(cmd.Context(), records, o.clusters.Several())
	if err != nil {
		return err
	}
	if len(failed) < len(records) {
		if err := printHistory(cmd.OutOrStdout(), records, output); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// unanswered are the errors of the clusters that gave no answer, each under its name. Where only one was asked, or somebody
// interrupted, that is the error.
func unanswered[T any](ctx context.Context, answers []fleet.Result[T], several bool) (failed []error, err error) {
	for _, a := range answers {
		switch {
		case a.Err == nil:
		case ctx.Err() != nil:
			return nil, errInterrupted
		case len(answers) == 1 && !several:
			return nil, a.Err
		default:
			failed = append(failed, fmt.Errorf("%s: %w", a.Cluster, fleet.Explain(a.Err)))
		}
	}
	return failed, nil
}

// records are those of the wanted objects of one cluster.
func (o *options) records(ctx context.Context, cluster string, wanted []typeName, stderr io.Writer) ([]v1alpha1.EditRecord, error) {
	scanner, mapper, err := o.connect(ctx, cluster, stderr)
	if err != nil {
		return nil, err
	}
	selected, err := newSelection(wanted, "", mapper)
	if err != nil {
		return nil, err
	}
	records, err := record.List(ctx, scanner.Client, o.namespace())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(records, func(r v1alpha1.EditRecord) bool { return !selected.has(edited(r.Spec.Object)) }), nil
}

// edited is the object of a record, which is not of any version.
func edited(o v1alpha1.ObjectReference) drift.Object {
	return drift.Object{GroupVersionKind: schema.GroupVersionKind{Group: o.Group, Kind: o.Kind}, Namespace: o.Namespace, Name: o.Name}
}

func printHistory(out io.Writer, records []report.Records, output string) error {
	switch output {
	case "json":
		return report.WriteJSON(out, report.NewRecordList(records...))
	case "yaml":
		return report.WriteYAML(out, report.NewRecordList(records...))
	case "name":
		return report.WriteRecordNames(out, records...)
	}
	return report.History{Wide: output == "wide", Now: time.Now()}.Write(out, records...)
}
