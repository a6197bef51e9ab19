package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

var outputs = []string{"table", "wide", "diff", "json", "yaml"}

type options struct {
	config           *genericclioptions.ConfigFlags
	output           string
	owner            string
	checkout, source string
	overrideManagers []string
	timeout          time.Duration
}

func newCommand(name string) *cobra.Command {
	o := options{config: genericclioptions.NewConfigFlags(true)}
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

  # what one Kustomization manages, for a program; a HelmRelease likewise
  %[1]s --owner Kustomization/flux-system/apps -o json`, name),
		Args: cobra.ArbitraryArgs, // selection tells more than cobra would
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.config.AddFlags(cmd.PersistentFlags())
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "one of "+strings.Join(outputs, ", "))
	cmd.Flags().StringVar(&o.owner, "owner", "", "compare only what this owner manages, as Kustomization/NAMESPACE/NAME or HelmRelease/NAMESPACE/NAME")
	cmd.Flags().StringVar(&o.checkout, "path", "", "compare with this working tree, the root of the repository, instead of what Flux applied")
	cmd.Flags().StringVar(&o.source, "source", "", "the source that --path is a working tree of, as GitRepository/NAMESPACE/NAME, if there are several")
	cmd.Flags().StringSliceVar(&o.overrideManagers, "override-manager", nil,
		"a field manager that kustomize-controller takes over from, if it runs with this flag")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to try")
	cmd.AddCommand(o.historyCommand(name))
	return cmd
}

func (o *options) run(cmd *cobra.Command, args []string) error {
	if !slices.Contains(outputs, o.output) {
		return fmt.Errorf("-o %q is not known; it is one of %s", o.output, strings.Join(outputs, ", "))
	}
	if o.timeout <= 0 {
		return fmt.Errorf("--timeout is %s; it has to be more than 0", o.timeout)
	}
	var selected drift.Selection
	var err error
	if o.owner != "" {
		if selected.Owner, err = ownership.ParseOwner(o.owner); err != nil {
			return fmt.Errorf("--owner: %w", err)
		}
	}
	switch {
	case o.checkout != "" && selected.Owner.Kind == ownership.HelmRelease:
		return errors.New("--path compares with what Kustomizations apply of a working tree; what a HelmRelease applies comes from its chart")
	case o.checkout != "":
		selected.Checkout = &drift.Checkout{Dir: o.checkout, Source: o.source}
	case o.source != "":
		return errors.New("--source says what --path is a working tree of; give --path too")
	}
	wanted, err := parseObjects(args)
	if err != nil {
		return err
	}
	scanner, mapper, err := o.connect(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
	defer cancel()
	objects, err := newSelection(wanted, *o.config.Namespace, mapper)
	if err != nil {
		return explain(err, o.timeout)
	}
	selected.Object, selected.Namespace, selected.Kinds = objects.has, objects.namespace, objects.kinds
	result, err := scanner.Scan(ctx, selected)
	if err != nil {
		return explain(err, o.timeout)
	}
	if err := somethingCompared(result, objects); err != nil {
		return err
	}
	if err := attribute(ctx, scanner.Client, result, *o.config.Namespace); err != nil {
		return explain(err, o.timeout)
	}
	if err := o.print(cmd, result); err != nil {
		return err
	}
	return verdict(result, objects)
}

func (o *options) print(cmd *cobra.Command, result *drift.Result) error {
	out := cmd.OutOrStdout()
	color := term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == ""
	switch o.output {
	case "json":
		return report.NewDriftReport("", result).WriteJSON(out)
	case "yaml":
		return report.NewDriftReport("", result).WriteYAML(out)
	case "diff":
		return report.WriteDiff(out, result, color)
	}
	return report.Table{Wide: o.output == "wide", Color: color, Now: time.Now()}.Write(out, result)
}

// somethingCompared keeps a typo from reading as "in sync".
func somethingCompared(result *drift.Result, objects *selection) error {
	count := report.Count(result)
	switch {
	case count.Owners == 0 && count.Findings == 0:
		return errors.New("there is neither a Kustomization nor a HelmRelease in this cluster, so nothing was compared")
	case count.Checked > 0 || count.Failed > 0 || count.Findings > 0:
		return nil
	case len(objects.wanted) > 0:
		return errors.Join(notCompared(objects)...)
	}
	return fmt.Errorf("no Kustomization or HelmRelease manages anything%s, so nothing was compared", in(objects.namespace))
}

// notCompared has an error for each named object that no owner manages.
func notCompared(objects *selection) []error {
	var out []error
	for _, w := range objects.unmet() {
		out = append(out, fmt.Errorf("%s%s is managed by no Kustomization or HelmRelease, so it was not compared", w, in(objects.namespace)))
	}
	return out
}

// verdict is the exit code: what could not be checked weighs more than drift.
func verdict(result *drift.Result, objects *selection) error {
	var failed []error
	unread := false
	for _, owner := range result.Owners {
		if owner.Err != nil {
			unread = true
			failed = append(failed, fmt.Errorf("%s: %w", owner.Owner, owner.Err))
		}
		for _, e := range owner.Unproven {
			failed = append(failed, fmt.Errorf("%s of %s: %w", e.Object, owner.Owner, e.Err))
		}
	}
	if !unread { // else what could not be read may manage it
		failed = append(failed, notCompared(objects)...)
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	if count := report.Count(result); count.Findings > 0 || count.ByHand > 0 {
		return &cli.ExitError{Code: cli.CodeIncomplete}
	}
	return nil
}

func in(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " in namespace " + namespace
}

func explain(err error, timeout time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("not done within %s; give more time with --timeout: %w", timeout, err)
	}
	return err
}
