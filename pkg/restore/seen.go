package restore

import (
	"context"
	"encoding/json"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// seen is a client that has read one object already, a moment ago, and does not ask the API server for it again: Flux's libraries
// begin with that, and a restore waits for the API server most of its time. What they patch by what they read is that very
// state, or a conflict: they replace managedFields as a whole, and nobody's entry must get lost.
type seen struct {
	client.Client
	live *unstructured.Unstructured
}

// Get implements client.Reader.
func (s seen) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	out, ok := into.(*unstructured.Unstructured)
	if !ok || !s.is(key, into) {
		return s.Client.Get(ctx, key, into, opts...)
	}
	s.live.DeepCopyInto(out)
	return nil
}

// Patch implements client.Writer.
func (s seen) Patch(ctx context.Context, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
	if patch.Type() != types.JSONPatchType || !s.is(client.ObjectKeyFromObject(object), object) {
		return s.Client.Patch(ctx, object, patch, opts...)
	}
	text, err := patch.Data(object)
	if err != nil {
		return err
	}
	var operations []json.RawMessage
	if err := json.Unmarshal(text, &operations); err != nil {
		return err
	}
	same, err := json.Marshal(map[string]string{"op": "replace", "path": "/metadata/resourceVersion", "value": s.live.GetResourceVersion()})
	if err != nil {
		return err
	}
	operations = append(operations, same)
	if text, err = json.Marshal(operations); err != nil {
		return err
	}
	return s.Client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, text), opts...)
}

// is reports whether this is the object that was read.
func (s seen) is(key client.ObjectKey, object client.Object) bool {
	return s.live != nil && key == client.ObjectKeyFromObject(s.live) && object.GetObjectKind().GroupVersionKind() == s.live.GroupVersionKind()
}

// persistent does something with an object that was read, and reads it again and once more does it where somebody wrote to it
// meanwhile, as a controller does that reports on the very edit. It waits ever longer for whoever writes many times, 0.6 s in all.
func (l *Loop) persistent(ctx context.Context, o *outcome, as client.Client, do func(client.Client) (bool, error)) (changed bool, err error) {
	pauses := wait.Backoff{Duration: 20 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 6}
	again := false
	err = retry.OnError(pauses, apierrors.IsConflict, func() error {
		if again {
			o.live, o.reread = nil, true
			if err := l.look(ctx, o); err != nil {
				return err
			}
		}
		again = true
		var err error
		changed, err = do(seen{as, o.live})
		return err
	})
	return changed, err
}
