package reconcile

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kubetesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"
)

// manifests reads objects of namespace flux-system, unless they name another.
func manifests(t *testing.T, text string) []runtime.Object {
	t.Helper()
	var out []runtime.Object
	for _, document := range strings.Split(text, "---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil {
			t.Fatal(err)
		}
		group := map[string]string{"Kustomization": "kustomize.toolkit.fluxcd.io/v1", "HelmRelease": "helm.toolkit.fluxcd.io/v2"}[u.GetKind()]
		if group == "" {
			group = "source.toolkit.fluxcd.io/v1"
		}
		u.SetAPIVersion(group)
		if u.GetNamespace() == "" {
			u.SetNamespace("flux-system")
		}
		out = append(out, u)
	}
	return out
}

const fleet = `kind: GitRepository
metadata: {name: fleet, labels: {kustomize.toolkit.fluxcd.io/name: root, kustomize.toolkit.fluxcd.io/namespace: flux-system}}
spec: {ref: {branch: main}}
---
kind: Kustomization
metadata: {name: root, labels: {kustomize.toolkit.fluxcd.io/name: root, kustomize.toolkit.fluxcd.io/namespace: flux-system}}
spec: {sourceRef: {kind: GitRepository, name: fleet}}
---
kind: Kustomization
metadata: {name: infra, labels: {kustomize.toolkit.fluxcd.io/name: root, kustomize.toolkit.fluxcd.io/namespace: flux-system}}
spec: {sourceRef: {kind: GitRepository, name: fleet}}
---
kind: Kustomization
metadata: {name: apps, labels: {kustomize.toolkit.fluxcd.io/name: root, kustomize.toolkit.fluxcd.io/namespace: flux-system}}
spec: {sourceRef: {kind: GitRepository, name: fleet}, dependsOn: [{name: infra}, {name: elsewhere}], wait: true}
---
kind: Kustomization
metadata: {name: leaf, namespace: shop, labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}}
spec: {sourceRef: {kind: GitRepository, name: fleet, namespace: flux-system}}
---
kind: HelmRepository
metadata: {name: charts}
spec: {url: https://charts.contoso.example}
---
kind: HelmRepository
metadata: {name: registry}
spec: {url: oci://charts.contoso.example, type: oci}
---
kind: HelmChart
metadata: {name: shop-web}
spec: {chart: web, sourceRef: {kind: HelmRepository, name: charts}}
---
kind: HelmRelease
metadata: {name: web, namespace: shop}
spec: {chart: {spec: {chart: web, sourceRef: {kind: HelmRepository, name: charts, namespace: flux-system}}}}
status: {helmChart: flux-system/shop-web}
---
kind: HelmRelease
metadata: {name: new, namespace: shop}
spec: {chart: {spec: {chart: web, sourceRef: {kind: HelmRepository, name: charts, namespace: flux-system}}}, dependsOn: [{name: web}]}
---
kind: HelmChart
metadata: {name: shop-oci}
spec: {chart: web, sourceRef: {kind: HelmRepository, name: registry}}
---
kind: HelmRelease
metadata: {name: oci, namespace: shop}
spec: {chart: {spec: {chart: web, sourceRef: {kind: HelmRepository, name: registry, namespace: flux-system}}}}
---
kind: OCIRepository
metadata: {name: podinfo, namespace: shop}
spec: {}
---
kind: HelmRelease
metadata: {name: podinfo, namespace: shop}
spec: {chartRef: {kind: OCIRepository, name: podinfo}}
---
kind: Kustomization
metadata: {name: circle-a}
spec: {sourceRef: {kind: GitRepository, name: fleet}, dependsOn: [{name: circle-b}]}
---
kind: Kustomization
metadata: {name: circle-b}
spec: {sourceRef: {kind: GitRepository, name: fleet}, dependsOn: [{name: circle-a}]}
---
kind: HelmRelease
metadata: {name: artifact, namespace: shop}
spec: {chartRef: {kind: ExternalArtifact, name: x}}
`

// named are objects by KIND/NAME, in namespace shop where there is a HelmRelease or a leaf.
func named(texts ...string) []Object {
	var out []Object
	for _, text := range texts {
		kind, name, _ := strings.Cut(text, "/")
		object := Object{Kind: kind, Name: name, Namespace: "flux-system"}
		for _, k := range Kinds() {
			if k.Kind == kind {
				object.Group = k.Group
			}
		}
		if kind == "HelmRelease" || name == "leaf" || text == "OCIRepository/podinfo" {
			object.Namespace = "shop"
		}
		out = append(out, object)
	}
	return out
}

