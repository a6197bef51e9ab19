package reconcile

import (
	"context"
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

// follow shows every state of an object that it sees, the present one first, until see is done or
// fails, the object is gone, or ctx ends. An API server that is away for a moment does not end it.
func follow(ctx context.Context, resource dynamic.ResourceInterface, name string,
	see func(*unstructured.Unstructured) (done bool, err error),
) error {
	for {
		object, err := resource.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err), apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
			return err
		case err == nil:
			if done, err := see(object); done || err != nil {
				return err
			}
			if done, err := watchFrom(ctx, resource, object, see); done || err != nil {
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
func watchFrom(ctx context.Context, resource dynamic.ResourceInterface, object *unstructured.Unstructured,
	see func(*unstructured.Unstructured) (done bool, err error),
) (bool, error) {
	watcher, err := resource.Watch(ctx, metav1.ListOptions{
		FieldSelector:   fields.OneTermEqualSelector("metadata.name", object.GetName()).String(),
		ResourceVersion: object.GetResourceVersion(),
	})
	if err != nil {
		return false, nil
	}
	defer watcher.Stop()
	for {
		var event watch.Event
		select {
		case <-ctx.Done():
			return false, ctx.Err()
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
