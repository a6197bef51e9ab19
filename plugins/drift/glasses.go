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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

var glassOutputs = []string{"table", "json", "yaml", "name"}

func (o *options) glassListCommand(name string) *cobra.Command {
	var output string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show who may edit what for how long yet, and what is over, the newest first",
		Example: fmt.Sprintf(`  # of all clusters
  %[1]s break-glass list --all-contexts

  # for a program
  %[1]s break-glass list -o json`, name),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.glassList(cmd, output, timeout) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "one of "+strings.Join(glassOutputs, ", "))
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to try, for each cluster")
	return cmd
}

func (o *options) glassList(cmd *cobra.Command, output string, timeout time.Duration) error {
	if err := errors.Join(known(output, glassOutputs), positive("timeout", timeout)); err != nil {
		return err
	}
	clusters, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return err
	}
	if len(clusters) > 1 && output != "table" {
		return fmt.Errorf("-o %s is for one cluster; choose it with --context", output)
	}
	limits := fleet.Limits{AtOnce: cli.ClustersAtOnce, Timeout: timeout}
	glasses := fleet.Ask(cmd.Context(), clusters, limits, func(ctx context.Context, cluster string) ([]v1alpha1.BreakGlass, error) {
		scanner, _, err := o.connect(ctx, cluster, cmd.ErrOrStderr())
		if err != nil {
			return nil, err
		}
		list, err := breakglass.List(ctx, scanner.Client)
		return slices.DeleteFunc(list, func(g v1alpha1.BreakGlass) bool {
			return o.namespace() != "" && g.Spec.Object.Namespace != o.namespace()
		}), late(err, timeout)
	})
	failed, err := unanswered(cmd.Context(), glasses, o.clusters.Several())
	if err != nil {
		return err
	}
	if len(failed) < len(glasses) {
		if err := printGlasses(cmd.OutOrStdout(), glasses, output); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func printGlasses(out io.Writer, glasses []report.Glasses, output string) error {
	if output == "table" {
		return report.WriteGlasses(out, time.Now(), glasses...)
	}
	if output == "name" {
		for _, g := range glasses[0].Value {
			if _, err := fmt.Fprintln(out, "breakglass.gitops-drift.dev/"+g.Name); err != nil {
				return err
			}
		}
		return nil
	}
	list := v1alpha1.BreakGlassList{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "BreakGlassList"},
		Items:    append([]v1alpha1.BreakGlass{}, glasses[0].Value...),
	}
	if output == "json" {
		return report.WriteJSON(out, list)
	}
	return report.WriteYAML(out, list)
}

// completeGlass offers the BreakGlasses that are active.
func (o *options) completeGlass(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completing)
	defer cancel()
	clusters, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	scanner, _, err := o.connect(ctx, clusters[0], io.Discard)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	list, err := breakglass.List(ctx, scanner.Client)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for i := range list {
		if list[i].Active(time.Now()) {
			out = append(out, list[i].Name)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
