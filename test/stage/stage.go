// Package stage sets up what the demo and the README are about: a cluster on which Flux has applied the example
// repository and our controller records edits.
package stage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// Environment is the cluster of the example repository that Flux applies.
const Environment = "prod-eu"

// Stage is a running cluster with the example repository applied by Flux and our controller installed.
type Stage struct {
	Cluster    *harness.Cluster
	Repo       *harness.Repo
	Controller *harness.Instance
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

// Close ends the cluster and returns when nothing of it is left.
func (s *Stage) Close() error { return s.Cluster.Stop() }
