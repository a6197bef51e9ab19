package restore

import (
	"context"
	"slices"
	"sync"

	cliutils "github.com/fluxcd/cli-utils/pkg/object"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// unbuilt holds what Flux applied for owners of which no state was built, as their inventories name it. It may be used
// concurrently.
type unbuilt struct {
	mu      sync.RWMutex
	objects map[desired.Key]inventoried
}

// inventoried is an object of an inventory.
type inventoried struct {
	owner   ownership.Owner
	version string
}

func (u *unbuilt) set(objects map[desired.Key]inventoried) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.objects = objects
}

func (u *unbuilt) find(key desired.Key) (inventoried, bool) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	found, ok := u.objects[key]
	return found, ok
}

// of returns the objects of a kind.
func (u *unbuilt) of(kind schema.GroupVersionKind) []desired.Key {
	u.mu.RLock()
	defer u.mu.RUnlock()
	var keys []desired.Key
	for key, o := range u.objects {
		if key.GroupKind() == kind.GroupKind() && o.version == kind.Version {
			keys = append(keys, key)
		}
	}
	return keys
}

// unknown returns what the inventories name of owners without a state.
func (l *Loop) unknown(ctx context.Context, built map[ownership.Owner]desired.Kept) (map[desired.Key]inventoried, error) {
	list := &kustomizev1.KustomizationList{}
	if err := l.options.Owners.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	objects := map[desired.Key]inventoried{}
	for i := range list.Items {
		ks := &list.Items[i]
		owner := ownerOf(ks)
		if _, ok := built[owner]; ok || ownerStop(ks, assumed(ks)) == Elsewhere || ks.Status.Inventory == nil {
			continue
		}
		for _, entry := range ks.Status.Inventory.Entries {
			if key, ok := inventoryKey(entry.ID); ok && l.options.Allowed(owner, key) {
				objects[key] = inventoried{owner: owner, version: entry.Version}
			}
		}
	}
	return objects, nil
}

func ownerOf(ks *kustomizev1.Kustomization) ownership.Owner {
	return ownership.Owner{Kind: ownership.Kustomization, Namespace: ks.Namespace, Name: ks.Name}
}

// assumed is the state that would be built of what Flux applied last, without its objects.
func assumed(ks *kustomizev1.Kustomization) *desired.State {
	return &desired.State{Owner: ownerOf(ks), Revision: ks.Status.LastAppliedRevision, Generation: ks.Generation}
}

// inventoryKey reads an id of an inventory.
func inventoryKey(id string) (desired.Key, bool) {
	o, err := cliutils.ParseObjMetadata(id)
	return desired.Key{Group: o.GroupKind.Group, Kind: o.GroupKind.Kind, Namespace: o.Namespace, Name: o.Name}, err == nil
}

// lists reports whether the inventory of a Kustomization has the object.
func lists(ks *kustomizev1.Kustomization, key desired.Key) bool {
	return ks != nil && ks.Status.Inventory != nil && slices.ContainsFunc(ks.Status.Inventory.Entries, func(entry kustomizev1.ResourceRef) bool {
		listed, ok := inventoryKey(entry.ID)
		return ok && listed == key
	})
}

// attemptUnbuilt looks at an object of which nothing is known but that Flux applied it, and has Flux look at it if that
// differs from git.
func (l *Loop) attemptUnbuilt(ctx context.Context, o *outcome) (Reason, error) {
	if !l.options.Allowed(o.state.Owner, o.key) {
		return ByPolicy, nil
	}
	ks := &kustomizev1.Kustomization{}
	if err := l.options.Owners.Get(ctx, ownerKey(o.state.Owner), ks); client.IgnoreNotFound(err) != nil {
		return "", err
	} else if err != nil {
		return OwnerGone, nil
	}
	o.owner, o.uid = ks, ks.UID
	o.state = assumed(ks)
	if reason := ownerStop(ks, o.state); reason != "" {
		return reason, nil
	}
	if shown, err := l.trace(ctx, o); err != nil {
		return "", err
	} else if shown == "" {
		return "", nil
	}
	return Unbuilt, nil
}
