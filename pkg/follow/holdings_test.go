package follow

import (
	"slices"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/gitops-drift/gitops-drift/pkg/admission"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var (
	catalog = ownership.Owner{Kind: ownership.HelmRelease, Namespace: "shop", Name: "catalog"}
	api     = desired.Key{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "api"}
	git     = desired.Key{Group: "source.toolkit.fluxcd.io", Kind: "GitRepository", Namespace: "flux-system", Name: "fleet"}
)

func inventory(ids ...string) *kustomizev1.ResourceInventory {
	out := &kustomizev1.ResourceInventory{}
	for _, id := range ids {
		out.Entries = append(out.Entries, kustomizev1.ResourceRef{ID: id, Version: "v1"})
	}
	return out
}

func kustomization(ids ...string) *kustomizev1.Kustomization {
	ks := applied1()
	ks.Spec.Prune = true
	ks.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: git.Kind, Name: git.Name}
	ks.Status.Inventory = inventory(ids...)
	return ks
}

func helmRelease() *helmv2.HelmRelease {
	hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: catalog.Namespace, Name: catalog.Name}}
	hr.Spec.TargetNamespace = "catalog"
	hr.Spec.ChartRef = &helmv2.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: "charts", Namespace: "flux-system"}
	return hr
}

// names writes holdings as OWNER COUNT EXAMPLE.
func names(holdings []admission.Holding) []string {
	var out []string
	for _, h := range holdings {
		example := ""
		if h.Example.Name != "" {
			example = " " + h.Example.Kind + "/" + h.Example.Name
		}
		out = append(out, h.Owner.String()+" "+string(rune('0'+h.Count))+example)
	}
	return out
}

func expect(t *testing.T, what string, got []admission.Holding, want ...string) {
	t.Helper()
	if !slices.Equal(names(got), want) {
		t.Errorf("%s: got %q, want %q", what, names(got), want)
	}
}

func TestHoldings(t *testing.T) {
	h := &Holdings{}
	expect(t, "nothing yet", h.Within("payments"))
	ks := kustomization("payments_api_apps_Deployment", "payments_api__Service", "_payments__Namespace", "shop_x_contoso.com_Widget")
	h.Handler().OnAdd(ks, true)
	const apps = "Kustomization/flux-system/apps"
	expect(t, "a namespace", h.Within("payments"), apps+" 2 Deployment/api")
	expect(t, "another", h.Within("shop"), apps+" 1 Widget/x")
	expect(t, "an empty one", h.Within("default"))
	expect(t, "the owner's own", h.Within("flux-system"), apps+" 1 Kustomization/apps")
	expect(t, "a kind", h.OfKind(schema.GroupKind{Group: "contoso.com", Kind: "Widget"}), apps+" 1 Widget/x")
	expect(t, "a kind of another group", h.OfKind(schema.GroupKind{Group: "example.com", Kind: "Widget"}))
	expect(t, "Kustomizations", h.OfKind(schema.GroupKind{Group: ownership.KustomizeGroup, Kind: "Kustomization"}), apps+" 1 Kustomization/apps")
	expect(t, "sources", h.OfKind(schema.GroupKind{Group: git.Group, Kind: git.Kind}), apps+" 1 GitRepository/fleet")
	expect(t, "the owner", h.Steered(keyOf(owner)), apps+" 4 Deployment/api")
	expect(t, "its source", h.Steered(git), apps+" 4 Deployment/api")
	if !h.Steered(keyOf(owner))[0].Prunes || h.Steered(git)[0].Prunes {
		t.Error("deleting the Kustomization prunes, deleting its source does not")
	}
	if kinds := h.Kinds(); len(kinds) != 4 {
		t.Errorf("kinds are %v", kinds)
	}

	ks = kustomization("payments_api_apps_Deployment")
	h.Handler().OnUpdate(nil, ks)
	expect(t, "a smaller inventory", h.Within("payments"), apps+" 1 Deployment/api")
	expect(t, "what is gone from it", h.Within("shop"))

	ks = kustomization("payments_api_apps_Deployment")
	ks.Spec.KubeConfig = &meta.KubeConfigReference{}
	h.Set(ks)
	expect(t, "what is in another cluster", h.Within("payments"))

	h.Set(kustomization())
	expect(t, "a Kustomization that manages nothing", h.Steered(keyOf(owner)))
	h.Set(kustomization("payments_api_apps_Deployment"))
	h.Handler().OnDelete(cache.DeletedFinalStateUnknown{Obj: ks})
	expect(t, "a Kustomization that is gone", h.Within("payments"))
}

