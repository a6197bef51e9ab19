package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

var outputs = []string{"table", "json", "yaml", "name"}

type options struct {
	clusters      cli.Clusters
	output        string
	selector      string
	all           bool
	allNamespaces bool
	withSource    bool
	force, reset  bool
	resume        bool
	revision      string
	wait          bool
	timeout       time.Duration
}

func newCommand(name string) *cobra.Command {
	o := &options{clusters: cli.Clusters{Config: genericclioptions.NewConfigFlags(true)}}
	*o.clusters.Config.Namespace = "flux-system"
	cmd := &cobra.Command{
		Use:   "gitops-reconcile TYPE/NAME ... | TYPE --all | --all",
		Short: "Ask Flux to reconcile now, and wait for the outcome",
		Long: fmt.Sprintf(`Ask Flux to reconcile now, and wait until it has handled this very request. Types are %s.

What depends on something else that is named waits for it: a consumer for its source, and all for what their dependsOn
names. What fails stops only what depends on it. With --revision the wait ends when that revision is applied and ready, with
every HelmRelease and Kustomization that a named Kustomization applies.

If anything that is named is missing or suspended, nothing is requested in that cluster.

Exit code: 0 all are ready, 1 not all of them are, 2 bad input or a cluster that cannot be asked.`, typeNames()),
		Example: fmt.Sprintf(`  # apply what Flux has fetched
  %[1]s kustomization/apps

  # fetch first, then apply
  %[1]s ks/infrastructure ks/apps --with-source

  # upgrade a release once more, and forget how often it failed
  %[1]s hr/catalog -n catalog --force --reset

  # is what was merged live in five clusters?
  %[1]s ks/infrastructure --with-source --all-contexts --revision $(git rev-parse HEAD)

  # everything, whoever suspended it
  %[1]s --all -A --resume`, name),
		Args: cobra.ArbitraryArgs, // objects tells more than cobra would
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.clusters.AddFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "table", "one of "+strings.Join(outputs, ", "))
	flags.StringVarP(&o.selector, "selector", "l", "", "reconcile what has these labels, as in kubectl get -l")
	flags.BoolVar(&o.all, "all", false, "reconcile all of the named types; Kustomizations and HelmReleases if none is named")
	flags.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "look in every namespace for what --all or -l choose")
	flags.BoolVar(&o.withSource, "with-source", false, "reconcile first what each is fetched from: the source of a Kustomization, the chart and repository of a HelmRelease")
	flags.BoolVar(&o.force, "force", false, "make HelmReleases upgrade although nothing changed")
	flags.BoolVar(&o.reset, "reset", false, "make HelmReleases forget how often they failed")
	flags.BoolVar(&o.resume, "resume", false, "resume what is suspended")
	flags.StringVar(&o.revision, "revision", "", "wait until this is applied and ready: main@sha1:COMMIT, a commit (7 digits or more), or a tag")
	flags.BoolVar(&o.wait, "wait", true, "wait for the outcome")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait, for each cluster")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	cmd.ValidArgsFunction = o.complete
	return cmd
}

// question is what is asked of every cluster.
type question struct {
	objects  selection
	revision reconcile.Revision
}

// question reads the command line, without asking any cluster.
func (o *options) question(args []string) (q question, err error) {
	if !slices.Contains(outputs, o.output) {
		return q, fmt.Errorf("-o %q is not known; it is one of %s", o.output, strings.Join(outputs, ", "))
	}
	if o.timeout <= 0 {
		return q, fmt.Errorf("--timeout is %s; it has to be more than 0", o.timeout)
	}
	if o.revision != "" {
		if q.revision, err = reconcile.ParseRevision(o.revision); err != nil {
			return q, fmt.Errorf("--revision: %w", err)
		}
		if !o.wait {
			return q, errors.New("--revision says what to wait for; it cannot go with --wait=false")
		}
	}
	q.objects, err = o.selection(args)
	if err == nil && (o.force || o.reset) && !q.objects.mayBeReleases() {
		err = errors.New("--force and --reset are for HelmReleases, and none is named")
	}
	return q, err
}

func (o *options) run(cmd *cobra.Command, args []string) error {
	q, err := o.question(args)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("revision") && o.revision == "" {
		return errors.New("--revision is empty; give main@sha1:COMMIT, a commit, or a tag")
	}
	clusters, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return err
	}
	out, stderr := cmd.OutOrStdout(), cmd.ErrOrStderr()
	show := newShow(out, stderr, o.output, board{several: o.clusters.Several(), namespace: *o.clusters.Config.Namespace}, clusters)
	all := o.reconcile(cmd.Context(), clusters, q, stderr, show)
	if err := show.end(); err != nil {
		return err
	}
	if err := o.write(out, all); err != nil {
		return err
	}
	return all.verdict(cmd.Context(), o.timeout)
}

func (o *options) write(out io.Writer, all *outcomes) error {
	switch o.output {
	case "json":
		return writeJSON(out, all.report())
	case "yaml":
		return writeYAML(out, all.report())
	case "name":
		return all.writeNames(out, o.allNamespaces)
	}
	return all.writeTable(out, time.Now())
}
