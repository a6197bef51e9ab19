package plugin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// configMap is a manifest of a ConfigMap in namespace default.
func configMap(name, value, metadata string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: default" + metadata + "}\ndata: {key: " + value + "}\n"
}

func (i isolated) reconcile() {
	i.t.Helper()
	if _, err := shared.Reconcile(patient.Context(i.t), key(i.name)); err != nil {
		i.t.Fatal(err)
	}
}

func TestWhatFluxLeftBehindIsFound(t *testing.T) {
	i := newIsolated(t, "left")
	i.commit("more.yaml", configMap("left-more", "first", ""))
	i.publish(harness.NoFault)
	i.reconcile()
	want(t, drift(t, harness.OnCall, "-n", "default"), 0, "In sync: 2 objects of 4 owners")

	// Flux does not prune what git does not declare any more, for the Kustomization says so.
	if err := i.repo.RemoveFile("more.yaml"); err != nil {
		t.Fatal(err)
	}
	i.commit("app.yaml", configMap("left", "second", ""))
	i.publish(harness.NoFault)
	i.reconcile()
	t.Cleanup(func() { kubectl(t, "", "delete", "configmap/left-more", "-n", "default") })
	for _, args := range []string{"", "-n default", "cm/left-more", "--owner ks/flux-system/left"} {
		want(t, drift(t, harness.OnCall, strings.Fields(args)...), 1, "Kustomization flux-system/left  main@sha1:",
			"default/configmap/left-more", "left behind", "never remove", "1 object is orphaned.")
	}
	list := decode(t, drift(t, harness.OnCall, "-o", "json").Stdout)
	if len(list.Items) != 1 || list.Items[0].Kind != "Orphaned" || list.Items[0].Verdict != "Persists" || list.Items[0].Path != "" ||
		list.Items[0].Object != (report.ObjectRef{Version: "v1", Kind: "ConfigMap", Namespace: "default", Name: "left-more"}) || list.Items[0].Owner.Name != "left" {
		t.Errorf("got %+v", list)
	}
	// Labels alone prove nothing, nor does being somewhere else.
	kubectl(t, "", "create", "configmap", "copied", "-n", "default")
	t.Cleanup(func() { kubectl(t, "", "delete", "configmap/copied", "-n", "default") })
	kubectl(t, "", "label", "configmap/copied", "-n", "default", "kustomize.toolkit.fluxcd.io/name=left", "kustomize.toolkit.fluxcd.io/namespace=flux-system")
	want(t, drift(t, harness.OnCall), 1, "1 object is orphaned.")
	want(t, drift(t, harness.OnCall, "-n", "paused"), 0, "In sync: 1 object")
	want(t, drift(t, harness.OnCall, "deploy/api"), 0, "In sync: 1 object")
}

func TestWhatADeletedOwnerLeftBehindIsFound(t *testing.T) {
	i := newIsolated(t, "deleted")
	if err := shared.Admin().Delete(patient.Context(t), &kustomizev1.Kustomization{ObjectMeta: i.meta()}); err != nil {
		t.Fatal(err)
	}
	gone(t, i.name)
	t.Cleanup(func() { // the cleanup of newIsolated deletes it again
		if err := shared.Admin().Create(context.Background(), kustomization(i.name, "./", i.name)); err != nil {
			t.Error(err)
		}
	})
	want(t, drift(t, harness.OnCall), 1,
		"Kustomization flux-system/deleted  not in this cluster: deleted without pruning, or applying from another cluster",
		"default/configmap/deleted", "never remove", "1 object is orphaned.")
	want(t, drift(t, harness.OnCall, "-o", "diff"), 1, "+kind: ConfigMap", "+  name: deleted")

	// Of an owner whose very namespace is elsewhere, the objects are no orphans.
	kubectl(t, "", "label", "--overwrite", "configmap/deleted", "-n", "default", "kustomize.toolkit.fluxcd.io/namespace=hub")
	want(t, drift(t, harness.OnCall), 0, "In sync: 7 objects of 3 owners equal git.\n",
		"1 object is of Kustomization/hub/deleted, which applies from another cluster; ask for drift there.\n")
	if list := decode(t, drift(t, harness.OnCall, "-o", "json").Stdout); len(list.Items) != 0 || len(list.Elsewhere) != 1 || list.Elsewhere[0].Objects != 1 {
		t.Errorf("got %+v", list)
	}
}