func TestOrder(t *testing.T) {
	for _, test := range []struct {
		name, objects string
		withSource    bool
		want          string // TARGET<NEEDS,(AFTER)
	}{
		{"independent", "Kustomization/root HelmRelease/web", false, "root web"},
		{"dependsOn, of what is asked for", "Kustomization/apps Kustomization/infra", false, "apps<infra infra"},
		{"a source that is named", "Kustomization/infra GitRepository/fleet", false, "infra<fleet fleet"},
		{"with the source, once", "Kustomization/apps Kustomization/infra", true, "fleet apps<fleet,infra infra<fleet"},
		{"what applies others comes first, but not before its own source",
			"Kustomization/infra Kustomization/root", true, "fleet infra<fleet,(root) root<fleet"},
		{"one that waits for the health of what it applies does not", "Kustomization/leaf Kustomization/apps", false, "leaf apps"},
		{"the chart and its repository", "HelmRelease/web", true, "charts shop-web<charts web<shop-web"},
		{"no chart yet", "HelmRelease/new HelmRelease/web", true, "charts shop-web<charts new<charts,web web<shop-web"},
		{"of an OCI registry only the chart", "HelmRelease/oci", true, "shop-oci oci<shop-oci"},
		{"a chart from an OCIRepository", "HelmRelease/podinfo", true, "podinfo podinfo<podinfo"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, succeed, manifests(t, fleet)...)
			r := &Request{Client: c, Mapper: c.mapper, Objects: named(strings.Fields(test.objects)...), WithSource: test.withSource}
			p, err := r.plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, target := range p.targets {
				var before []string
				for _, n := range target.needs {
					before = append(before, n.object.Name)
				}
				for _, n := range target.after {
					before = append(before, "("+n.object.Name+")")
				}
				text := target.object.Name
				if len(before) > 0 {
					text += "<" + strings.Join(before, ",")
				}
				got = append(got, text)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %s\nwant %s", strings.Join(got, " "), test.want)
			}
		})
	}
}

func TestPlansThatCannotEnd(t *testing.T) {
	for _, test := range []struct {
		objects, revision, want string
		withSource              bool
	}{
		{"Kustomization/circle-a Kustomization/circle-b", "", "Kustomization flux-system/circle-a and Kustomization flux-system/circle-b depend on each other", false},
		{"HelmRelease/artifact", "", "HelmRelease shop/artifact takes what it applies from a ExternalArtifact", true},
		{"HelmRepository/registry", "", "HelmRepository flux-system/registry is of type oci", false},
		{"HelmRelease/web", "3f2c9e1", "has versions of a chart, not commits", false},
		{"Kustomization/infra", "main", "GitRepository flux-system/fleet follows branch main", false},
		{"GitRepository/fleet", "refs/heads/main", "follows branch main", false},
	} {
		t.Run(test.objects, func(t *testing.T) {
			c := newCluster(t, succeed, manifests(t, fleet)...)
			r := Request{Objects: named(strings.Fields(test.objects)...), WithSource: test.withSource}
			if test.revision != "" {
				r.Revision, _ = ParseRevision(test.revision)
			}
			if _, err := c.run(t, r); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
			if len(c.patched) > 0 {
				t.Errorf("asked for %v", c.patched)
			}
		})
	}
}

func TestRevisionIsAwaitedOfWhatSpeaksCommits(t *testing.T) {
	revision, err := ParseRevision("3f2c9e1")
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, succeed, manifests(t, fleet)...)
	r := &Request{Client: c, Mapper: c.mapper, WithSource: true, Revision: revision,
		Objects: named("Kustomization/infra"), Selected: named("HelmRelease/web", "HelmRelease/podinfo")}
	p, err := r.plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, target := range p.targets {
		if !target.revision.IsZero() {
			got = append(got, target.object.String())
		}
	}
	if want := "GitRepository flux-system/fleet, Kustomization flux-system/infra"; strings.Join(got, ", ") != want {
		t.Errorf("got %v", got)
	}
}

func TestOneFailureStopsOnlyWhatDependsOnIt(t *testing.T) {
	c := newCluster(t, func(kind, token string) []map[string]any {
		if kind == "HelmRelease" {
			return []map[string]any{status(token, "False", "UpgradeFailed", "no")}
		}
		return succeed(kind, token)
	}, manifests(t, fleet)...)
	results, err := c.run(t, Request{Objects: named("HelmRelease/new", "HelmRelease/web", "Kustomization/infra")})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].State != StateSkipped || !strings.Contains(results[0].Message, "HelmRelease shop/web is failed") ||
		results[1].State != StateFailed || results[2].State != StateReady {
		t.Errorf("got %+v", results)
	}
	if slices.Contains(c.patched, "helmreleases/new") {
		t.Error("what depends on the failure is asked for")
	}
}

