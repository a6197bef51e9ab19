package drift

import (
	"context"
	"fmt"

	identity "github.com/fluxcd/cli-utils/pkg/object"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// inventory are the objects that Flux notes in an owner's status as applied by it, each with the API version then.
type inventory map[desired.Key]string

func inventoryOf(ks *kustomizev1.Kustomization) (inventory, error) {
	out := inventory{}
	if ks.Status.Inventory == nil {
		return out, nil
	}
	for _, entry := range ks.Status.Inventory.Entries {
		if err := out.add(entry.ID, entry.Version); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// releaseInventory is empty where helm-controller notes none, as older ones do.
func releaseInventory(hr *helmv2.HelmRelease) (inventory, error) {
	out := inventory{}
	if hr.Status.Inventory == nil {
		return out, nil
	}
	for _, entry := range hr.Status.Inventory.Entries {
		if err := out.add(entry.ID, entry.Version); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (i inventory) add(id, version string) error {
	o, err := identity.ParseObjMetadata(id)
	if err != nil {
		return fmt.Errorf("its inventory has an entry %q that cannot be read: %w", id, err)
	}
	i[desired.Key{Group: o.GroupKind.Group, Kind: o.GroupKind.Kind, Namespace: o.Namespace, Name: o.Name}] = version
	return nil
}

// held compares what can be compared without a desired state: the objects of an inventory that are gone, and those that
// hold Flux off.
func (s *Scanner) held(ctx context.Context, owner OwnerResult, inventory inventory, live *liveObjects, selected func(Object) bool) (found []Finding, failed []ObjectError) {
	for key, version := range inventory {
		want := placeholder(key, version)
		o := objectOf(want)
		if selected != nil && !selected(o) {
			continue
		}
		object, err := live.get(ctx, want)
		switch {
		case err != nil:
			failed = append(failed, ObjectError{Object: o, Err: err})
			continue
		case object == nil:
			found = append(found, Finding{Object: o, Kind: Missing, Verdict: Reverts})
		default:
			managers, err := ownership.Managers(object)
			if err != nil {
				failed = append(failed, ObjectError{Object: o, Err: err})
				continue
			}
			found = append(found, withOptOuts(ownership.Kustomization, nil, want, object, managers, Policy{Vouched: live.vouched})...)
		}
	}
	for i := range found {
		found[i].Owner, found[i].Revision = owner.Owner, owner.Revision
		if owner.Suspended && found[i].Kind == Missing {
			found[i].Verdict, found[i].Holder = Held, suspended
		}
	}
	order(found)
	return found, failed
}

// placeholder is an object of which nothing is known but its name.
func placeholder(key desired.Key, version string) *unstructured.Unstructured {
	out := &unstructured.Unstructured{}
	out.SetGroupVersionKind(schema.GroupVersionKind{Group: key.Group, Version: version, Kind: key.Kind})
	out.SetNamespace(key.Namespace)
	out.SetName(key.Name)
	return out
}

func (o Object) desiredKey() desired.Key {
	return desired.Key{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}
