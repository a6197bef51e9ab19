package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// holding is how long the hold of a BreakGlass, or its end, is awaited.
const holding = 10 * time.Second

// breakGlassFlags are those of break-glass alone.
type breakGlassFlags struct {
	lasts                 time.Duration
	reason, ticket, group string
}

// breakGlassCommand shares the connection flags of its parent.
func (o *options) breakGlassCommand(name string) *cobra.Command {
	f := &breakGlassFlags{}
	cmd := &cobra.Command{
		Use:   "break-glass TYPE/NAME",
		Short: "Edit one object in an emergency: for a while, for a reason, with Flux held off it",
		Long: `Open a BreakGlass: until its time is over, or it is closed, you may edit this one object, as far as an EditPolicy lets you
break glass. Your edits are recorded, and Flux leaves the object alone meanwhile. Afterwards what you changed is
written down in the BreakGlass, and the object becomes what git says again: change git before.

Exit code: 0 done, 1 the BreakGlass is open but Flux is not held off, 2 bad input, or it could not be opened.`,
		Example: fmt.Sprintf(`  # for half an hour
  %[1]s break-glass deployment/payments-api -n payments --for 30m --reason "pods are killed for their memory"

  # for all who are on call
  %[1]s break-glass deployment/payments-api -n payments --for 1h --reason "pods are killed" --ticket INC-4711 --group oncall

  # what is open, and what was
  %[1]s break-glass list

  # before its time
  %[1]s break-glass close payments-api-x7k2p`, name),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("break-glass is for one object, as TYPE/NAME; got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.breakGlass(cmd, args, f) },
	}
	cmd.Flags().DurationVar(&f.lasts, "for", 0, "how long, for example 30m; the EditPolicy says how long at most")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why the edit cannot wait for git")
	cmd.Flags().StringVar(&f.ticket, "ticket", "", "where more is written")
	cmd.Flags().StringVar(&f.group, "group", "", "a group of yours, whose members may edit the object too")
	cmd.ValidArgsFunction = o.completeObject
	cmd.AddCommand(o.glassListCommand(name), o.glassCloseCommand(name))
	return cmd
}

func (o *options) breakGlass(cmd *cobra.Command, args []string, f *breakGlassFlags) error {
	if strings.TrimSpace(f.reason) == "" {
		return errors.New("no reason, no glass: say with --reason why the edit cannot wait for git")
	}
	if !cmd.Flags().Changed("for") {
		return errors.New("say with --for how long, for example --for 30m")
	}
	if err := positive("for", f.lasts); err != nil {
		return err
	}
	wanted, err := parseObjects(args)
	if err != nil {
		return err
	}
	c, mapper, err := o.one(cmd)
	if err != nil {
		return err
	}
	object, owner, err := o.target(cmd.Context(), c, mapper, wanted[0])
	if err != nil {
		return err
	}
	g, err := breakglass.Open(cmd.Context(), c, v1alpha1.BreakGlassSpec{
		Object: object, Group: f.group, Reason: f.reason, Ticket: f.ticket, Duration: metav1.Duration{Duration: f.lasts},
	})
	if err != nil {
		return err
	}
	who := g.Spec.RequestedBy
	if g.Spec.Group != "" {
		who += " and group " + g.Spec.Group
	}
	if err := say(cmd, "BreakGlass %s is open until %s: %s may edit %s.\n", g.Name, g.Ends().UTC().Format("15:04:05 MST"), who, args[0]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), holding)
	defer cancel()
	var held *metav1.Condition
	if _, err := breakglass.Await(ctx, c, g, func(g *v1alpha1.BreakGlass) bool {
		held = apimeta.FindStatusCondition(g.Status.Conditions, v1alpha1.ConditionHeld)
		return held != nil
	}); err != nil {
		return err
	}
	switch {
	case held == nil:
		return &cli.ExitError{Code: cli.CodeIncomplete, Err: fmt.Errorf("Flux is not held off %s within %s, so it may undo edits; is the controller gitops-drift running?", args[0], holding)}
	case held.Status != metav1.ConditionTrue:
		return &cli.ExitError{Code: cli.CodeIncomplete, Err: fmt.Errorf("Flux is not held off %s: %s", args[0], held.Message)}
	}
	return say(cmd, "Flux is held off it. What cannot be held: %s.\nAfterwards Flux puts it back as git says. To end it before: %s close %s\n",
		unheld(owner), cmd.CommandPath(), g.Name)
}

// say writes what was done.
func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format, args...)
	return err
}

// unheld is what a hold on an object does not reach.
func unheld(owner ownership.Owner) string {
	if owner.Kind == ownership.HelmRelease {
		return "an upgrade of the HelmRelease, which applies the chart over your edits, and a deletion of the object"
	}
	return "a deletion of the object, which Flux makes anew"
}

// one is the cluster that the flags choose, which must be a single one.
func (o *options) one(cmd *cobra.Command) (client.Client, apimeta.RESTMapper, error) {
	clusters, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return nil, nil, err
	}
	if len(clusters) != 1 {
		return nil, nil, errors.New("glass is broken in one cluster at a time; choose it with --context")
	}
	config, mapper, err := o.clusters.Connection(cmd.Context(), clusters[0], cmd.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	c, _, err := cli.Connect(config, mapper)
	return c, mapper, err
}

// target finds the object that is to be edited, and what manages it.
func (o *options) target(ctx context.Context, c client.Client, mapper apimeta.RESTMapper, wanted typeName) (v1alpha1.ObjectReference, ownership.Owner, error) {
	selected, err := newSelection([]typeName{wanted}, "", mapper)
	if err != nil {
		return v1alpha1.ObjectReference{}, ownership.Owner{}, err
	}
	kind := selected.kinds[0]
	mapping, err := mapper.RESTMapping(kind)
	if err != nil {
		return v1alpha1.ObjectReference{}, ownership.Owner{}, err
	}
	reference := v1alpha1.ObjectReference{Group: kind.Group, Kind: kind.Kind, Name: wanted.name}
	if mapping.Scope.Name() == apimeta.RESTScopeNameNamespace {
		if reference.Namespace, _, err = o.clusters.Config.ToRawKubeConfigLoader().Namespace(); err != nil {
			return reference, ownership.Owner{}, fmt.Errorf("cannot read the kubeconfig: %w", err)
		}
	}
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(mapping.GroupVersionKind)
	err = c.Get(ctx, client.ObjectKey{Namespace: reference.Namespace, Name: reference.Name}, live)
	switch {
	case apierrors.IsNotFound(err):
		return reference, ownership.Owner{}, fmt.Errorf("there is no %s%s", wanted, in(reference.Namespace))
	case err != nil:
		return reference, ownership.Owner{}, fmt.Errorf("read %s%s: %w", wanted, in(reference.Namespace), err)
	}
	owner, managed := ownership.Claimed(live)
	if !managed {
		return reference, owner, fmt.Errorf("%s%s carries no label of Flux, so Flux does not manage it and nobody has to break glass", wanted, in(reference.Namespace))
	}
	return reference, owner, nil
}
