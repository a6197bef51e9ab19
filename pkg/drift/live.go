package drift

import (
	"context"
	"fmt"
	"maps"
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
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// liveObjects reads the objects of a cluster: all labelled objects of a kind with one LIST the first time that the kind is
// asked for, or those of one namespace where that is all that one may list, others one by one.
type liveObjects struct {
	client client.Client
	pages  *Pages
	// label is the one that all the objects carry.
	label string
	// vouched is for Policy.Vouched.
	vouched func(ownership.Held, *unstructured.Unstructured) bool
	mu      sync.Mutex
	lists   map[place]*kindList
}

// place is what a list is of: the objects of a kind in a namespace or, where that is empty, in the whole cluster.
type place struct {
	kind      schema.GroupVersionKind
	namespace string
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
	kind := l.read(ctx, place{kind: want.GroupVersionKind()})
	if apierrors.IsForbidden(kind.err) && want.GetNamespace() != "" {
		kind = l.read(ctx, place{want.GroupVersionKind(), want.GetNamespace()})
	}
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

// read lists what is there, the first time that it is asked to.
func (l *liveObjects) read(ctx context.Context, at place) *kindList {
	list := l.list(at)
	list.once.Do(func() {
		list.objects, list.err = l.pages.list(ctx, at, l.label)
		list.done.Store(true)
	})
	return list
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
		at := place{kind: gvk}
		l.list(at) // begun, though the list itself is still to come
		group.Go(func() { l.read(ctx, at) })
	}
	return group.Wait
}

// listed are the objects of a place if they have been listed, else nil.
func (l *liveObjects) listed(at place) map[desired.Key]listedObject {
	list := l.list(at)
	if !list.done.Load() || list.err != nil {
		return nil
	}
	return list.objects
}

// begun reports whether somebody wants the objects of a place, or of its kind in the whole cluster, listed.
func (l *liveObjects) begun(at place) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lists[at] != nil || l.lists[place{kind: at.kind}] != nil
}

// namespaces are those in which something could be listed that could not be listed in the whole cluster.
func (l *liveObjects) namespaces() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[string]bool{}
	for at, list := range l.lists {
		if at.namespace != "" && list.done.Load() && list.err == nil {
			found[at.namespace] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
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

func (l *liveObjects) list(at place) *kindList {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lists == nil {
		l.lists = map[place]*kindList{}
	}
	if l.lists[at] == nil {
		l.lists[at] = &kindList{}
	}
	return l.lists[at]
}
