package main

import (
	"fmt"
	"io"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// Requests a second that one person may send: what a scan of a few hundred drifted objects needs. The API server's
// priority and fairness protects everybody else.
const (
	requestsPerSecond = 100
	requestBurst      = 200
)

type cluster struct {
	client  client.Client
	mapper  meta.RESTMapper
	fetcher desired.Fetcher
}

func (o *options) connect(stderr io.Writer) (*cluster, error) {
	config, err := cli.RESTConfig(o.config, stderr)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = requestsPerSecond, requestBurst
	mapper, err := o.config.ToRESTMapper()
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, kustomizev1.AddToScheme, sourcev1.AddToScheme} {
		if err := add(known); err != nil {
			return nil, err
		}
	}
	c, err := client.New(config, client.Options{Scheme: known, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	fetcher, err := desired.NewProxyFetcher(config)
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	return &cluster{client: c, mapper: mapper, fetcher: fetcher}, nil
}

func (c *cluster) scanner(overrideManagers []string) *drift.Scanner {
	return &drift.Scanner{
		Client:           c.client,
		Builder:          desired.NewBuilder(c.client, c.fetcher),
		OverrideManagers: overrideManagers,
		Concurrency:      8,
	}
}
