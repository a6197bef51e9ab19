package cli

import (
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// Connect returns a client that knows the kinds of Kubernetes, Flux and gitops-drift, and a builder of what Flux applied that reads
// with it, and artifacts through the API server.
func Connect(config *rest.Config, mapper meta.RESTMapper) (client.Client, *desired.Builder, error) {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, kustomizev1.AddToScheme, helmv2.AddToScheme, sourcev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(known); err != nil {
			return nil, nil, err
		}
	}
	c, err := client.New(config, client.Options{Scheme: known, Mapper: mapper})
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	fetcher, err := desired.NewProxyFetcher(config)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	return c, desired.NewBuilder(c, fetcher), nil
}