func TestWhatHoldsFluxOffAnObjectIsFoundThoughNothingElseDiffers(t *testing.T) {
	restore(t, shop)
	const annotation = "kustomize.toolkit.fluxcd.io/reconcile"
	t.Cleanup(func() { kubectl(t, "", "annotate", "configmap/settings", "-n", "shop", annotation+"-") })
	for _, manager := range []string{"kubectl-annotate", "flux-client-side-apply"} {
		kubectl(t, "", "annotate", "configmap/settings", "-n", "shop", annotation+"=disabled", "--field-manager="+manager)
		list := decode(t, drift(t, harness.OnCall, "-o", "json").Stdout)
		if len(list.Items) != 1 || list.Items[0].Kind != "OptedOut" || list.Items[0].Verdict != "Held" || list.Items[0].Live != "disabled" ||
			list.Items[0].Path != `metadata.annotations["`+annotation+`"]` || list.Items[0].Manager != manager ||
			list.Items[0].Holder != "the object says "+annotation+"=disabled" {
			t.Errorf("%s: got %+v", manager, list)
		}
		want(t, drift(t, harness.OnCall), 1, "not act: reconcile=disabled", "1 field of 1 object differs from git; Flux is held off 1 of them.")
		kubectl(t, "", "annotate", "configmap/settings", "-n", "shop", annotation+"-", "--field-manager="+manager)
	}

	// Anybody can write what a BreakGlass would leave.
	kubectl(t, "", "annotate", "configmap/settings", "-n", "shop", annotation+"=disabled", `gitops-drift.dev/hold={"breakGlass":"none","sets":"`+annotation+`"}`)
	forged := decode(t, drift(t, harness.OnCall, "-o", "json").Stdout)
	if !slices.ContainsFunc(forged.Items, func(item report.Item) bool {
		return item.Kind == "OptedOut" && item.Holder == "the object says "+annotation+"=disabled"
	}) {
		t.Errorf("a forged hold: got %+v", forged)
	}
	kubectl(t, "", "annotate", "configmap/settings", "-n", "shop", annotation+"-", "gitops-drift.dev/hold-")

	i := newIsolated(t, "excepted")
	i.commit("app.yaml", configMap(i.name, "second", ", annotations: {kustomize.toolkit.fluxcd.io/ssa: Ignore}"))
	i.publish(harness.NoFault)
	i.reconcile()
	list := decode(t, drift(t, harness.OnCall, "cm/excepted", "-o", "json").Stdout)
	kinds := map[string]string{}
	for _, item := range list.Items {
		kinds[item.Kind] = item.Verdict + " " + item.Holder
	}
	const holder = "Held git says kustomize.toolkit.fluxcd.io/ssa=Ignore"
	if len(list.Items) != 2 || kinds["OptedOut"] != holder || kinds["Changed"] != holder {
		t.Errorf("got %+v", list)
	}
	labels := ", labels: {kustomize.toolkit.fluxcd.io/name: excepted, kustomize.toolkit.fluxcd.io/namespace: flux-system}"
	kubectl(t, configMap(i.name, "second", labels), "apply", "--server-side", "-f", "-", "--force-conflicts", "--field-manager=kustomize-controller")
	want(t, drift(t, harness.OnCall, "cm/excepted"), 0, "In sync: 1 object of 4 owners equal git; git holds Flux off 1 of them.")
}

func TestWhatFluxFailsToApplyIsComparedAllTheSame(t *testing.T) {
	i := newIsolated(t, "stale")
	i.commit("app.yaml", configMap(i.name, "second", ""))
	i.commit("refused.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: stale, namespace: default}\nspec: {type: Nonsense}\n")
	i.publish(harness.NoFault)
	if _, err := shared.Reconcile(patient.Context(t), key(i.name)); !errors.Is(err, harness.ErrNotReady) {
		t.Fatal(err)
	}
	result := drift(t, harness.OnCall, "configmap/stale")
	want(t, result, 1, " is applied)", "failing: ", "default/configmap/stale", "second", "first", "revert once it works again")
	list := decode(t, drift(t, harness.OnCall, "configmap/stale", "-o", "json").Stdout)
	if len(list.Items) != 1 || !strings.Contains(list.Items[0].Failure, "Nonsense") {
		t.Errorf("got %+v", list)
	}
}

func TestWhatASuspendedOwnerIsBehindIsCompared(t *testing.T) {
	i := newIsolated(t, "newer")
	i.patch(`{"spec":{"suspend":true}}`)
	want(t, drift(t, harness.OnCall, "--owner", "ks/flux-system/newer"), 0, "Kustomization flux-system/newer  main@sha1:", "  suspended\n", "In sync: 1 object")
	i.commit("app.yaml", configMap(i.name, "second", ""))
	i.publish(harness.NoFault)
	want(t, drift(t, harness.OnCall, "--owner", "ks/flux-system/newer"), 1, " is applied)", "suspended", "second", "first",
		"not act: the Kustomization is suspended")
}

func TestOfAnOwnerThatCannotBeBuiltMissingObjectsAreFound(t *testing.T) {
	i := newIsolated(t, "unbuilt")
	i.publish(harness.NotFound)
	if err := shared.Admin().Get(patient.Context(t), client.ObjectKey{Namespace: "flux-system", Name: i.name}, &kustomizev1.Kustomization{}); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "delete", "configmap/unbuilt", "-n", "default")
	want(t, drift(t, harness.OnCall, "--owner", "ks/flux-system/unbuilt"), 2, "default/configmap/unbuilt", "missing", "1 object is missing; 1 owner could not be checked.")
}
