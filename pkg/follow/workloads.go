package follow

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/admission"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// builtIn are the kinds of Kubernetes that can be scaled, or that make Pods.
var builtIn = map[schema.GroupKind]schema.GroupVersionResource{
	{Group: "apps", Kind: "Deployment"}:  {Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Kind: "StatefulSet"}: {Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "apps", Kind: "ReplicaSet"}:  {Group: "apps", Version: "v1", Resource: "replicasets"},
	{Group: "apps", Kind: "DaemonSet"}:   {Group: "apps", Version: "v1", Resource: "daemonsets"},
	{Kind: "ReplicationController"}:      {Version: "v1", Resource: "replicationcontrollers"},
	{Group: "batch", Kind: "Job"}:        {Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "batch", Kind: "CronJob"}:    {Group: "batch", Version: "v1", Resource: "cronjobs"},
}

// lookAgain is how often kinds are looked for that can be scaled, and rights that were missing.
const lookAgain = 30 * time.Second

// Workloads knows every workload that carries Flux's labels: its owner and whether that declares spec.replicas. A Scale and a
// Pod say neither. It watches metadata only, and keeps of it no more than that.
type Workloads struct {
	Metadata  metadata.Interface
	Discovery discovery.DiscoveryInterface
	Mapper    apimeta.RESTMapper
	// Client asks whether a kind may be watched.
	Client client.Client
	// Kinds returns the kinds of which Flux manages something.
	Kinds func() []schema.GroupKind
	Log   logr.Logger

	mu      sync.RWMutex
	watched map[schema.GroupKind]*watched
	ready   bool
	missing map[schema.GroupKind]bool
}

// watched is one kind: a list for each label that Flux has, for no selector can ask for either.
type watched struct {
	lists []*workloadList
	stop  context.CancelFunc
}

// Workload implements admission.Surroundings.
func (w *Workloads) Workload(key desired.Key) (admission.Workload, bool) {
	w.mu.RLock()
	kind := w.watched[key.GroupKind()]
	w.mu.RUnlock()
	if kind == nil {
		return admission.Workload{}, false
	}
	for _, list := range kind.lists {
		if found, ok := list.get(key.Namespace, key.Name); ok {
			return found, true
		}
	}
	return admission.Workload{}, false
}

// Synced reports whether every built-in kind that may be watched has been listed.
func (w *Workloads) Synced() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, kind := range w.watched {
		for _, list := range kind.lists {
			if !list.synced() {
				return false
			}
		}
	}
	return w.ready
}

// Start watches until ctx ends; kinds are taken up and dropped as owners name them.
func (w *Workloads) Start(ctx context.Context) error {
	w.mu.Lock()
	w.watched, w.missing = map[schema.GroupKind]*watched{}, map[schema.GroupKind]bool{}
	w.mu.Unlock()
	for {
		pause := lookAgain
		if err := w.follow(ctx); err != nil {
			w.Log.Error(err, "cannot find out which kinds may be watched")
			pause = time.Second
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// NeedLeaderElection says that every replica answers.
func (w *Workloads) NeedLeaderElection() bool { return false }

// follow starts to watch the kinds that are new and stops with those that nobody manages any more.
func (w *Workloads) follow(ctx context.Context) error {
	wanted := maps.Clone(builtIn)
	for _, kind := range w.Kinds() {
		if resource, ok := w.scales(kind); ok {
			wanted[kind] = resource
		}
	}
	for kind, resource := range wanted {
		if w.watched[kind] != nil {
			continue
		}
		may, err := w.may(ctx, kind, resource)
		if err != nil {
			return err
		}
		if may {
			w.watch(ctx, kind, resource)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for kind, running := range w.watched {
		if _, ok := wanted[kind]; !ok {
			running.stop()
			delete(w.watched, kind)
		}
	}
	w.ready = true
	return nil
}

// scales returns the resource of a kind that is not built in and can be scaled.
func (w *Workloads) scales(kind schema.GroupKind) (schema.GroupVersionResource, bool) {
	if _, known := builtIn[kind]; known || !strings.Contains(kind.Group, ".") || strings.HasSuffix(kind.Group, ".k8s.io") {
		return schema.GroupVersionResource{}, false
	}
	mapping, err := w.Mapper.RESTMapping(kind)
	if err != nil {
		return schema.GroupVersionResource{}, false
	}
	resources, err := w.Discovery.ServerResourcesForGroupVersion(mapping.Resource.GroupVersion().String())
	if err != nil {
		return schema.GroupVersionResource{}, false
	}
	return mapping.Resource, slices.ContainsFunc(resources.APIResources, func(r metav1.APIResource) bool {
		return r.Name == mapping.Resource.Resource+"/scale"
	})
}

// may asks whether this controller may watch a kind. Where it may not, it says so once and goes without.
func (w *Workloads) may(ctx context.Context, kind schema.GroupKind, resource schema.GroupVersionResource) (bool, error) {
	for _, verb := range []string{"list", "watch"} {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: resource.Group, Resource: resource.Resource},
		}}
		if err := w.Client.Create(ctx, review); err != nil {
			return false, fmt.Errorf("ask whether %s may be watched: %w", resource.GroupResource(), err)
		}
		if !review.Status.Allowed {
			if !w.missing[kind] {
				w.missing[kind] = true
				w.Log.Info("scaling is judged only where the desired state could be built: this controller may not list and watch the kind",
					"kind", kind.String(), "resource", resource.GroupResource().String())
			}
			return false, nil
		}
	}
	delete(w.missing, kind)
	return true, nil
}

func (w *Workloads) watch(ctx context.Context, kind schema.GroupKind, resource schema.GroupVersionResource) {
	ctx, stop := context.WithCancel(ctx)
	running := &watched{stop: stop}
	objects := w.Metadata.Resource(resource)
	for _, label := range []string{ownership.Kustomization.NameLabel(), ownership.HelmRelease.NameLabel()} {
		list := &workloadList{}
		running.lists = append(running.lists, list)
		selected := func(options metav1.ListOptions) metav1.ListOptions {
			options.LabelSelector = label
			return options
		}
		source := &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
				return objects.List(ctx, selected(options))
			},
			WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
				return objects.Watch(ctx, selected(options))
			},
		}
		go cache.NewReflectorWithOptions(source, &metav1.PartialObjectMetadata{}, list, cache.ReflectorOptions{
			Name: "workloads " + kind.String(),
		}).RunWithContext(klog.NewContext(ctx, w.Log))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched[kind] = running
}

