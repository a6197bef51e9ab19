package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/hold"
	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// closing are the flags of break-glass close.
type closing struct{ all, byHand bool }

func (o *options) glassCloseCommand(name string) *cobra.Command {
	f := &closing{}
	cmd := &cobra.Command{
		Use:   "close NAME | --all",
		Short: "End a BreakGlass before its time, and give its object back to Flux",
		Long: `End a BreakGlass, or all of them, before their time, and wait until the controller has given the objects back to Flux.

Where no controller runs any more, --by-hand does that with your own rights: to get and patch the objects, BreakGlasses and their
status.

Exit code: 0 done, 1 closed, but Flux is still held off, 2 bad input, or it could not be closed.`,
		Example: fmt.Sprintf(`  %[1]s break-glass close payments-api-x7k2p

  # before gitops-drift is removed from a cluster
  %[1]s break-glass close --all

  # the controller was removed first
  %[1]s break-glass close --all --by-hand`, name),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && !f.all {
				return fmt.Errorf("close takes the name of one BreakGlass, see %s break-glass list, or --all; got %d names", name, len(args))
			}
			if len(args) > 0 && f.all {
				return errors.New("close takes a name or --all, not both")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.glassClose(cmd, args, f) },
	}
	cmd.Flags().BoolVar(&f.all, "all", false, "close all BreakGlasses of the cluster that are not over")
	cmd.Flags().BoolVar(&f.byHand, "by-hand", false, "give the objects back to Flux without the controller, with your own rights")
	cmd.ValidArgsFunction = o.completeGlass
	return cmd
}

func (o *options) glassClose(cmd *cobra.Command, names []string, f *closing) error {
	c, mapper, err := o.one(cmd)
	if err != nil {
		return err
	}
	if f.all {
		if names, err = unfinished(cmd.Context(), c); err != nil {
			return err
		}
		if len(names) == 0 {
			return say(cmd, "Every BreakGlass is over, and Flux is held off nothing.\n")
		}
	}
	var glasses []*v1alpha1.BreakGlass
	for _, name := range names {
		g, err := breakglass.Close(cmd.Context(), c, name)
		if err != nil {
			return err
		}
		glasses = append(glasses, g)
	}
	patience := holding
	if f.byHand { // one after the other
		patience *= time.Duration(len(glasses))
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	var left []error
	for _, g := range glasses {
		done, err := o.finish(ctx, cmd, c, mapper, g, f.byHand)
		if err != nil {
			return err
		}
		left = append(left, done)
	}
	if err := errors.Join(left...); err != nil {
		return &cli.ExitError{Code: cli.CodeIncomplete, Err: err}
	}
	return nil
}

// unfinished are the names of the BreakGlasses that are not over, or have not given their object back.
func unfinished(ctx context.Context, c client.Reader) ([]string, error) {
	list, err := breakglass.List(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range list {
		if !finished(&list[i]) {
			out = append(out, list[i].Name)
		}
	}
	return out, nil
}

func finished(g *v1alpha1.BreakGlass) bool { return g.Status.Ended != nil && len(g.Finalizers) == 0 }

// finish waits until a BreakGlass that is closed is done with, or sees to it, and says what came of it. The first error says
// that Flux is still held off, the second that nothing can be said.
func (o *options) finish(ctx context.Context, cmd *cobra.Command, c client.Client, mapper apimeta.RESTMapper, g *v1alpha1.BreakGlass, byHand bool) (left, err error) {
	if byHand {
		if err := hold.GiveBack(ctx, c, mapper, g.Name); err != nil {
			return fmt.Errorf("BreakGlass %s is closed, but Flux is still held off its object: %w", g.Name, err), nil
		}
	}
	ended, err := breakglass.Await(ctx, c, g, finished)
	switch {
	case err != nil:
		return nil, err
	case !ended && ctx.Err() != nil:
		return fmt.Errorf("BreakGlass %s is closed, but Flux still seems to be held off its object after %s; is the controller gitops-drift running? Where it is gone for good: %s --by-hand %[1]s", g.Name, holding, cmd.CommandPath()), nil
	case !ended: // somebody had deleted it as well
		return nil, say(cmd, "BreakGlass %s is over, and gone. Flux looks after its object again.\n", g.Name)
	case len(g.Status.Drift) == 0 && g.Status.DriftSource == v1alpha1.FromRecords:
		return nil, say(cmd, "BreakGlass %s is closed. No edit was recorded under it; what git wants was not compared.\n", g.Name)
	case len(g.Status.Drift) == 0:
		return nil, say(cmd, "BreakGlass %s is closed. Nothing differed from git.\n", g.Name)
	}
	if err := say(cmd, "BreakGlass %s is closed. Flux puts back what differed from git:\n", g.Name); err != nil {
		return nil, err
	}
	return nil, report.WriteDrifted(cmd.OutOrStdout(), g)
}
