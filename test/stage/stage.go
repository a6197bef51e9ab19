// Package stage sets up what the demo and the README are about: a cluster on which Flux has applied the example
// repository and our controller records edits.
package stage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// Environment is the cluster of the example repository that Flux applies.
const Environment = "prod-eu"

// Unreachable is the kubeconfig context of a cluster that is down.
const Unreachable = "stage"

// Stage is a running cluster with the example repository applied by Flux and our controller installed.
type Stage struct {
	Cluster    *harness.Cluster
	Repo       *harness.Repo
	Controller *harness.Instance
	siblings   []*harness.Cluster
}

// Start starts everything, our controller from manifests/overlays/record, and tells say what it does. It all ends with
// Close, or with this process.
func Start(ctx context.Context, say func(string, ...any)) (_ *Stage, err error) {
	root, err := harness.ModuleRoot()
	if err != nil {
		return nil, err
	}
	say("Starting etcd, kube-apiserver, kube-controller-manager and Flux's kustomize-controller.")
	s := &Stage{}
	if s.Cluster, err = harness.Start(ctx, harness.Options{}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.nameContexts(); err != nil {
		return nil, err
	}
	say("Flux applies the example repository (manifests/examples/fleet) to cluster %s.", Environment)
	if s.Repo, err = s.Cluster.NewRepo(ctx, filepath.Join(root, "manifests", "examples", "fleet")); err != nil {
		return nil, err
	}
	if _, err := s.Cluster.Publish(ctx, harness.Publication{Dir: s.Repo.Dir}); err != nil {
		return nil, err
	}
	result, err := s.Cluster.Kubectl(ctx, harness.Admin, "", "apply", "-f", filepath.Join(s.Repo.Dir, "clusters", Environment))
	if err != nil {
		return nil, err
	}
	if result.Code != 0 {
		return nil, fmt.Errorf("apply clusters/%s: %s", Environment, result.Stderr)
	}
	for _, name := range []string{"infrastructure", "apps"} {
		if _, err := s.Cluster.Reconcile(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}); err != nil {
			return nil, err
		}
	}
	say("gitops-drift is installed as a team begins with it: manifests/overlays/record.")
	s.Controller, err = s.Cluster.StartProduct(ctx, "record")
	return s, err
}

// nameContexts calls the context of the engineer on call as the example repository calls the cluster, and adds one of a
// cluster that cannot be reached.
func (s *Stage) nameContexts() error {
	file := s.Cluster.Kubeconfig(harness.OnCall)
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		return err
	}
	here := config.Contexts[config.CurrentContext]
	config.Clusters[Unreachable] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:1"}
	there := here.DeepCopy()
	there.Cluster = Unreachable
	config.Contexts = map[string]*clientcmdapi.Context{Environment: here, Unreachable: there}
	config.CurrentContext = Environment
	return clientcmd.WriteToFile(*config, file)
}

// Close ends the clusters and returns when nothing of them is left.
func (s *Stage) Close() error {
	err := s.Cluster.Stop()
	for _, sibling := range s.siblings {
		err = errors.Join(err, sibling.Stop())
	}
	return err
}
