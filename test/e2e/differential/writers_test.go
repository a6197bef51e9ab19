package differential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljsonpatch "k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// updaters are the field managers of updates, appliers those of server-side applies.
var (
	updaters = []string{
		"kubectl-edit", "kubectl-patch", "kubectl-client-side-apply", "kubectl-label", "kubectl-annotate", "kubectl-set",
		"kubectl-rollout", "kubectl", "before-first-apply", "kustomize-controller", "flux-client-side-apply", "pipeline", "argocd", "helm",
	}
	appliers = []string{"kubectl", "kubectl", "kubectl-apply", "kustomize-controller", "pipeline", "argocd"}
)

// errRefused says that an edit was not made: the API server refused it, or it cannot be written that way.
var errRefused = errors.New("refused")

// writer makes one object's edits.
type writer struct {
	client client.Client
	rand   *rand.Rand
	// flux is the manager of the controller that applies the object.
	flux string
	// desired is what Flux applies.
	desired *unstructured.Unstructured
	// versions are other versions in which the API server serves the kind.
	versions []string
	mutator  *mutator
}

// manager picks one; kustomize-controller stands for Flux.
func (w *writer) manager(from []string) string {
	if manager := pick(w.rand, from); manager != ownership.KustomizeManager {
		return manager
	}
	return w.flux
}

// edit makes one random edit and says what it was. Edits without an effect are refused too.
func (w *writer) edit(ctx context.Context) (string, error) {
	live := &unstructured.Unstructured{}
	gvk := w.desired.GroupVersionKind()
	if len(w.versions) > 0 && w.rand.IntN(3) == 0 {
		gvk.Version = pick(w.rand, w.versions)
	}
	live.SetGroupVersionKind(gvk)
	err := w.client.Get(ctx, client.ObjectKeyFromObject(w.desired), live)
	if apierrors.IsNotFound(err) {
		return w.create(ctx)
	}
	if err != nil {
		return "", err
	}
	before := live.GetResourceVersion()
	what, err := w.write(ctx, live)
	if err != nil {
		return what, refused(ctx, err)
	}
	after := &unstructured.Unstructured{}
	after.SetGroupVersionKind(gvk)
	err = w.client.Get(ctx, client.ObjectKeyFromObject(live), after)
	if err == nil && after.GetResourceVersion() == before {
		return what, errRefused
	}
	return what, client.IgnoreNotFound(err)
}

// refused makes errRefused of the answer to an edit that was not made: the API server refused it, or fell over it (some
// strategic patches make it panic).
func refused(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %w", errRefused, err)
}

// create puts an object in the place of a deleted one, without Flux's labels.
func (w *writer) create(ctx context.Context) (string, error) {
	content, _ := clone(w.desired.Object).(map[string]any)
	drop(content, place{"metadata", "labels"})
	how := w.mutator.mutate(content)
	manager := w.manager(updaters)
	object := &unstructured.Unstructured{Object: content}
	err := w.client.Create(ctx, object, client.FieldOwner(manager))
	what := fmt.Sprintf("%s creates it again: %s", manager, how)
	return what, refused(ctx, err)
}

