package restore

import (
	"context"
	"errors"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// wakePause is how long changes of inventories are gathered.
const wakePause = 2 * time.Second

// followOwners has the loop learn of changes of owners, until forget is called.
func (l *Loop) followOwners(ctx context.Context) (forget func() error, err error) {
	kinds := []client.Object{&kustomizev1.Kustomization{}}
	if l.states.releases != nil {
		kinds = append(kinds, &helmv2.HelmRelease{})
	}
	var ended []func() error
	forget = func() error {
		var failed error
		for _, end := range ended {
			failed = errors.Join(failed, end())
		}
		return failed
	}
	for _, kind := range kinds {
		informer, err := l.options.Owners.GetInformer(ctx, kind)
		if err != nil {
			return forget, err
		}
		handler, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    l.ownerChanged,
			UpdateFunc: func(_, owner any) { l.ownerChanged(owner) },
		})
		if err != nil {
			return forget, err
		}
		ended = append(ended, func() error { return informer.RemoveEventHandler(handler) })
	}
	return forget, nil
}

// ownerChanged releases an owner's objects when Flux and the owner no longer hold the loop off.
func (l *Loop) ownerChanged(obj any) {
	var owner ownership.Owner
	switch o := obj.(type) {
	case *kustomizev1.Kustomization:
		owner = ownerOf(o)
		if !l.freed(o) {
			return
		}
	case *helmv2.HelmRelease:
		owner = ownership.Owner{Kind: ownership.HelmRelease, Namespace: o.Namespace, Name: o.Name}
		if kept, ok := l.states.releases.State(owner); !ok || releaseStop(o, kept.State) != "" {
			return
		}
	default:
		return
	}
	l.release(func(held ownership.Owner, reason Reason) bool { return held == owner && reason != ByPolicy })
}

// freed reports whether nothing about a Kustomization holds the loop off.
func (l *Loop) freed(ks *kustomizev1.Kustomization) bool {
	state := assumed(ks)
	if kept, ok := l.options.Desired.State(ownerOf(ks)); ok {
		state = kept.State
	} else if ks.Spec.KubeConfig == nil && ks.Status.Inventory != nil {
		l.inventoryChanged()
	}
	return ownerStop(ks, state) == ""
}

// inventoryChanged has the inventories of owners without a state read anew, soon: Flux writes their statuses often.
func (l *Loop) inventoryChanged() {
	if l.waking.Swap(true) {
		return
	}
	time.AfterFunc(wakePause, func() {
		l.waking.Store(false)
		select {
		case l.owners <- struct{}{}:
		default:
		}
	})
}
