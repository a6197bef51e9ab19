package ownership

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

func object(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	out := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &out.Object); err != nil {
		t.Fatal(err)
	}
	return out
}

func set(t *testing.T, fieldsV1 string) *fieldpath.Set {
	t.Helper()
	out := fieldpath.NewSet()
	if err := out.FromJSON(strings.NewReader(fieldsV1)); err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	byKustomization = "labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}"
	byHelmRelease   = "labels: {helm.toolkit.fluxcd.io/name: catalog, helm.toolkit.fluxcd.io/namespace: shop}"
)

var (
	apps    = Owner{Kustomization, "flux-system", "apps"}
	catalog = Owner{HelmRelease, "shop", "catalog"}
)

func TestLabelsClaimAndManagedFieldsProve(t *testing.T) {
	entry := func(manager, operation, subresource string) string {
		return "managedFields: [{manager: " + manager + ", operation: " + operation + ", subresource: '" + subresource + "'}]"
	}
	tests := []struct {
		name, metadata  string
		claimed, proven Owner
	}{
		{name: "no labels at all", metadata: "name: x"},
		{name: "labels that are null", metadata: "labels: null"},
		{name: "a name without a namespace claims nothing", metadata: "labels: {kustomize.toolkit.fluxcd.io/name: apps}"},
		{name: "a namespace without a name claims nothing", metadata: "labels: {kustomize.toolkit.fluxcd.io/namespace: apps}"},
		{name: "applied by Flux", metadata: byKustomization + "\n" + entry("kustomize-controller", "Apply", ""), claimed: apps, proven: apps},
		{name: "updated by Flux", metadata: byKustomization + "\n" + entry("kustomize-controller", "Update", ""), claimed: apps, proven: apps},
		{name: "an EndpointSlice has its Service's labels, but not Flux's entry", metadata: byKustomization + "\n" + entry("kube-controller-manager", "Update", ""), claimed: apps},
		{name: "managedFields wiped", metadata: byKustomization, claimed: apps},
		{name: "Flux wrote only a subresource", metadata: byKustomization + "\n" + entry("kustomize-controller", "Update", "status"), claimed: apps},
		{name: "a manager whose name only begins like Flux's", metadata: byKustomization + "\n" + entry("kustomize-controller-x", "Apply", ""), claimed: apps},
		{name: "a HelmRelease", metadata: byHelmRelease + "\n" + entry("helm-controller", "Apply", ""), claimed: catalog, proven: catalog},
		{name: "the labels of one controller and the entry of the other", metadata: byHelmRelease + "\n" + entry("kustomize-controller", "Apply", ""), claimed: catalog},
		{name: "Flux's entry without labels", metadata: entry("kustomize-controller", "Apply", "")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := object(t, "metadata:\n  "+strings.ReplaceAll(test.metadata, "\n", "\n  "))
			if got, ok := Claimed(o); got != test.claimed || ok != (test.claimed != Owner{}) {
				t.Errorf("Claimed: %v, %t; want %v", got, ok, test.claimed)
			}
			if got, ok := Proven(o); got != test.proven || ok != (test.proven != Owner{}) {
				t.Errorf("Proven: %v, %t; want %v", got, ok, test.proven)
			}
		})
	}
}

