package reconcile

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const applied = `kind: GitRepository
metadata: {name: fleet}
status: {artifact: {revision: "main@sha1:3f2c9e1aa0b4"}}
---
kind: Kustomization
metadata: {name: infra}
spec: {sourceRef: {kind: GitRepository, name: fleet}}
status: {inventory: {entries: [{id: shop_web_helm.toolkit.fluxcd.io_HelmRelease, v: v2}, {id: shop__v1_ConfigMap, v: v1}, {id: flux-system_infra_kustomize.toolkit.fluxcd.io_Kustomization, v: v1}]}}
---
kind: HelmRelease
metadata: {name: web, namespace: shop, generation: 2}
spec: {chart: {spec: {chart: ./web, sourceRef: {kind: GitRepository, name: fleet, namespace: flux-system}}}}
status: {helmChart: flux-system/shop-web, observedGeneration: 2, lastAttemptedRevision: 1.4.2, conditions: [{type: Ready, status: "True", observedGeneration: 2}]}
---
kind: HelmChart
metadata: {name: shop-web, generation: 1}
spec: {chart: ./web, sourceRef: {kind: GitRepository, name: fleet}}
status: {observedGeneration: 1, observedSourceArtifactRevision: "main@sha1:3f2c9e1aa0b4", artifact: {revision: 1.4.2}, conditions: [{type: Ready, status: "True", observedGeneration: 1}]}
`

func TestARevisionIsNotLiveBeforeWhatItAppliedIs(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(kind string, status map[string]any, metadata map[string]any)
		want   State
		says   string
	}{
		{"all at it", func(string, map[string]any, map[string]any) {}, StateReady, ""},
		{"a spec that Flux has not come to", func(kind string, _, metadata map[string]any) {
			if kind == "HelmRelease" {
				metadata["generation"] = int64(3)
			}
		}, StateReconciling, "HelmRelease shop/web: Flux has not come to it yet"},
		{"a chart that is of an older commit", func(kind string, status, _ map[string]any) {
			if kind == "HelmChart" {
				status["observedSourceArtifactRevision"] = "main@sha1:91ab00c00000"
			}
		}, StateReconciling, "HelmRelease shop/web: HelmChart flux-system/shop-web is not made of main@sha1:3f2c9e1 yet"},
		{"a chart whose spec was changed", func(kind string, _, metadata map[string]any) {
			if kind == "HelmChart" {
				metadata["generation"] = int64(2)
			}
		}, StateReconciling, "HelmRelease shop/web: HelmChart flux-system/shop-web is not fetched yet"},
		{"a release of the chart before", func(kind string, status, _ map[string]any) {
			if kind == "HelmRelease" {
				status["lastAttemptedRevision"] = "1.4.1"
			}
		}, StateReconciling, "HelmRelease shop/web: not yet at version 1.4.2 of the chart"},
		{"a release that failed", func(kind string, status, _ map[string]any) {
			if kind == "HelmRelease" {
				status["conditions"] = []any{map[string]any{"type": "Ready", "status": "False", "reason": "UpgradeFailed", "message": "password=swordfish", "observedGeneration": int64(2)}}
			}
		}, StateFailed, "HelmRelease shop/web: UpgradeFailed"}, // what Helm says is its own, for it may quote a Secret
	} {
		t.Run(test.name, func(t *testing.T) {
			objects := manifests(t, applied)
			var top observed
			for _, object := range objects {
				u := object.(*unstructured.Unstructured)
				test.change(u.GetKind(), u.Object["status"].(map[string]any), u.Object["metadata"].(map[string]any))
				if u.GetKind() == "Kustomization" {
					seen, err := observe(u)
					if err != nil {
						t.Fatal(err)
					}
					top = seen
				}
			}
			c := newCluster(t, succeed, objects...)
			r := &Request{Client: c, Mapper: c.mapper, Objects: named("Kustomization/infra")}
			p, err := r.plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if p.targets[0].revision, err = ParseRevision("3f2c9e1"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			result := Result{State: StateReady}
			p.descend(ctx, p.targets[0], top, &result)
			if result.State != test.want || result.Message != test.says {
				t.Errorf("got %s: %s", result.State, result.Message)
			}
			if test.want == StateFailed && (len(result.Culprits) != 1 || result.Culprits[0].Reason != "UpgradeFailed") {
				t.Errorf("got %+v", result.Culprits)
			}
		})
	}
}
