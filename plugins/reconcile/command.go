package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"

	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

type options struct {
	config     *genericclioptions.ConfigFlags
	withSource bool
	wait       bool
	timeout    time.Duration
}

func newCommand(name string) *cobra.Command {
	o := options{config: genericclioptions.NewConfigFlags(true)}
	*o.config.Namespace = "flux-system"
	cmd := &cobra.Command{
		Use:   "gitops-reconcile TYPE/NAME ...",
		Short: "Ask Flux to reconcile now, and wait for the outcome",
		Long: `Ask Flux to reconcile Kustomizations now, and wait until it has handled this very request.

Exit code: 0 all are ready, 1 not all of them are, 2 bad input or a cluster that cannot be asked.
If anything that is named is missing or suspended, nothing is requested.`,
		Example: fmt.Sprintf(`  # apply what Flux has fetched
  %[1]s kustomization/apps

  # fetch first, then apply
  %[1]s ks/infrastructure ks/apps --with-source`, name),
		Args: cobra.ArbitraryArgs, // objects tells more than cobra would
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.config.AddFlags(cmd.PersistentFlags())
	cmd.Flags().BoolVar(&o.withSource, "with-source", false, "reconcile the source of each Kustomization first")
	cmd.Flags().BoolVar(&o.wait, "wait", true, "wait for the outcome")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait for all of them together")
	return cmd
}

func (o *options) run(cmd *cobra.Command, args []string) error {
	namespace := *o.config.Namespace
	objects, err := parseObjects(namespace, args)
	if err != nil {
		return err
	}
	if o.timeout <= 0 {
		return fmt.Errorf("--timeout is %s; it has to be more than 0", o.timeout)
	}
	request := reconcile.Request{
		Kustomizations: objects,
		WithSource:     o.withSource,
		NoWait:         !o.wait,
		Timeout:        o.timeout,
	}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		request.OnEvent = progress(cmd.ErrOrStderr(), namespace)
	}
	config, err := cli.RESTConfig(o.config, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if request.Client, err = dynamic.NewForConfig(config); err != nil {
		return fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	if request.Mapper, err = o.config.ToRESTMapper(); err != nil {
		return fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	results, err := request.Run(cmd.Context())
	if err != nil {
		return err
	}
	hideSecrets(cmd.Context(), config, request.Mapper, results)
	if err := printTable(cmd.OutOrStdout(), namespace, results); err != nil {
		return err
	}
	return verdict(cmd.Context(), o.timeout, results)
}

// verdict is the exit code for the results, and what the table does not say.
func verdict(ctx context.Context, timeout time.Duration, results []reconcile.Result) error {
	verdict := cli.ExitError{Code: cli.CodeDone}
	for _, result := range results {
		switch result.State {
		case reconcile.StateReady, reconcile.StateRequested:
		case reconcile.StateReconciling:
			verdict.Code = max(verdict.Code, cli.CodeIncomplete)
			why := fmt.Sprintf("no outcome within %s", timeout)
			if ctx.Err() != nil {
				why = "interrupted"
			}
			verdict.Err = errors.New(why + "; what was requested stays with Flux, which goes on with it")
		case reconcile.StateError:
			verdict.Code = cli.CodeError
		default:
			verdict.Code = max(verdict.Code, cli.CodeIncomplete)
		}
	}
	if verdict.Code == cli.CodeDone {
		return nil
	}
	return &verdict
}
