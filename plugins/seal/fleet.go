package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealfleet"
)

// fleetFlags are those of commands that ask the controllers of clusters.
type fleetFlags struct {
	output     string
	timeout    time.Duration
	controller sealfleet.Service
}

func (f *fleetFlags) addFlags(cmd *cobra.Command, timeout time.Duration) {
	addOutput(cmd, &f.output)
	cmd.Flags().DurationVar(&f.timeout, "timeout", timeout, "how long to try, for each cluster")
	cmd.Flags().StringVar(&f.controller.Namespace, "controller-namespace", "", "namespace of the Sealed Secrets controller; by default what "+sealconfig.FileName+" says, else kube-system")
	cmd.Flags().StringVar(&f.controller.Name, "controller-name", "", "Service of the Sealed Secrets controller; by default what "+sealconfig.FileName+" says, else sealed-secrets-controller, or what Helm's chart made")
}

func (f *fleetFlags) check() error {
	if f.timeout <= 0 {
		return fmt.Errorf("--timeout is %s; it has to be more than 0", f.timeout)
	}
	return knownOutput(f.output)
}

// contexts are the clusters to ask: those that flags name, else those that the configuration lists, else the kubeconfig's
// current one.
func (o *options) contexts(cmd *cobra.Command, config *sealconfig.Config) ([]string, error) {
	flags := cmd.Flags()
	if !o.clusters.Several() && !flags.Changed("context") && !flags.Changed("server") && !flags.Changed("cluster") && len(config.Clusters) > 0 {
		names := make([]string, 0, len(config.Clusters))
		for _, cluster := range config.Clusters {
			names = append(names, cluster.Context)
		}
		if err := flags.Set("contexts", strings.Join(names, ",")); err != nil {
			return nil, err
		}
		contexts, err := o.clusters.Names(flags)
		if err != nil {
			return nil, fmt.Errorf("of the clusters in %s: %w; or choose with --contexts", sealconfig.FileName, err)
		}
		return contexts, nil
	}
	return o.clusters.Names(flags)
}

// service is where the controller of a cluster is; the zero value, if nobody says so.
func (f *fleetFlags) service(cluster sealconfig.Cluster) sealfleet.Service {
	out := f.controller
	configured := cluster.Controller
	if out == (sealfleet.Service{}) && configured == (sealconfig.Controller{}) {
		return out
	}
	configured = configured.OrDefault()
	if out.Namespace == "" {
		out.Namespace = configured.Namespace
	}
	if out.Name == "" {
		out.Name = configured.Name
	}
	return out
}
