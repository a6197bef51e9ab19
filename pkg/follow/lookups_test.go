package follow

import (
	"context"
	"maps"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func TestOwner(t *testing.T) {
	role := desired.Key{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "system:mine"}
	ks := applied1()
	ks.Spec.ServiceAccountName = "apps-reconciler"
	ks.Status.LastAttemptedRevision = ks.Status.LastAppliedRevision
	ks.Status.Inventory = &kustomizev1.ResourceInventory{Entries: []kustomizev1.ResourceRef{
		{ID: "payments_api_apps_Deployment", Version: "v1"},
		{ID: "_system__mine_rbac.authorization.k8s.io_ClusterRole", Version: "v1"},
	}}
	l := &Lookups{Store: &desired.Store{}, Cache: &cluster{ks: ks}, Kustomizations: true}
	for key, want := range map[desired.Key]bool{
		{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "api"}:  true,
		{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "api2"}: false,
		role: true,
	} {
		status, err := l.Owner(owner, key)
		if err != nil {
			t.Fatal(err)
		}
		if status.Inventoried != want || !status.Settled || status.ServiceAccount != "apps-reconciler" || status.Revision != "main@sha1:1" {
			t.Errorf("%v: got %+v", key, status)
		}
	}

	ks.Spec.PostBuild = &kustomizev1.PostBuild{SubstituteFrom: []kustomizev1.SubstituteReference{{Kind: "ConfigMap", Name: "a"}}}
	if status, err := l.Owner(owner, role); err != nil || status.FromSecrets {
		t.Errorf("values of a ConfigMap: got %+v, %v", status, err)
	}
	ks.Spec.PostBuild.SubstituteFrom = append(ks.Spec.PostBuild.SubstituteFrom, kustomizev1.SubstituteReference{Kind: "Secret", Name: "a"})
	if status, err := l.Owner(owner, role); err != nil || !status.FromSecrets {
		t.Errorf("values of a Secret: got %+v, %v", status, err)
	}
	for kind, want := range map[string]bool{"ConfigMap": false, "Secret": true} {
		hr := &helmv2.HelmRelease{Spec: helmv2.HelmReleaseSpec{ValuesFrom: []meta.ValuesReference{{Kind: kind, Name: "a"}}}}
		if helmReleaseStatus(hr).FromSecrets != want {
			t.Errorf("values of a %s are told to be of a Secret: %t", kind, !want)
		}
	}

	for name, change := range map[string]func(){
		"at work": func() { ks.Status.Conditions[0].Status = metav1.ConditionUnknown },
		"reconciling": func() {
			ks.Status.Conditions = append(ks.Status.Conditions, metav1.Condition{Type: meta.ReconcilingCondition, Status: metav1.ConditionTrue})
		},
		"a new spec":        func() { ks.Generation++ },
		"a failed revision": func() { ks.Status.LastAttemptedRevision = "main@sha1:2" },
	} {
		before := ks.DeepCopy()
		change()
		if status, err := l.Owner(owner, role); err != nil || status.Settled {
			t.Errorf("%s: got %+v, %v", name, status, err)
		}
		before.DeepCopyInto(ks)
	}

	if status, err := l.Owner(ownership.Owner{Kind: ownership.HelmRelease, Namespace: "a", Name: "b"}, role); status != nil || err != nil {
		t.Errorf("without HelmReleases got %+v, %v", status, err)
	}
	l.Cache = &cluster{}
	if status, err := l.Owner(owner, role); status != nil || err != nil {
		t.Errorf("an owner that is not there: got %+v, %v", status, err)
	}
	l.Kustomizations, l.Cache = false, nil
	if status, err := l.Owner(owner, role); status != nil || err != nil {
		t.Errorf("without Kustomizations got %+v, %v", status, err)
	}
}

// namespaces is a cache of one Namespace.
type namespaces struct {
	client.Reader
	labels map[string]string
}

func (n *namespaces) Get(_ context.Context, key client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	if key.Name != "payments" {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, key.Name)
	}
	out.SetLabels(n.labels)
	return nil
}

func TestNamespaceLabels(t *testing.T) {
	l := &Lookups{Cache: &namespaces{labels: map[string]string{"tier": "prod"}}}
	for namespace, want := range map[string]map[string]string{
		"payments": {"tier": "prod"},
		"new":      {"kubernetes.io/metadata.name": "new"},
	} {
		if got, err := l.NamespaceLabels(namespace); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: got %v, %v", namespace, got, err)
		}
	}
}