func TestHoldingsOfReleases(t *testing.T) {
	const released = "HelmRelease/shop/catalog"
	h := &Holdings{}
	hr := helmRelease()
	h.Set(hr)
	if got, ok := h.Release("shop", "catalog-catalog"); !ok || got != catalog {
		t.Errorf("the name that the release will have: got %v", got)
	}
	expect(t, "before the first release", h.Within("catalog"))
	expect(t, "before the first release", h.Steered(keyOf(catalog)))

	hr = helmRelease()
	hr.Status.StorageNamespace = "storage"
	hr.Status.History = helmv2.Snapshots{{Name: "shortened-1d6a8a3c", Namespace: "catalog"}}
	h.Set(hr)
	expect(t, "without an inventory", h.Within("catalog"), released+" 0")
	expect(t, "its source", h.Steered(desired.Key{Group: git.Group, Kind: "OCIRepository", Namespace: "flux-system", Name: "charts"}), released+" 0")
	for key, want := range map[types.NamespacedName]bool{
		{Namespace: "storage", Name: "shortened-1d6a8a3c"}: true, {Namespace: "storage", Name: "catalog-catalog"}: true,
		{Namespace: "shop", Name: "catalog-catalog"}: false, {Namespace: "storage", Name: "other"}: false,
	} {
		if _, ok := h.Release(key.Namespace, key.Name); ok != want {
			t.Errorf("%s: got %v", key, ok)
		}
	}

	hr.Status.Inventory = &helmv2.ResourceInventory{Entries: []helmv2.ResourceRef{{ID: "catalog_api_apps_Deployment", Version: "v1"}}}
	h.Set(hr)
	expect(t, "with an inventory", h.Within("catalog"), released+" 1 Deployment/api")
}

// BenchmarkWithin is what deleting a namespace costs in a cluster of 200 owners of 100 objects each.
func BenchmarkWithin(b *testing.B) {
	h := &Holdings{}
	for n := range 200 {
		ks := kustomization()
		ks.Name = "apps-" + string(rune('a'+n%26)) + string(rune('a'+n/26))
		for o := range 100 {
			ks.Status.Inventory.Entries = append(ks.Status.Inventory.Entries, kustomizev1.ResourceRef{ID: "ns-" + ks.Name + "_api-" + string(rune('a'+o%26)) + "_apps_Deployment"})
		}
		h.Set(ks)
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(h.Within("ns-apps-aa")) != 1 {
			b.Fatal("not found")
		}
	}
}

func TestWorkloadOf(t *testing.T) {
	entry := func(fields string) []metav1.ManagedFieldsEntry {
		return []metav1.ManagedFieldsEntry{{Manager: ownership.KustomizeManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)}}
	}
	labels := map[string]string{owner.Kind.NameLabel(): owner.Name, owner.Kind.NamespaceLabel(): owner.Namespace}
	list := &workloadList{}
	if list.synced() {
		t.Error("nothing was listed")
	}
	object := func(name string, labels map[string]string, managed []metav1.ManagedFieldsEntry) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "payments", Name: name, Labels: labels, ManagedFields: managed}}
	}
	declared := object("declared", labels, entry(`{"f:spec":{"f:replicas":{}}}`))
	if err := list.Replace([]any{declared, object("copied", labels, nil)}, ""); err != nil {
		t.Fatal(err)
	}
	if err := list.Add(object("undeclared", labels, entry(`{"f:spec":{"f:paused":{}}}`))); err != nil {
		t.Fatal(err)
	}
	w := &Workloads{watched: map[schema.GroupKind]*watched{{Group: "apps", Kind: "Deployment"}: {lists: []*workloadList{{}, list}}}}
	for name, want := range map[string]struct{ known, replicas bool }{
		"declared": {true, true}, "undeclared": {true, false}, "copied": {}, "absent": {},
	} {
		key := api
		key.Name = name
		got, ok := w.Workload(key)
		if ok != want.known || got.Replicas != want.replicas || ok && got.Owner != owner {
			t.Errorf("%s: got %+v, %v", name, got, ok)
		}
	}
	if err := list.Delete(declared); err != nil {
		t.Fatal(err)
	}
	if _, ok := list.get("payments", "declared"); ok {
		t.Error("still there after its end")
	}
	if err := list.Add("a word"); err == nil {
		t.Error("what is no metadata is taken for it")
	}
}
