package reconcile

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// rereadInterval is the pause between two reads where no watch is to be had: people who may get and
// patch an object are not always allowed to watch it.
const rereadInterval = time.Second

// errReread is returned by what sees an object to have it read anew, at once.
var errReread = errors.New("read again")

// seeing is shown the states of an object, until it is done or returns an error other than errReread.
type seeing func(*unstructured.Unstructured) (done bool, err error)

// follow shows every state of an object that it sees, the present one first and again at least once in every resync,
// until see is done or fails, the object is gone, or ctx ends. An API server that is away for a moment does not end it.
func follow(ctx context.Context, resource dynamic.ResourceInterface, name string, resync time.Duration, see seeing) error {
	for {
		object, err := resource.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err), apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
			return err
		case err == nil:
			done, err := see(object)
			if !done && err == nil {
				done, err = watchFrom(ctx, resource, object, resync, see)
			}
			if errors.Is(err, errReread) {
				continue
			}
			if done || err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rereadInterval):
		}
	}
}

// watchFrom returns false and no error when the watch cannot be had or has ended: read again.
func watchFrom(ctx context.Context, resource dynamic.ResourceInterface, object *unstructured.Unstructured, resync time.Duration, see seeing) (bool, error) {
	watcher, err := resource.Watch(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector("metadata.name", object.GetName()).String(),
		ResourceVersion: object.GetResourceVersion(),
	})
	if err != nil {
		return false, nil
	}
	defer watcher.Stop()
	enough := time.NewTimer(resync)
	defer enough.Stop()
	for {
		var event watch.Event
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-enough.C:
			return false, errReread
		case event = <-watcher.ResultChan(): // the zero event when it is closed
		}
		object, ok := event.Object.(*unstructured.Unstructured)
		if !ok || event.Type != watch.Added && event.Type != watch.Modified {
			return false, nil // ended, too old, or the object is gone: the next read tells
		}
		if done, err := see(object); done || err != nil {
			return done, err
		}
	}
}