func (w *writer) write(ctx context.Context, live *unstructured.Unstructured) (string, error) {
	switch n := w.rand.IntN(100); {
	case n < 4 && !definition(live) && !awaited(live):
		return "delete", w.client.Delete(ctx, live, client.PropagationPolicy("Background"))
	case n < 8:
		return "wipe managedFields", w.client.Patch(ctx, live, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"managedFields":[{}]}}`)))
	case n < 11:
		return w.scale(ctx, live)
	case n < 14:
		return w.status(ctx, live)
	case n < 34:
		return w.apply(ctx, live)
	}
	return w.update(ctx, live)
}

// definition reports whether other objects go with this one, or it takes its time: their deletion is not tried.
func definition(object *unstructured.Unstructured) bool {
	return object.GetKind() == "Namespace" || object.GetKind() == "CustomResourceDefinition"
}

// awaited reports whether Flux waits for the object before it applies others: one that a finalizer keeps from going
// makes the whole reconciliation fail.
func awaited(object *unstructured.Unstructured) bool {
	return object.GetKind() == "ClusterRole" || strings.HasSuffix(object.GetKind(), "Class")
}

func (w *writer) scale(ctx context.Context, live *unstructured.Unstructured) (string, error) {
	manager, replicas := w.manager(updaters), w.rand.IntN(4)
	body := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	err := w.client.SubResource("scale").Patch(ctx, live, client.RawPatch(types.MergePatchType, []byte(body)), client.FieldOwner(manager))
	return fmt.Sprintf("%s scales to %d", manager, replicas), err
}

// status changes metadata through the status subresource, as some controllers do.
func (w *writer) status(ctx context.Context, live *unstructured.Unstructured) (string, error) {
	manager := w.manager(updaters)
	body := pick(w.rand, []string{
		`{"metadata":{"annotations":{"example.com/status":"1"}}}`, `{"metadata":{"labels":{"example.com/status":"1"}}}`,
		`{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null}}}`, `{"status":{"observedGeneration":99}}`,
	})
	if strings.Contains(body, "observedGeneration") && (definition(live) || awaited(live)) {
		return "", errRefused // Flux would wait in vain for the generation to be observed.
	}
	err := w.client.Status().Patch(ctx, live, client.RawPatch(types.MergePatchType, []byte(body)), client.FieldOwner(manager))
	return fmt.Sprintf("%s patches /status with %s", manager, body), err
}

// mutated returns content after one to three mutations, and what they were.
func (w *writer) mutated(content map[string]any) (map[string]any, string) {
	out, _ := clone(content).(map[string]any)
	how := ""
	for range 1 + w.rand.IntN(3) {
		how += "; " + w.mutator.mutate(out)
	}
	return out, how
}

func (w *writer) update(ctx context.Context, live *unstructured.Unstructured) (string, error) {
	manager := w.manager(updaters)
	old := live.DeepCopy()
	unstructured.RemoveNestedField(old.Object, "metadata", "managedFields")
	content, how := w.mutated(old.Object)
	edited := &unstructured.Unstructured{Object: content}
	owner := client.FieldOwner(manager)
	before, err := old.MarshalJSON()
	if err != nil {
		return how, err
	}
	after, err := json.Marshal(edited.Object)
	if err != nil {
		return how, err
	}
	var body []byte
	var kind types.PatchType
	switch w.rand.IntN(4) {
	case 0:
		return fmt.Sprintf("%s replaces%s", manager, how), w.client.Update(ctx, edited, owner)
	case 1:
		kind = types.MergePatchType
		body, err = utiljsonpatch.CreateThreeWayJSONMergePatch(before, after, before)
	case 2:
		kind = types.JSONPatchType
		var operations []jsonpatch.Operation
		if operations, err = jsonpatch.CreatePatch(before, after); err == nil {
			body, err = json.Marshal(operations)
		}
	default:
		typed, newErr := w.client.Scheme().New(live.GroupVersionKind())
		if newErr != nil {
			return how, errRefused
		}
		kind = types.StrategicMergePatchType
		body, err = strategic(before, after, typed)
	}
	if err != nil {
		return how, fmt.Errorf("%w: %w", errRefused, err)
	}
	what := fmt.Sprintf("%s %s%s: %s", manager, kind, how, body)
	return what, w.client.Patch(ctx, live.DeepCopy(), client.RawPatch(kind, body), owner)
}

// strategic returns the strategic patch from before to after. Keys of list items that are no scalars make the library
// panic.
func strategic(before, after []byte, typed any) (body []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("strategic patch: %v", cause)
		}
	}()
	return strategicpatch.CreateTwoWayMergePatch(before, after, typed)
}

// apply makes a server-side apply of the whole live object, of git's, or of the changed fields alone.
func (w *writer) apply(ctx context.Context, live *unstructured.Unstructured) (string, error) {
	manager := w.manager(appliers)
	base := live.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"} {
		unstructured.RemoveNestedField(base.Object, "metadata", field)
	}
	delete(base.Object, "status")
	scope := "the live object"
	if w.rand.IntN(2) == 0 {
		base, scope = w.desired.DeepCopy(), "git's object"
		base.SetGroupVersionKind(live.GroupVersionKind())
	}
	content, how := w.mutated(base.Object)
	if w.rand.IntN(2) == 0 {
		managers, err := ownership.Managers(live)
		if err != nil {
			return how, err
		}
		var minimal any = map[string]any{}
		for _, change := range fields.Diff(base.Object, content, ownership.Shape(managers)) {
			if change.After != nil {
				minimal = fields.With(minimal, change.Path, change.After)
			}
		}
		content, _ = minimal.(map[string]any)
		if content == nil {
			content = map[string]any{}
		}
		scope = "only that"
	}
	edited := &unstructured.Unstructured{Object: content}
	edited.SetGroupVersionKind(live.GroupVersionKind())
	edited.SetName(live.GetName())
	edited.SetNamespace(live.GetNamespace())
	body, err := edited.MarshalJSON()
	if err != nil {
		return how, err
	}
	what := fmt.Sprintf("%s applies %s%s", manager, scope, how)
	return what, w.client.Patch(ctx, live.DeepCopy(), client.RawPatch(types.ApplyPatchType, body), client.ForceOwnership, client.FieldOwner(manager))
}

// otherVersions are the versions in which kinds of the test are served beside the one that git uses. Autoscalers are left
// out: version 1 keeps what it does not know in annotations, of which a server-side apply cannot take a part away, so
// that what Flux removes comes back once somebody wrote in both versions.
func otherVersions(gvk schema.GroupVersionKind) []string {
	if gvk.Kind != "Gizmo" {
		return nil
	}
	return slices.DeleteFunc([]string{"v1", "v1beta1"}, func(version string) bool { return version == gvk.Version })
}
