package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// product is the name of our controller: its program, Deployment, service account and ValidatingWebhookConfiguration.
const product = "gitops-drift"

// StartProduct installs an overlay of manifests/ ("record", "enforce") as a cluster's administrator would, and starts
// one replica of our controller behind its Service. It returns when the replica is ready.
// Args are added to the program's.
func (c *Cluster) StartProduct(ctx context.Context, overlay string, args ...string) (*Instance, error) {
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(root, "manifests", "overlays", overlay)
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", folder, err)
	}
	// The kinds come first: the API server must know them before there can be a policy.
	var kinds, rest strings.Builder
	for _, resource := range built.Resources() {
		to := &rest
		if resource.GetKind() == "CustomResourceDefinition" {
			to = &kinds
		}
		to.WriteString("---\n" + resource.MustYaml())
	}
	if err := c.apply(ctx, []byte(kinds.String())); err != nil {
		return nil, err
	}
	if err := c.awaitCRDs(ctx); err != nil {
		return nil, err
	}
	if err := c.apply(ctx, []byte(rest.String())); err != nil {
		return nil, err
	}
	replica, err := c.StartReplica(ctx, args...)
	if err != nil {
		return nil, err
	}
	c.Route(client.ObjectKey{Namespace: FluxNamespace, Name: product + "-webhook"}, 443, replica.Address("WEBHOOK"))
	return replica, nil
}

// StartReplica starts one more replica of our controller, which [Cluster.StartProduct] must have installed. Its ports
// are WEBHOOK, HEALTH and METRICS; [Cluster.Route] brings it calls.
func (c *Cluster) StartReplica(ctx context.Context, args ...string) (*Instance, error) {
	return c.StartWorkload(ctx, Workload{
		Deployment: client.ObjectKey{Namespace: FluxNamespace, Name: product},
		Program:    product,
		Args: append([]string{
			"--flux-namespace=" + FluxNamespace,
			"--webhook-port=$(WEBHOOK)",
			"--health-probe-bind-address=127.0.0.1:$(HEALTH)",
			"--metrics-bind-address=127.0.0.1:$(METRICS)",
			"--shutdown-delay=0s",
		}, args...),
		Ports: []string{"WEBHOOK", "HEALTH", "METRICS"},
		Ready: "http://127.0.0.1:$(HEALTH)/readyz",
	})
}