func TestParseOwner(t *testing.T) {
	for text, want := range map[string]Owner{
		"Kustomization/flux-system/apps":  apps,
		"kustomization/flux-system/apps":  apps,
		"KUSTOMIZATIONS/flux-system/apps": apps,
		"ks/flux-system/apps":             apps,
		"HelmRelease/shop/catalog":        catalog,
		"helmreleases/shop/catalog":       catalog,
		"hr/shop/catalog":                 catalog,
	} {
		if got, err := ParseOwner(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, owner := range []Owner{apps, catalog} {
		if got, err := ParseOwner(owner.String()); err != nil || got != owner {
			t.Errorf("%s is read back as %v, %v", owner, got, err)
		}
	}
	for _, text := range []string{"", "apps", "flux-system/apps", "Kustomization/flux-system/", "Kustomization//apps", "/flux-system/apps",
		"Deployment/flux-system/apps", "Kustomization/flux-system/apps/x"} {
		if got, err := ParseOwner(text); err == nil || !strings.Contains(err.Error(), `"`+text+`"`) || !strings.Contains(err.Error(), "Kustomization") {
			t.Errorf("%q is read as %v; the error has to name it and what is right: %v", text, got, err)
		}
	}
}

func TestOptOutIsReadAsFluxReadsIt(t *testing.T) {
	tests := []struct{ name, metadata, want string }{
		{"nothing", "name: x", ""},
		{"reconcile disabled", "annotations: {kustomize.toolkit.fluxcd.io/reconcile: disabled}", "kustomize.toolkit.fluxcd.io/reconcile=disabled"},
		{"as a label", "labels: {kustomize.toolkit.fluxcd.io/reconcile: disabled}", "kustomize.toolkit.fluxcd.io/reconcile=disabled"},
		{"in any case", "annotations: {kustomize.toolkit.fluxcd.io/reconcile: Disabled}", "kustomize.toolkit.fluxcd.io/reconcile=disabled"},
		{"the key's case matters", "annotations: {kustomize.toolkit.fluxcd.io/Reconcile: disabled}", ""},
		{"ssa ignore", "annotations: {kustomize.toolkit.fluxcd.io/ssa: ignore}", "kustomize.toolkit.fluxcd.io/ssa=Ignore"},
		{"ssa merge is none", "annotations: {kustomize.toolkit.fluxcd.io/ssa: Merge}", ""},
		{"prune disabled is none", "annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}", ""},
		{"reconcile enabled is none", "annotations: {kustomize.toolkit.fluxcd.io/reconcile: enabled}", ""},
		{"an empty value is none", "annotations: {kustomize.toolkit.fluxcd.io/reconcile: ''}", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := OptOut(object(t, "metadata: {"+test.metadata+"}"))
			if got != test.want || ok != (test.want != "") {
				t.Errorf("got %q, %t; want %q", got, ok, test.want)
			}
		})
	}
	if Has(object(t, "metadata: {name: x}"), SSA, "") {
		t.Error("an object without the annotation has it with an empty value")
	}
}

// managers of a Deployment that Flux applied, kubectl scaled and edited, and the controller manager annotated.
const manyManagers = `
metadata:
  managedFields:
  - {manager: kustomize-controller, operation: Apply, time: "2026-11-22T23:00:00Z", fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:paused": {}, "f:selector": {}}}}
  - {manager: kustomize-controller, operation: Update, subresource: status, fieldsV1: {"f:status": {"f:x": {}}}}
  - {manager: kubectl-edit, operation: Update, time: "2026-11-22T23:40:00Z", fieldsV1: {"f:spec": {"f:template": {"f:memory": {}}}}}
  - {manager: kubectl, operation: Update, subresource: scale, time: "2026-11-22T23:41:00Z", fieldsV1: {"f:spec": {"f:replicas": {}}}}
  - {manager: pipeline, operation: Apply, time: "2026-11-22T23:42:00Z", fieldsV1: {"f:spec": {"f:template": {"f:memory": {}, "f:cpu": {}}}}}
  - {manager: kube-controller-manager, operation: Update}
`

func TestManagersAreDecodedInTheirOrder(t *testing.T) {
	managers, err := Managers(object(t, manyManagers))
	if err != nil {
		t.Fatal(err)
	}
	if len(managers) != 6 || managers[2].Name != "kubectl-edit" || !managers[2].Time.Equal(time.Date(2026, 11, 22, 23, 40, 0, 0, time.UTC)) {
		t.Errorf("got %+v", managers)
	}
	if last := managers[5]; last.Fields == nil || !last.Fields.Empty() || !last.Time.IsZero() {
		t.Errorf("an entry without fields and time is %+v", last)
	}
	_, err = Managers(object(t, `metadata: {managedFields: [{manager: broken, operation: Apply, fieldsV1: {"x": {}}}]}`))
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a broken entry has to be an error that names its manager: %v", err)
	}
}

