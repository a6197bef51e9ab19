package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// product is the name of our controller: its program, Deployment, service account and ValidatingWebhookConfiguration.
const product = "gitops-drift"

// StartProduct installs an overlay of manifests/ ("record", "enforce", "enforce-fail") as a cluster's administrator would, and starts
// one replica of our controller behind its Service. It returns when the replica is ready.
// Args are added to the program's.
func (c *Cluster) StartProduct(ctx context.Context, overlay string, args ...string) (*Instance, error) {
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	// The kinds come first: the API server must know them before there can be a policy.
	for _, args := range [][]string{
		{"apply", "--server-side", "--force-conflicts", "-k", filepath.Join(root, "manifests", "crds")},
		{"wait", "--for=condition=Established", "crd/editpolicies.gitops-drift.dev", "crd/editrecords.gitops-drift.dev", "crd/breakglasses.gitops-drift.dev"},
		{"apply", "--server-side", "--force-conflicts", "-k", filepath.Join(root, "manifests", "overlays", overlay)},
	} {
		result, err := c.Kubectl(ctx, Admin, "", args...)
		if err != nil {
			return nil, err
		}
		if result.Code != 0 {
			return nil, fmt.Errorf("kubectl %s: %s", strings.Join(args, " "), result.Stderr)
		}
	}
	replica, err := c.StartReplica(ctx, args...)
	if err != nil {
		return nil, err
	}
	hosted := Product()
	c.Route(hosted.Service, hosted.Port, replica.Address(hosted.Endpoint))
	return replica, nil
}

// StartReplica starts one more replica of our controller, which [Cluster.StartProduct] must have installed. Its ports
// are WEBHOOK, HEALTH and METRICS; [Cluster.Route] brings it calls.
func (c *Cluster) StartReplica(ctx context.Context, args ...string) (*Instance, error) {
	w := productWorkload(args)
	w.Args = append([]string{"--flux-namespace=" + FluxNamespace}, w.Args...)
	return c.StartWorkload(ctx, w)
}

// Product is our controller, to be run wherever its manifests have Pods of it; see [Cluster.StartNode]. Args are added to those of the
// manifests.
func Product(args ...string) Hosted {
	return Hosted{
		Workload: productWorkload(args), Port: 443, Endpoint: "WEBHOOK",
		Service: client.ObjectKey{Namespace: FluxNamespace, Name: product + "-webhook"},
	}
}

func productWorkload(args []string) Workload {
	return Workload{
		Deployment: client.ObjectKey{Namespace: FluxNamespace, Name: product},
		Program:    product,
		Args: append([]string{
			"--webhook-port=$(WEBHOOK)",
			"--health-probe-bind-address=127.0.0.1:$(HEALTH)",
			"--metrics-bind-address=127.0.0.1:$(METRICS)",
			"--shutdown-delay=0s",
			"--drain-timeout=0s",
		}, args...),
		Ports: []string{"WEBHOOK", "HEALTH", "METRICS"},
		Ready: "http://127.0.0.1:$(HEALTH)/readyz",
	}
}
