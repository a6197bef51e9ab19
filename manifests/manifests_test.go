// Package manifests tests the install manifests.
package manifests

import (
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/admission"
	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

func build(t *testing.T, folder string) resmap.ResMap {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// get reads the one object of a kind and name.
func get(t *testing.T, built resmap.ResMap, kind, name string, into any) {
	t.Helper()
	for _, resource := range built.Resources() {
		if resource.GetKind() != kind || resource.GetName() != name {
			continue
		}
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("there is no %s %s", kind, name)
}

// TestTheWebhookGoesFirst keeps `kubectl delete -k` from being refused half way.
func TestTheWebhookGoesFirst(t *testing.T) {
	for _, overlay := range []string{"record", "enforce", "enforce-fail"} {
		ended := false
		for _, resource := range build(t, "overlays/"+overlay).Resources() {
			webhook := resource.GetKind() == "ValidatingWebhookConfiguration"
			if webhook && ended {
				t.Errorf("%s: %s comes after other objects", overlay, resource.GetName())
			}
			ended = ended || !webhook
		}
	}
}

func TestOverlays(t *testing.T) {
	for overlay, want := range map[string]struct {
		action  v1alpha1.Action
		restore bool
	}{
		"record": {v1alpha1.Record, false}, "enforce": {v1alpha1.Deny, true},
	} {
		built := build(t, "overlays/"+overlay)
		policy := &v1alpha1.EditPolicy{}
		get(t, built, "EditPolicy", overlay, policy)
		if policy.Spec.Action != want.action || policy.Spec.Restore != want.restore {
			t.Errorf("%s: got %+v", overlay, policy.Spec)
		}
	}
}

func TestOnlyEnforceMayWriteWhatFluxManages(t *testing.T) {
	for overlay, want := range map[string]bool{"record": false, "enforce": true} {
		writes := false
		for _, resource := range build(t, "overlays/"+overlay).Resources() {
			if resource.GetKind() != "ClusterRole" {
				continue
			}
			role := &rbacv1.ClusterRole{}
			text, err := resource.AsYAML()
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict(text, role); err != nil {
				t.Fatal(err)
			}
			for _, rule := range role.Rules {
				if slices.Contains(rule.Resources, "secrets") {
					t.Errorf("%s: ClusterRole %s reads Secrets of every namespace", overlay, role.Name)
				}
				own := slices.Equal(rule.Resources, []string{"validatingwebhookconfigurations"}) && len(rule.ResourceNames) > 0 ||
					slices.Equal(rule.APIGroups, []string{"gitops-drift.dev"})
				for _, verb := range rule.Verbs {
					if !slices.Contains([]string{"get", "list", "watch"}, verb) && !own {
						writes = true
					}
				}
			}
		}
		if writes != want {
			t.Errorf("%s may write: %v, want %v", overlay, writes, want)
		}
	}
}

func TestTheWebhookIsNeverInTheWay(t *testing.T) {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	get(t, build(t, "base"), "ValidatingWebhookConfiguration", "gitops-drift", configuration)
	var names []string
	for _, w := range configuration.Webhooks {
		names = append(names, w.Name)
		if *w.FailurePolicy != admissionregistrationv1.Ignore || *w.TimeoutSeconds > 3 || *w.SideEffects != admissionregistrationv1.SideEffectClassNoneOnDryRun {
			t.Errorf("%s: failurePolicy %s, timeoutSeconds %d, sideEffects %s", w.Name, *w.FailurePolicy, *w.TimeoutSeconds, *w.SideEffects)
		}
		if *w.ClientConfig.Service.Path != admission.Path || w.ClientConfig.CABundle != nil {
			t.Errorf("%s: clientConfig is %+v", w.Name, w.ClientConfig)
		}
		var conditions []string
		for _, c := range w.MatchConditions {
			conditions = append(conditions, c.Name)
		}
		for _, never := range []string{"nodes", "cluster"} {
			if !slices.Contains(conditions, never) {
				t.Errorf("%s: conditions are %v, not %s", w.Name, conditions, never)
			}
		}
		if !slices.Contains(conditions, "flux") && !slices.Contains(conditions, "people") {
			t.Errorf("%s: Flux's own writes are sent to the webhook: conditions are %v", w.Name, conditions)
		}
		for _, rule := range w.Rules {
			everything := slices.Contains(rule.APIGroups, "*")
			if everything && !slices.Equal(rule.Resources, []string{"*/scale"}) && w.ObjectSelector == nil {
				t.Errorf("%s: every object is sent to the webhook", w.Name)
			}
			if everything && !slices.Contains(conditions, "resources") {
				t.Errorf("%s: leases and events are sent to the webhook", w.Name)
			}
		}
	}
	if got := strings.Join(names, " "); got != "edits.gitops-drift.dev edits-helm.gitops-drift.dev scale.gitops-drift.dev break-glass.gitops-drift.dev flux.gitops-drift.dev "+
		"contents.gitops-drift.dev storage.gitops-drift.dev identity.gitops-drift.dev below.gitops-drift.dev" {
		t.Errorf("webhooks are %s", got)
	}
}