func TestDeclaredIsWhatFluxApplied(t *testing.T) {
	managers, err := Managers(object(t, manyManagers))
	if err != nil {
		t.Fatal(err)
	}
	declared, ok := Declared(managers, Kustomization)
	if want := set(t, `{"f:spec":{"f:paused":{},"f:selector":{}}}`); !ok || !declared.Equals(want) {
		t.Errorf("got %s, %t", declared, ok)
	}
	for name, managers := range map[string][]Manager{"a HelmRelease": managers, "only an update": managers[1:3], "nobody": nil} {
		kind := Kustomization
		if name == "a HelmRelease" {
			kind = HelmRelease
		}
		if declared, ok := Declared(managers, kind); ok || declared == nil || !declared.Empty() {
			t.Errorf("%s: got %v, %t", name, declared, ok)
		}
	}
}

func TestFluxTakesOverByPrefixAndOperationButNeverASubresource(t *testing.T) {
	extra := []string{"terraform"}
	tests := []struct {
		manager, operation, subresource string
		want                            bool
	}{
		{"kubectl", "Apply", "", true},
		{"kubectl-edit", "Update", "", true},
		{"kubectl-client-side-apply", "Update", "", true},
		{"kubectl", "Update", "scale", false},
		{"kubectl-edit", "Update", "status", false},
		{"before-first-apply", "Update", "", true},
		{"before-first-apply", "Apply", "", false},
		{"kustomize-controller", "Update", "", true},
		{"kustomize-controller", "Apply", "", false},
		{"terraform", "Apply", "", true},
		{"terraform-provider", "Update", "", true},
		{"flux-client-side-apply", "Update", "", false},
		{"my-kubectl", "Update", "", false},
		{"helm", "Update", "", false},
	}
	for _, test := range tests {
		m := Manager{Name: test.manager, Operation: metav1.ManagedFieldsOperationType(test.operation), Subresource: test.subresource}
		if got := m.TakenOver(Takeover(extra)); got != test.want {
			t.Errorf("%s %s %q: taken over is %t", test.manager, test.operation, test.subresource, got)
		}
		if m.TakenOver(nil) {
			t.Errorf("%s %s %q is taken over although nobody is", test.manager, test.operation, test.subresource)
		}
	}
	if (Manager{Name: "terraform", Operation: "Update"}).TakenOver(Takeover(nil)) {
		t.Error("terraform is taken over without --override-manager")
	}
}

func TestSplitGivesFluxItsOwnAndWhatItTakesOver(t *testing.T) {
	managers, err := Managers(object(t, manyManagers))
	if err != nil {
		t.Fatal(err)
	}
	own, others := Split(managers, Takeover(nil))
	if want := set(t, `{"f:spec":{"f:paused":{},"f:selector":{},"f:template":{"f:memory":{}}}}`); !own.Equals(want) {
		t.Errorf("own: %s", own)
	}
	if want := set(t, `{"f:spec":{"f:replicas":{},"f:template":{"f:memory":{},"f:cpu":{}}},"f:status":{"f:x":{}}}`); !others.Equals(want) {
		t.Errorf("others: %s", others)
	}
}

