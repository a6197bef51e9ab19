package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/record"
	"github.com/gitops-drift/gitops-drift/pkg/report"
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

  # for a program
  %[1]s history -o json`, name),
		Args: cobra.ArbitraryArgs, // parsing tells more than cobra would
		RunE: func(cmd *cobra.Command, args []string) error { return o.history(cmd, args, output, timeout) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "one of "+strings.Join(historyOutputs, ", "))
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to try")
	return cmd
}

func (o *options) history(cmd *cobra.Command, args []string, output string, timeout time.Duration) error {
	if !slices.Contains(historyOutputs, output) {
		return fmt.Errorf("-o %q is not known; it is one of %s", output, strings.Join(historyOutputs, ", "))
	}
	if timeout <= 0 {
		return fmt.Errorf("--timeout is %s; it has to be more than 0", timeout)
	}
	wanted, err := parseObjects(args)
	if err != nil {
		return err
	}
	scanner, mapper, err := o.connect(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	selected, err := newSelection(wanted, "", mapper)
	if err != nil {
		return explain(err, timeout)
	}
	records, err := record.List(ctx, scanner.Client, *o.config.Namespace)
	if err != nil {
		return explain(err, timeout)
	}
	records = slices.DeleteFunc(records, func(r v1alpha1.EditRecord) bool { return !selected.has(edited(r.Spec.Object)) })
	return printHistory(cmd, records, output)
}

// edited is the object of a record, which is not of any version.
func edited(o v1alpha1.ObjectReference) drift.Object {
	return drift.Object{GroupVersionKind: schema.GroupVersionKind{Group: o.Group, Kind: o.Kind}, Namespace: o.Namespace, Name: o.Name}
}

func printHistory(cmd *cobra.Command, records []v1alpha1.EditRecord, output string) error {
	out := cmd.OutOrStdout()
	switch output {
	case "json":
		return report.WriteJSON(out, report.NewRecordList(records))
	case "yaml":
		return report.WriteYAML(out, report.NewRecordList(records))
	case "name":
		for _, r := range records {
			if _, err := fmt.Fprintf(out, "editrecord.%s/%s\n", v1alpha1.GroupVersion.Group, r.Name); err != nil {
				return err
			}
		}
		return nil
	}
	return report.History{Wide: output == "wide", Now: time.Now()}.Write(out, records)
}

// attribute names the users of findings whom a record of an edit explains. Who may not read records, or has none, sees
// field managers as before; only the end of ctx is an error.
func attribute(ctx context.Context, c client.Reader, result *drift.Result, namespace string) error {
	if report.Count(result).Findings == 0 {
		return nil
	}
	records, err := record.List(ctx, c, namespace)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	drift.Attribute(result, records)
	return nil
}
