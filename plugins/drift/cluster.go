package main

import (
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
	requestsPerSecond = 100
	requestBurst      = 200
)

// connect returns a scanner of the cluster that the flags choose, and what tells its kinds.
func (o *options) connect(stderr io.Writer) (*drift.Scanner, meta.RESTMapper, error) {
	config, err := cli.RESTConfig(o.config, stderr)
	if err != nil {
		return nil, nil, err
	}
	config.QPS, config.Burst = requestsPerSecond, requestBurst
	mapper, err := o.config.ToRESTMapper()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	c, builder, err := cli.Connect(config, mapper)
	if err != nil {
		return nil, nil, err
	}
	quiet := rest.CopyConfig(config)
	quiet.WarningHandler = rest.NoWarnings{}
	lister, err := client.New(quiet, client.Options{Mapper: mapper})
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	return &drift.Scanner{
		Client: c, Builder: builder.WithCache(cli.Cache(o.config)), OverrideManagers: o.overrideManagers, Concurrency: 8, Discovery: kinds, Lister: lister,
	}, mapper, nil
}
