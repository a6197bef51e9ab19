package drift

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	identity "github.com/fluxcd/cli-utils/pkg/object"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// liveObjects reads the objects of a cluster: all labelled objects of a kind with one LIST the first time that the kind is
// asked for, others one by one.
type liveObjects struct {
	client client.Client
	pages  *Pages
	// label is the one that all the objects carry.
	label string
	mu    sync.Mutex
	kinds map[schema.GroupVersionKind]*kindList
}

type kindList struct {
	once sync.Once
	// done is set once the others are.
	done    atomic.Bool
	objects map[desired.Key]listedObject
	err     error
}

// get returns the live object, nil if there is none.
func (l *liveObjects) get(ctx context.Context, want *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	kind := l.read(ctx, want.GroupVersionKind())
	if apimeta.IsNoMatchError(kind.err) || apierrors.IsNotFound(kind.err) {
		return nil, l.gone(want.GroupVersionKind())
	}
	if kind.err != nil && !apierrors.IsForbidden(kind.err) {
		return nil, kind.err
	}
	if object, ok := kind.objects[desired.KeyOf(want)]; ok {
		return object.object()
	}
	// An object that lost its labels is not missing; and who may not list a kind may still read single objects.
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(want.GroupVersionKind())
	err := l.client.Get(ctx, client.ObjectKeyFromObject(want), object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return object, nil
}

// read lists the objects of a kind, the first time that it is asked to.
func (l *liveObjects) read(ctx context.Context, gvk schema.GroupVersionKind) *kindList {
	kind := l.kind(gvk)
	kind.once.Do(func() {
		kind.objects, kind.err = l.pages.list(ctx, gvk, l.label)
		kind.done.Store(true)
	})
	return kind
}

// prefetch begins to list the kinds of which the owners note that they applied selected objects, so that this goes on
// while the first of them are built. The function that it returns waits for the end.
func (l *liveObjects) prefetch(ctx context.Context, owners []kustomizev1.Kustomization, selection Selection) func() {
	kinds := map[schema.GroupVersionKind]bool{}
	for i := range owners {
		inventory := owners[i].Status.Inventory
		if inventory == nil || owners[i].Spec.KubeConfig != nil {
			continue
		}
		for _, entry := range inventory.Entries {
			id, err := identity.ParseObjMetadata(entry.ID)
			switch {
			case err != nil, // its owner says so
				selection.Namespace != "" && id.Namespace != selection.Namespace,
				len(selection.Kinds) > 0 && !slices.Contains(selection.Kinds, id.GroupKind):
				continue
			}
			kinds[id.GroupKind.WithVersion(entry.Version)] = true
		}
	}
	var group sync.WaitGroup
	for gvk := range kinds {
		group.Go(func() { l.read(ctx, gvk) })
	}
	return group.Wait
}

// listed are the objects of a kind if they have been listed, else nil.
func (l *liveObjects) listed(gvk schema.GroupVersionKind) map[desired.Key]listedObject {
	kind := l.kind(gvk)
	if !kind.done.Load() || kind.err != nil {
		return nil
	}
	return kind.objects
}

// gone is nil if the kind is not served in any version, so that it has no objects. Whoever has cached what the server
// offers learns of it by a LIST that is not found.
func (l *liveObjects) gone(gvk schema.GroupVersionKind) error {
	mappings, err := l.client.RESTMapper().RESTMappings(gvk.GroupKind())
	if err != nil && !apimeta.IsNoMatchError(err) {
		return err
	}
	for _, mapping := range mappings {
		if mapping.GroupVersionKind.Version != gvk.Version {
			return fmt.Errorf("the cluster serves %s in %s, but not in %s, which git asks for",
				gvk.Kind, mapping.GroupVersionKind.GroupVersion(), gvk.GroupVersion())
		}
	}
	return nil
}

func (l *liveObjects) kind(gvk schema.GroupVersionKind) *kindList {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kinds == nil {
		l.kinds = map[schema.GroupVersionKind]*kindList{}
	}
	if l.kinds[gvk] == nil {
		l.kinds[gvk] = &kindList{}
	}
	return l.kinds[gvk]
}