// workloadList is the cache.ReflectorStore of one kind and label.
type workloadList struct {
	mu      sync.RWMutex
	objects map[client.ObjectKey]admission.Workload
}

var _ cache.ReflectorStore = (*workloadList)(nil)

func (l *workloadList) get(namespace, name string) (admission.Workload, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	w, ok := l.objects[client.ObjectKey{Namespace: namespace, Name: name}]
	return w, ok
}

func (l *workloadList) synced() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.objects != nil
}

// Add implements cache.ReflectorStore.
func (l *workloadList) Add(object any) error { return l.Update(object) }

// Update implements cache.ReflectorStore.
func (l *workloadList) Update(object any) error {
	o, err := partial(object)
	if err != nil {
		return err
	}
	workload, ok := workloadOf(o)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.objects == nil {
		l.objects = map[client.ObjectKey]admission.Workload{}
	}
	if ok {
		l.objects[client.ObjectKeyFromObject(o)] = workload
	} else {
		delete(l.objects, client.ObjectKeyFromObject(o))
	}
	return nil
}

// Delete implements cache.ReflectorStore.
func (l *workloadList) Delete(object any) error {
	o, err := partial(object)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.objects, client.ObjectKeyFromObject(o))
	return nil
}

// Replace implements cache.ReflectorStore.
func (l *workloadList) Replace(list []any, _ string) error {
	objects := make(map[client.ObjectKey]admission.Workload, len(list))
	for _, item := range list {
		o, err := partial(item)
		if err != nil {
			return err
		}
		if workload, ok := workloadOf(o); ok {
			objects[client.ObjectKeyFromObject(o)] = workload
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.objects = objects
	return nil
}

// Resync implements cache.ReflectorStore; nobody asks for it.
func (l *workloadList) Resync() error { return nil }

func partial(object any) (*metav1.PartialObjectMetadata, error) {
	o, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil, fmt.Errorf("a watch of metadata delivered a %T", object)
	}
	return o, nil
}

// workloadOf reads what is kept of a workload; false where it merely copied its labels.
func workloadOf(object *metav1.PartialObjectMetadata) (admission.Workload, bool) {
	owner, ok := ownership.Proven(object)
	if !ok {
		return admission.Workload{}, false
	}
	// The labels of a map come from the server's whole answer: only copies let go of it.
	owner.Namespace, owner.Name = strings.Clone(owner.Namespace), strings.Clone(owner.Name)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return admission.Workload{Owner: owner}, true
	}
	managers, err := ownership.Managers(&unstructured.Unstructured{Object: content})
	if err != nil {
		return admission.Workload{Owner: owner}, true
	}
	declared, _ := ownership.Declared(managers, owner.Kind)
	return admission.Workload{Owner: owner, Replicas: declared.Has(replicas)}, true
}

var replicas = fieldpath.MakePathOrDie("spec", "replicas")
