package restore

import (
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
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
// meanwhile, as a controller does that reports on the very edit.
func (l *Loop) persistent(ctx context.Context, o *outcome, as client.Client, do func(client.Client) (bool, error)) (changed bool, err error) {
	for range conflicts {
		if changed, err = do(seen{as, o.live}); !apierrors.IsConflict(err) {
			return changed, err
		}
		o.live, o.reread = nil, true
		if err := l.look(ctx, o); err != nil {
			return false, err
		}
	}
	return changed, err
}

// conflicts is how often an attempt is made at once again.
const conflicts = 8
