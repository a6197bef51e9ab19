package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// The cluster that the story is about.
const environment = "prod-eu"

// What the story changes.
var (
	apps       = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "apps"}
	deployment = client.ObjectKey{Namespace: "payments", Name: "payments-api"}
)

// stage is a running cluster with the example repository applied by Flux and our controller installed.
type stage struct {
	cluster    *harness.Cluster
	repo       *harness.Repo
	controller *harness.Instance
}

// setUp starts everything; what it started ends with stage.close, or with this process.
func setUp(ctx context.Context, say func(string, ...any)) (_ *stage, err error) {
	root, err := harness.ModuleRoot()
	if err != nil {
		return nil, err
	}
	say("Starting etcd, kube-apiserver, kube-controller-manager and Flux's kustomize-controller.")
	s := &stage{}
	if s.cluster, err = harness.Start(ctx, harness.Options{}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	say("Flux applies the example repository (manifests/examples/fleet) to cluster %s.", environment)
	if s.repo, err = s.cluster.NewRepo(ctx, filepath.Join(root, "manifests", "examples", "fleet")); err != nil {
		return nil, err
	}
	if _, err := s.cluster.Publish(ctx, harness.Publication{Dir: s.repo.Dir}); err != nil {
		return nil, err
	}
	result, err := s.cluster.Kubectl(ctx, harness.Admin, "", "apply", "-f", filepath.Join(s.repo.Dir, "clusters", environment))
	if err != nil {
		return nil, err
	}
	if result.Code != 0 {
		return nil, fmt.Errorf("apply clusters/%s: %s", environment, result.Stderr)
	}
	for _, name := range []string{"infrastructure", "apps"} {
		if _, err := s.cluster.Reconcile(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}); err != nil {
			return nil, err
		}
	}
	say("gitops-drift is installed as a team begins with it: manifests/overlays/record.")
	s.controller, err = s.cluster.StartProduct(ctx, "record")
	return s, err
}

func (s *stage) close() error { return s.cluster.Stop() }

// overlay is the path of an install overlay as one types it at the root of the repository.
func overlay(name string) (string, error) {
	root, err := harness.ModuleRoot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "manifests", "overlays", name)
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if relative, err := filepath.Rel(here, path); err == nil {
		return relative, nil
	}
	return path, nil
}
