package hold

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// manager is the field manager of all that this package writes.
const manager = client.FieldOwner(ownership.HoldManager)

// target is the object of a BreakGlass, and what is known about it.
type target struct {
	key desired.Key
	// live is its metadata, nil where it cannot be read or is not there.
	live *metav1.PartialObjectMetadata
	// unreadable says that it cannot be told whether it is there.
	unreadable bool
	owner      ownership.Owner
	policy     *v1alpha1.EditPolicy
	// active is the BreakGlass for which Flux is to be held off the object, nil for none.
	active *v1alpha1.BreakGlass
}

func (t *target) name() string {
	return fmt.Sprintf("%s %s/%s", t.key.Kind, t.key.Namespace, t.key.Name)
}

// find looks the object of a BreakGlass up. The reason says why Flux cannot be held off it.
func (c *Controller) find(ctx context.Context, g *v1alpha1.BreakGlass) (*target, *reason, error) {
	t := &target{key: breakglass.Object(g)}
	why, err := c.read(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	if why == nil {
		why = c.own(t)
	} else if _, state, ok := c.desired(t.key); ok {
		t.owner = state.Owner
	}
	if t.policy, err = c.Policy(t.key, t.owner); err != nil {
		return nil, nil, fmt.Errorf("find the EditPolicy: %w", err)
	}
	glasses := &v1alpha1.BreakGlassList{}
	if err := c.Client.List(ctx, glasses); err != nil {
		return nil, nil, fmt.Errorf("list BreakGlasses: %w", err)
	}
	t.active = breakglass.Active(glasses.Items, t.policy, t.key, c.Clock.Now())
	return t, why, nil
}

// own finds out what manages the object. The reason says that nothing does. Under a BreakGlass people may have taken the
// proof away.
func (c *Controller) own(t *target) *reason {
	var managed bool
	if t.owner, managed = ownership.Proven(t.live); managed {
		return nil
	}
	_, ours := ownership.HoldOf(t.live)
	if _, state, ok := c.desired(t.key); ok {
		t.owner, managed = state.Owner, true
	} else if t.owner, managed = ownership.Claimed(t.live); !ours {
		managed = false
	}
	if managed {
		return nil
	}
	return &reason{"NotManaged", "Flux does not manage this object, so there is nothing to hold off"}
}

// desired returns what a Kustomization wants of an object, where that is known.
func (c *Controller) desired(key desired.Key) (desired.Object, *desired.State, bool) {
	if c.Desired == nil {
		return desired.Object{}, nil, false
	}
	return c.Desired.Find(key)
}

// read reads the metadata of the object. The reason says why there is none.
func (c *Controller) read(ctx context.Context, t *target) (*reason, error) {
	mapping, err := c.Mapper.RESTMapping(t.key.GroupKind())
	if apimeta.IsNoMatchError(err) {
		return &reason{"ObjectMissing", "the cluster has no such kind of object"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the kind of %s: %w", t.name(), err)
	}
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(mapping.GroupVersionKind)
	err = c.Client.Get(ctx, client.ObjectKey{Namespace: t.key.Namespace, Name: t.key.Name}, live)
	switch {
	case apierrors.IsNotFound(err):
		return &reason{"ObjectMissing", "the object is not there; Flux is held off it as soon as it is"}, nil
	case apierrors.IsForbidden(err):
		t.unreadable = true
		return notPermitted(t), nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", t.name(), err)
	}
	t.live = live
	return nil, nil
}

func notPermitted(t *target) *reason {
	return &reason{"NotPermitted", fmt.Sprintf("gitops-drift may not patch objects of kind %s, so Flux is not held off and undoes edits at its next reconciliation; the overlay enforce gives it that right", t.key.Kind)}
}

// hold makes the annotations say that Flux is held off for the active BreakGlass. It reports whether Flux is.
func (c *Controller) hold(ctx context.Context, t *target) (reason, bool, error) {
	if t.live == nil {
		return reason{}, false, nil
	}
	sets := t.owner.Kind.HoldKey()
	done := reason{"HeldOff", fmt.Sprintf("%s leaves the object alone: %s=%s", t.owner, sets, ownership.Disabled)}
	held, ours := ownership.HoldOf(t.live)
	value, set := t.live.Annotations[sets]
	off := ownership.Has(t.live, sets, ownership.Disabled) || t.owner.Kind == ownership.Kustomization && ownership.Has(t.live, ownership.SSA, ownership.Ignore)
	switch {
	case ours && held.BreakGlass == t.active.Name && held.Sets == sets && value == ownership.Disabled:
		return done, true, nil
	case !ours && off:
		return reason{"OptedOut", "the object opts out of Flux by itself, and goes on doing so afterwards"}, true, nil
	case !ours && set:
		held.Was = &value
	}
	changes := map[string]any{}
	if ours && held.Sets != sets { // it moved between a Kustomization and a HelmRelease
		changes[held.Sets], held.Was = before(held), nil
	}
	held.BreakGlass, held.Sets = t.active.Name, sets
	changes[sets], changes[ownership.Hold] = ownership.Disabled, held.String()
	switch err := c.annotate(ctx, t.live, changes); {
	case apierrors.IsForbidden(err):
		return *notPermitted(t), false, nil
	case err != nil:
		return reason{}, false, fmt.Errorf("hold Flux off %s: %w", t.name(), err)
	}
	if !ours {
		c.Metrics.held.Inc()
		c.Log.Info("Flux is held off an object", "breakGlass", t.active.Name, "object", t.name(), "owner", t.owner.String(), "requestedBy", t.active.Spec.RequestedBy, "reason", t.active.Spec.Reason)
		c.tellHeld(t)
	}
	return done, true, nil
}

// release takes away the hold that is on the object, and nothing else: an opt-out of somebody else stays.
func (c *Controller) release(ctx context.Context, t *target) error {
	if t.live == nil {
		return nil
	}
	if _, marked := t.live.Annotations[ownership.Hold]; !marked {
		return nil
	}
	changes := map[string]any{ownership.Hold: nil}
	if held, ours := ownership.HoldOf(t.live); ours && t.live.Annotations[held.Sets] == ownership.Disabled {
		changes[held.Sets] = before(held)
	}
	if err := c.annotate(ctx, t.live, changes); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("give %s back to Flux: %w", t.name(), err)
	}
	c.Metrics.released.Inc()
	return nil
}

// before is the value that the annotation had, nil for none.
func before(held ownership.Held) any {
	if held.Was == nil {
		return nil
	}
	return *held.Was
}

// annotate changes annotations of the very object that was read; nil takes one away.
func (c *Controller) annotate(ctx context.Context, live *metav1.PartialObjectMetadata, changes map[string]any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": live.UID, "resourceVersion": live.ResourceVersion, "annotations": changes,
	}})
	if err != nil {
		return err
	}
	return c.Client.Patch(ctx, live, client.RawPatch(types.MergePatchType, patch), manager)
}

// ask has Flux reconcile the owner. The token is of the BreakGlass and its end, so that asking again changes nothing.
func (c *Controller) ask(ctx context.Context, g *v1alpha1.BreakGlass, owner ownership.Owner) error {
	var object client.Object
	switch owner.Kind {
	case ownership.Kustomization:
		object = &kustomizev1.Kustomization{}
	case ownership.HelmRelease:
		object = &helmv2.HelmRelease{}
	default:
		return nil
	}
	object.SetNamespace(owner.Namespace)
	object.SetName(owner.Name)
	token := g.Status.Ended.UTC().Format(time.RFC3339) + "-" + string(g.UID)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{meta.ReconcileRequestAnnotation: token}}})
	if err != nil {
		return err
	}
	err = c.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), manager)
	if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apimeta.IsNoMatchError(err) {
		c.Log.Info("Flux was not asked to reconcile, and does so at its interval", "owner", owner.String(), "why", err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask Flux to reconcile %s: %w", owner, err)
	}
	return nil
}
