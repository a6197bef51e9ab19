package drift

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

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
	// listing are the lists under way. What is compared does not wait for the end of any.
	listing sync.WaitGroup
}

// place is what a list is of: the objects of a kind in a namespace or, where that is empty, in the whole cluster.
type place struct {
	kind      schema.GroupVersionKind
	namespace string
}

// kindList is a list that grows page by page, so that comparing goes on while the API server still lists. It may be used concurrently.
type kindList struct {
	once sync.Once

	mu      sync.Mutex
	objects map[desired.Key]listedObject
	// done says that all have come, or with err that no more do.
	done bool
	err  error
	// news is closed when more have come.
	news chan struct{}
}

func newKindList() *kindList {
	return &kindList{objects: map[desired.Key]listedObject{}, news: make(chan struct{})}
}

// grow adds objects.
func (k *kindList) grow(objects map[desired.Key]listedObject) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.Copy(k.objects, objects)
	close(k.news)
	k.news = make(chan struct{})
}

func (k *kindList) end(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done, k.err = true, err
	close(k.news)
}

// find returns an object as soon as it has come. That there is none, or with an error that nobody knows, it says once the list has ended.
func (k *kindList) find(key desired.Key) (listedObject, bool, error) {
	for {
		k.mu.Lock()
		object, ok := k.objects[key]
		done, err, news := k.done, k.err, k.news
		k.mu.Unlock()
		if ok || done {
			return object, ok, err
		}
		<-news
	}
}

// all returns what has come once all have, else nil.
func (k *kindList) all() map[desired.Key]listedObject {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.done || k.err != nil {
		return nil
	}
	return k.objects
}

// get returns the live object, nil if there is none.
func (l *liveObjects) get(ctx context.Context, want *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	key := desired.KeyOf(want)
	listed, ok, err := l.begin(ctx, place{kind: want.GroupVersionKind()}).find(key)
	if !ok && apierrors.IsForbidden(err) && want.GetNamespace() != "" {
		listed, ok, err = l.begin(ctx, place{want.GroupVersionKind(), want.GetNamespace()}).find(key)
	}
	switch {
	case ok:
		return listed.object()
	case apimeta.IsNoMatchError(err) || apierrors.IsNotFound(err):
		return nil, l.gone(want.GroupVersionKind())
	case err != nil && !apierrors.IsForbidden(err):
		return nil, err
	}
	// An object that lost its labels is not missing; and who may not list a kind may still read single objects.
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(want.GroupVersionKind())
	err = l.client.Get(ctx, client.ObjectKeyFromObject(want), object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return object, nil
}

// begin lists what is there, the first time that it is asked to, and does not wait for it.
func (l *liveObjects) begin(ctx context.Context, at place) *kindList {
	list := l.list(at)
	list.once.Do(func() {
		l.listing.Go(func() { list.end(l.pages.list(ctx, at, l.label, list.grow)) })
	})
	return list
}

// prefetch begins to list the kinds of which the owners note that they applied selected objects, so that this goes on
// while the first of them are built.
func (l *liveObjects) prefetch(ctx context.Context, owners []kustomizev1.Kustomization, selection Selection) {
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
	for gvk := range kinds {
		l.begin(ctx, place{kind: gvk})
	}
}

// listed are the objects of a place if they have been listed, else nil.
func (l *liveObjects) listed(at place) map[desired.Key]listedObject {
	return l.list(at).all()
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
		if at.namespace != "" && list.all() != nil {
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
		l.lists[at] = newKindList()
	}
	return l.lists[at]
}
