package restore

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// watchBackoff spaces the attempts to watch a kind that is not served or not answered for.
var watchBackoff = wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 10, Cap: 5 * time.Second}

// forbiddenPause is how long a kind that may not be listed is left alone: a policy that wants more than the overlay may
// is a mistake for people to mend, and not to be told of every second.
const forbiddenPause = 30 * time.Second

// watches runs one watch for each kind of object and owner. It must not be used concurrently.
type watches struct {
	dynamic dynamic.Interface
	mapper  meta.RESTMapper
	open    func(watched) *events
	running map[watched]running
	group   sync.WaitGroup
}

type running struct {
	events *events
	stop   context.CancelFunc
}

// follow starts the watches of the kinds that are new and stops those of the kinds that are no longer in use.
func (w *watches) follow(ctx context.Context, kinds map[watched]struct{}) {
	for kind, r := range w.running {
		if _, used := kinds[kind]; !used {
			r.stop()
			delete(w.running, kind)
		}
	}
	for kind := range kinds {
		if _, ok := w.running[kind]; ok {
			continue
		}
		ctx, stop := context.WithCancel(ctx)
		store := w.open(kind)
		w.running[kind] = running{events: store, stop: stop}
		w.group.Go(func() { w.watch(ctx, kind, store) })
	}
}

// synced reports whether all objects of a kind have been listed once.
func (w *watches) synced(kind watched) bool {
	r, ok := w.running[kind]
	return ok && r.events.synced.Load()
}

// wait returns when all watches have ended; the context of follow ends them.
func (w *watches) wait() { w.group.Wait() }

// watch feeds store until ctx ends. The reflector sees to dropped watches, expired resource versions and kinds that
// go away for a while.
func (w *watches) watch(ctx context.Context, what watched, store *events) {
	kind := what.kind
	resource, ok := w.served(ctx, kind)
	if !ok {
		return
	}
	objects := w.dynamic.Resource(resource)
	selected := func(options metav1.ListOptions) metav1.ListOptions {
		options.LabelSelector = what.owner.NameLabel()
		return options
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return permitted(ctx, kind, forbiddenPause, func() (*unstructured.UnstructuredList, error) { return objects.List(ctx, selected(options)) })
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return permitted(ctx, kind, forbiddenPause, func() (watch.Interface, error) { return objects.Watch(ctx, selected(options)) })
		},
	}
	expected := &unstructured.Unstructured{}
	expected.SetGroupVersionKind(kind)
	backoff := watchBackoff
	cache.NewReflectorWithOptions(source, expected, store, cache.ReflectorOptions{
		Name: "restore " + kind.String() + " of " + string(what.owner) + "s", Backoff: &backoff,
	}).RunWithContext(klog.NewContext(ctx, store.log))
}

// served waits until the kind is served; a CRD may be installed later than its first object is asked for.
func (w *watches) served(ctx context.Context, kind schema.GroupVersionKind) (schema.GroupVersionResource, bool) {
	log := klog.FromContext(ctx)
	for backoff := watchBackoff; ; {
		mapping, err := w.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err == nil {
			return mapping.Resource, true
		}
		log.V(1).Info("A kind cannot be watched yet", "kind", kind.String(), "error", err.Error())
		select {
		case <-ctx.Done():
			return schema.GroupVersionResource{}, false
		case <-time.After(backoff.Step()):
		}
	}
}

// permitted calls the API server until it allows that, and says once that it does not.
func permitted[T any](ctx context.Context, kind schema.GroupVersionKind, pause time.Duration, call func() (T, error)) (T, error) {
	for told := false; ; told = true {
		answer, err := call()
		if !apierrors.IsForbidden(err) {
			return answer, err
		}
		if !told {
			klog.FromContext(ctx).Error(err, "A kind may not be watched, so its objects are not restored; bind a role that may, or restore fewer by policy",
				"group", kind.Group, "kind", kind.Kind, "version", kind.Version)
		}
		select {
		case <-ctx.Done():
			return answer, ctx.Err()
		case <-time.After(pause):
		}
	}
}
