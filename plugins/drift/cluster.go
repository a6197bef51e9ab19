package main

import (
	"context"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// Requests a second that one person may send: what a scan of a few hundred drifted objects needs. The API server's
// priority and fairness protects everybody else.
const (
	requestsPerSecond = 400
	requestBurst      = 800
)

// fluxNamespace is where Flux, and most owners, are.
const fluxNamespace = "flux-system"

// connect returns a scanner of a cluster, and what tells its kinds, for as long as ctx.
func (o *options) connect(ctx context.Context, cluster string, stderr io.Writer) (*drift.Scanner, meta.RESTMapper, error) {
	config, mapper, err := o.clusters.Connection(ctx, cluster, stderr)
	if err != nil {
		return nil, nil, err
	}
	config.QPS, config.Burst = requestsPerSecond, requestBurst
	// What the API server warns of a kind, or of an object that is applied by dry-run, says nothing about drift.
	config.WarningHandler = rest.NoWarnings{}
	c, builder, err := cli.Connect(config, mapper)
	if err != nil {
		return nil, nil, err
	}
	lister, err := client.New(config, client.Options{Mapper: mapper})
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	pages, err := drift.NewPages(config, mapper)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	own, err := o.clusters.Namespace(cluster)
	if err != nil {
		return nil, nil, err
	}
	return &drift.Scanner{
		Namespaces: []string{own, fluxNamespace},
		Client:     c, Pages: pages, Builder: builder.WithCache(cli.Cache(o.clusters.Config)), OverrideManagers: o.overrideManagers, Concurrency: 8, Discovery: kinds, Lister: lister,
	}, mapper, nil
}

// namespace is the one that is asked about, empty for all.
func (o *options) namespace() string { return *o.clusters.Config.Namespace }

func in(namespace string) string {
	if namespace == "" {
		return ""
	}
	return fmt.Sprintf(" in namespace %s", namespace)
}
