package follow

import (
	"context"
	"slices"

	"github.com/fluxcd/cli-utils/pkg/object"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/admission"
	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Lookups answers from a Store, a cache, and what is counted and watched beside it. It may be used concurrently.
type Lookups struct {
	Store *desired.Store
	// Cache must hold EditPolicies, BreakGlasses, and the metadata of Namespaces (NewNamespace). What it returns is
	// only read.
	Cache client.Reader
	// Kustomizations and HelmReleases say that the cache holds these too; their CRDs need not be installed.
	Kustomizations, HelmReleases bool
	*Holdings
	*Workloads
	// Accounts knows the owners' former service accounts; nil for none.
	Accounts *Accounts
}

var _ admission.Lookups = (*Lookups)(nil)

// Desired implements admission.Lookups.
func (l *Lookups) Desired(key desired.Key) (desired.Object, *desired.State, bool) {
	return l.Store.Find(key)
}

// Policies implements admission.Lookups.
func (l *Lookups) Policies() ([]v1alpha1.EditPolicy, error) {
	list := &v1alpha1.EditPolicyList{}
	if err := l.Cache.List(context.Background(), list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return list.Items, nil
}

// NamespaceLabels implements admission.Lookups. A namespace that the cache does not have yet has at least the label that
// the API server gives to each.
func (l *Lookups) NamespaceLabels(namespace string) (map[string]string, error) {
	object := NewNamespace()
	err := l.Cache.Get(context.Background(), client.ObjectKey{Name: namespace}, object, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return map[string]string{corev1.LabelMetadataName: namespace}, nil
	}
	return object.Labels, err
}

// NewNamespace returns an object that is cached as the metadata of Namespaces.
func NewNamespace() *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return object
}

// ServiceAccounts implements admission.Lookups.
func (l *Lookups) ServiceAccounts(namespace string) ([]string, error) {
	var accounts []string
	if l.Kustomizations {
		list := &kustomizev1.KustomizationList{}
		if err := l.Cache.List(context.Background(), list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		for i := range list.Items {
			accounts = append(accounts, list.Items[i].Spec.ServiceAccountName)
		}
	}
	if l.HelmReleases {
		list := &helmv2.HelmReleaseList{}
		if err := l.Cache.List(context.Background(), list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		for i := range list.Items {
			accounts = append(accounts, list.Items[i].Spec.ServiceAccountName)
		}
	}
	return accounts, nil
}

// BreakGlasses implements admission.Lookups.
func (l *Lookups) BreakGlasses() ([]v1alpha1.BreakGlass, error) {
	list := &v1alpha1.BreakGlassList{}
	if err := l.Cache.List(context.Background(), list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Owner implements admission.Lookups.
func (l *Lookups) Owner(owner ownership.Owner, key desired.Key) (*admission.OwnerStatus, error) {
	name := client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}
	var status *admission.OwnerStatus
	var err error
	switch {
	case owner.Kind == ownership.Kustomization && l.Kustomizations:
		ks := &kustomizev1.Kustomization{}
		if err = l.Cache.Get(context.Background(), name, ks, client.UnsafeDisableDeepCopy); err == nil {
			status = kustomizationStatus(ks, key)
		}
	case owner.Kind == ownership.HelmRelease && l.HelmReleases:
		hr := &helmv2.HelmRelease{}
		if err = l.Cache.Get(context.Background(), name, hr, client.UnsafeDisableDeepCopy); err == nil {
			status = helmReleaseStatus(hr)
		}
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if status != nil {
		status.FormerServiceAccounts = l.Accounts.Former(owner)
	}
	return status, err
}

// secretKind is how a reference names a Secret.
const secretKind = "Secret"

func kustomizationStatus(ks *kustomizev1.Kustomization, key desired.Key) *admission.OwnerStatus {
	return &admission.OwnerStatus{
		ServiceAccount: ks.Spec.ServiceAccountName,
		Suspended:      ks.Spec.Suspend,
		Revision:       ks.Status.LastAppliedRevision,
		FromSecrets:    ks.Spec.PostBuild != nil && slices.ContainsFunc(ks.Spec.PostBuild.SubstituteFrom, func(r kustomizev1.SubstituteReference) bool { return r.Kind == secretKind }),
		Settled: ks.Spec.KubeConfig == nil && ks.Status.ObservedGeneration == ks.Generation && ks.Status.LastAttemptedRevision == ks.Status.LastAppliedRevision &&
			apimeta.IsStatusConditionTrue(ks.Status.Conditions, meta.ReadyCondition) && !apimeta.IsStatusConditionTrue(ks.Status.Conditions, meta.ReconcilingCondition),
		Inventoried: inventoried(ks.Status.Inventory, key),
		Ignore:      drift.PolicyOf(ks, nil).Ignore,
	}
}

func inventoried(inventory *kustomizev1.ResourceInventory, key desired.Key) bool {
	if inventory == nil {
		return false
	}
	id := object.ObjMetadata{Namespace: key.Namespace, Name: key.Name, GroupKind: key.GroupKind()}.String()
	for _, entry := range inventory.Entries {
		if entry.ID == id {
			return true
		}
	}
	return false
}

// helmReleaseStatus leaves the inventory open: what Helm released is in its storage, which nobody reads here.
func helmReleaseStatus(hr *helmv2.HelmRelease) *admission.OwnerStatus {
	status := &admission.OwnerStatus{
		ServiceAccount: hr.Spec.ServiceAccountName, Suspended: hr.Spec.Suspend,
		FromSecrets: slices.ContainsFunc(hr.Spec.ValuesFrom, func(r meta.ValuesReference) bool { return r.Kind == secretKind }),
	}
	if latest := hr.Status.History.Latest(); latest != nil {
		status.Revision = latest.ChartVersion
	}
	return status
}
