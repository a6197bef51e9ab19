package restore

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// patches is a client that remembers the last patch.
type patches struct {
	client.Client
	last *string
}

func (p patches) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	text, err := patch.Data(object)
	*p.last = string(text)
	return err
}

func TestAPatchOfWhatWasReadIsOfThatVersion(t *testing.T) {
	live := configMap("app", "1")
	live.SetResourceVersion("7")
	const change = `[{"op":"add","path":"/data/n","value":12345678901234567890}]`
	for name, test := range map[string]struct {
		object *unstructured.Unstructured
		kind   types.PatchType
		want   string
	}{
		"the object":     {configMap("app", "2"), types.JSONPatchType, `[{"op":"add","path":"/data/n","value":12345678901234567890},{"op":"replace","path":"/metadata/resourceVersion","value":"7"}]`},
		"another object": {configMap("other", "2"), types.JSONPatchType, change},
		"an apply":       {configMap("app", "2"), types.ApplyPatchType, change},
	} {
		var last string
		if err := (seen{patches{last: &last}, live}).Patch(t.Context(), test.object, client.RawPatch(test.kind, []byte(change))); err != nil {
			t.Fatal(err)
		}
		if last != test.want {
			t.Errorf("%s is patched by %s", name, last)
		}
	}
}
