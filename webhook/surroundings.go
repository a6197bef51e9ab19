package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/gitops-drift/gitops-drift/pkg/follow"
)

// addSurroundings has the lookups know what owners manage and what can be scaled. A replica that does not know it yet is not
// ready.
func addSurroundings(ctx context.Context, mgr manager.Manager, direct client.Client, lookups *follow.Lookups) error {
	lookups.Holdings = &follow.Holdings{}
	if lookups.Kustomizations {
		if err := count(ctx, mgr, lookups.Holdings, "kustomizations", &kustomizev1.Kustomization{}); err != nil {
			return err
		}
	}
	if lookups.HelmReleases {
		if err := count(ctx, mgr, lookups.Holdings, "helmreleases", &helmv2.HelmRelease{}); err != nil {
			return err
		}
	}
	objects, err := metadata.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	resources, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	lookups.Workloads = &follow.Workloads{
		Metadata: objects, Discovery: resources, Mapper: mgr.GetRESTMapper(), Client: direct,
		Kinds: lookups.Holdings.Kinds, Log: mgr.GetLogger().WithName("workloads"),
	}
	return errors.Join(mgr.Add(lookups.Workloads), mgr.AddReadyzCheck("workloads", func(*http.Request) error {
		if !lookups.Synced() {
			return errors.New("what can be scaled has not been listed yet")
		}
		return nil
	}))
}

// count keeps the holdings of a kind of owner.
func count(ctx context.Context, mgr manager.Manager, holdings *follow.Holdings, name string, kind client.Object) error {
	informer, err := mgr.GetCache().GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch %s: %w", name, err)
	}
	counted, err := informer.AddEventHandler(holdings.Handler())
	if err != nil {
		return fmt.Errorf("count what %s manage: %w", name, err)
	}
	return mgr.AddReadyzCheck(name, func(*http.Request) error {
		if !counted.HasSynced() {
			return fmt.Errorf("what %s manage has not been counted yet", name)
		}
		return nil
	})
}