func TestLastIsTheNewestForeignManagerOfAField(t *testing.T) {
	managers, err := Managers(object(t, manyManagers))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path fieldpath.Path
		want string
	}{
		{fieldpath.MakePathOrDie("spec", "template", "memory"), "pipeline"},
		{fieldpath.MakePathOrDie("spec", "template", "cpu"), "pipeline"},
		{fieldpath.MakePathOrDie("spec", "template"), "pipeline"},
		{fieldpath.MakePathOrDie("spec", "replicas"), "kubectl"},
		{fieldpath.MakePathOrDie("spec", "paused"), ""},
		{fieldpath.MakePathOrDie("spec", "absent"), ""},
	} {
		got, ok := Last(managers, Kustomization, test.path)
		if got.Name != test.want || ok != (test.want != "") {
			t.Errorf("%s: %s, %t; want %s", test.path, got.Name, ok, test.want)
		}
	}
	// Without times the first one is as good as any, and somebody is named.
	if got, ok := Last([]Manager{{Name: "a", Fields: managers[4].Fields}}, Kustomization, fieldpath.MakePathOrDie("spec", "template", "cpu")); !ok || got.Name != "a" {
		t.Errorf("without a time: %s, %t", got.Name, ok)
	}
}

func TestHolds(t *testing.T) {
	held := set(t, `{"f:spec":{"f:selector":{},"f:labels":{".":{},"f:a":{}},"f:list":{"k:{\"name\":\"x\"}":{".":{},"f:v":{}}}}}`)
	item := fieldpath.KeyByFields("name", "x")
	other := fieldpath.KeyByFields("name", "y")
	for _, test := range []struct {
		name string
		path fieldpath.Path
		want bool
	}{
		{"the field itself", fieldpath.MakePathOrDie("spec", "labels", "a"), true},
		{"something below", fieldpath.MakePathOrDie("spec"), true},
		{"an atomic field above", fieldpath.MakePathOrDie("spec", "selector", "app"), true},
		{"a sibling", fieldpath.MakePathOrDie("spec", "labels", "b"), false},
		{"a sibling of the parent", fieldpath.MakePathOrDie("spec", "other"), false},
		{"something below a sibling", fieldpath.MakePathOrDie("spec", "other", "x"), false},
		{"a list item", fieldpath.MakePathOrDie("spec", "list", item), true},
		{"another list item", fieldpath.MakePathOrDie("spec", "list", other), false},
		{"the list", fieldpath.MakePathOrDie("spec", "list"), true},
		{"another field of the item", fieldpath.MakePathOrDie("spec", "list", item, "w"), false},
	} {
		if got := Holds(held, test.path); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
	if Holds(fieldpath.NewSet(), nil) {
		t.Error("an empty set holds something")
	}
}

func TestShapeLearnsFromEveryManager(t *testing.T) {
	a := []Manager{{Fields: set(t, `{"f:list":{"k:{\"name\":\"x\"}":{".":{}}}}`)}}
	b := []Manager{{Fields: set(t, `{"f:tags":{"v:\"a\"":{}}}`)}}
	shape := Shape(a, b)
	before := map[string]any{"list": []any{map[string]any{"name": "x"}}, "tags": []any{"a"}}
	after := map[string]any{"list": []any{map[string]any{"name": "x", "v": "1"}}, "tags": []any{"a", "b"}}
	var got []string
	for _, change := range fields.Diff(before, after, shape) {
		got = append(got, fields.Name(change.Path))
	}
	if strings.Join(got, " ") != `list[name=x].v tags["b"]` {
		t.Errorf("got %s", got)
	}
}

func TestOnlyControllersByTheirVeryNameAreClusterControllers(t *testing.T) {
	for name, want := range map[string]bool{
		"kube-controller-manager":           true,
		"kubelet":                           true,
		"kustomize-controller":              true,
		"gotk-kustomize-controller":         true,
		"cert-manager-certificates-trigger": true,
		"gitops-drift":                      true,
		"kubectl":                           false,
		"kubectl-edit":                      false,
		"kubelet-by-hand":                   false,
		"kustomize-controller-by-hand":      false,
		"flux-client-side-apply":            false,
		"pipeline":                          false,
		"":                                  false,
	} {
		if got := ClusterController(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