func TestForceAndResetAreRequestsOfHelmReleasesAlone(t *testing.T) {
	c := newCluster(t, succeed, manifests(t, fleet)...)
	patches := map[string]map[string]string{}
	c.PrependReactor("patch", "*", func(action kubetesting.Action) (bool, runtime.Object, error) {
		patch := action.(kubetesting.PatchAction)
		var o document
		if err := json.Unmarshal(patch.GetPatch(), &o); err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		patches[patch.GetName()] = o.Metadata.Annotations
		return false, nil, nil
	})
	if _, err := c.run(t, Request{Objects: named("HelmRelease/web", "Kustomization/infra"), Force: true, Reset: true, NoWait: true}); err != nil {
		t.Fatal(err)
	}
	token := patches["web"][meta.ReconcileRequestAnnotation]
	if token == "" || patches["web"][meta.ForceRequestAnnotation] != token || patches["web"]["reconcile.fluxcd.io/resetAt"] != token {
		t.Errorf("got %v", patches["web"])
	}
	if len(patches["infra"]) != 1 {
		t.Errorf("got %v", patches["infra"])
	}
}

func TestSuspendedOnesThatNobodyNamedAreResults(t *testing.T) {
	const held = "---\nkind: Kustomization\nmetadata: {name: held}\nspec: {suspend: true, sourceRef: {kind: GitRepository, name: fleet}}\n"
	c := newCluster(t, succeed, manifests(t, fleet+held)...)
	results, err := c.run(t, Request{Selected: named("Kustomization/held", "Kustomization/infra")})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].State != StateSuspended || results[0].Err == nil || results[0].Message != "--resume lifts it" || results[1].State != StateReady {
		t.Errorf("got %+v", results)
	}

	var patch []byte
	c = newCluster(t, succeed, manifests(t, fleet+held)...)
	c.PrependReactor("patch", "*", func(action kubetesting.Action) (bool, runtime.Object, error) {
		patch = action.(kubetesting.PatchAction).GetPatch()
		return false, nil, nil
	})
	if _, err = c.run(t, Request{Objects: named("Kustomization/held"), Resume: true, NoWait: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(patch), `"spec":{"suspend":false}`) || !strings.Contains(string(patch), meta.ReconcileRequestAnnotation) {
		t.Errorf("the resumption and the request are not one patch: %s", patch)
	}
}

func TestWhatIsGoingOrNothingToFetchFromIsLeftOutUnlessItIsNamed(t *testing.T) {
	const going = "---\nkind: Kustomization\nmetadata: {name: going, deletionTimestamp: 2026-11-01T00:00:00Z, finalizers: [finalizers.fluxcd.io]}\nspec: {sourceRef: {kind: GitRepository, name: fleet}}\n"
	c := newCluster(t, succeed, manifests(t, fleet+going)...)
	results, err := c.run(t, Request{Selected: named("Kustomization/going", "Kustomization/gone", "HelmRepository/registry", "Kustomization/infra")})
	if err != nil || len(results) != 1 || results[0].Object.Name != "infra" || results[0].State != StateReady {
		t.Errorf("got %+v, %v", results, err)
	}
	for _, object := range []string{"Kustomization/going", "Kustomization/gone", "HelmRepository/registry"} {
		if _, err := c.run(t, Request{Objects: named(object)}); err == nil {
			t.Errorf("%s is accepted", object)
		}
	}
}

func TestSettled(t *testing.T) {
	at := func(generation, handled, condition int64, ready string, reconciling bool) observed {
		o := state("", "", "", "")
		o.Metadata.Generation, o.Status.ObservedGeneration = generation, handled
		o.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionStatus(ready), ObservedGeneration: condition}}
		if reconciling {
			o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{Type: "Reconciling", Status: metav1.ConditionTrue})
		}
		return o
	}
	for _, test := range []struct {
		name string
		seen observed
		want State
	}{
		{"ready", at(2, 2, 2, "True", false), StateReady},
		{"ready for an older spec", at(3, 2, 2, "True", false), StateReconciling},
		{"ready, the status not written yet", at(2, 1, 2, "True", false), StateReconciling},
		{"ready, and at it again", at(2, 2, 2, "True", true), StateReconciling},
		{"failed", at(2, 1, 2, "False", true), StateFailed},
		{"failed for an older spec", at(3, 2, 2, "False", false), StateReconciling},
		{"under way", at(2, 1, 2, "Unknown", true), StateReconciling},
		{"no condition", observed{}, StateReconciling},
	} {
		if got := test.seen.settled(); got != test.want {
			t.Errorf("%s: %s", test.name, got)
		}
	}
}
