package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/kustomize/api/resmap"

	"github.com/gitops-drift/gitops-drift/pkg/admission"
)

// withFail builds an overlay with the component added, as its users write it.
func withFail(t *testing.T, overlay string) resmap.ResMap {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	relative, err := filepath.Rel(folder, here)
	if err != nil {
		t.Fatal(err)
	}
	kustomization := "resources: [" + relative + "/overlays/" + overlay + "]\ncomponents: [" + relative + "/components/fail]\n"
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(kustomization), 0o600); err != nil {
		t.Fatal(err)
	}
	return build(t, folder)
}

func configuration(t *testing.T, built resmap.ResMap, name string) *admissionregistrationv1.ValidatingWebhookConfiguration {
	t.Helper()
	out := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	get(t, built, "ValidatingWebhookConfiguration", name, out)
	return out
}

func TestFailIsForEveryWebhookAndLocksNobodyOut(t *testing.T) {
	base := configuration(t, build(t, "base"), "gitops-drift")
	for name, built := range map[string]resmap.ResMap{
		"record": withFail(t, "record"), "enforce": withFail(t, "enforce"), "overlays/enforce-fail": build(t, "overlays/enforce-fail"),
	} {
		t.Run(name, func(t *testing.T) {
			closed := configuration(t, built, "gitops-drift")
			open := configuration(t, built, "gitops-drift-fail-open")
			// The last only writes down: it never fails closed, and so is there once.
			last := len(base.Webhooks) - 1
			if len(closed.Webhooks) != len(base.Webhooks) || len(open.Webhooks) != last || !equality.Semantic.DeepEqual(closed.Webhooks[last], base.Webhooks[last]) {
				t.Fatalf("%d webhooks, %d that fail closed, %d that fail open", len(base.Webhooks), len(closed.Webhooks), len(open.Webhooks))
			}
			for i, want := range base.Webhooks[:last] {
				c, o := closed.Webhooks[i], open.Webhooks[i]
				if *c.FailurePolicy != admissionregistrationv1.Fail || *c.ClientConfig.Service.Path != admission.PathFailClosed {
					t.Errorf("%s: failurePolicy %s, path %s: extend components/fail/fail-closed/patch.yaml", c.Name, *c.FailurePolicy, *c.ClientConfig.Service.Path)
				}
				if *o.FailurePolicy != admissionregistrationv1.Ignore || *o.ClientConfig.Service.Path != admission.Path {
					t.Errorf("%s: failurePolicy %s, path %s", o.Name, *o.FailurePolicy, *o.ClientConfig.Service.Path)
				}
				// Every request that base sends goes to one of the two, and none to both.
				n := len(want.MatchConditions)
				if len(c.MatchConditions) != n+1 || len(o.MatchConditions) != n+1 ||
					!slices.Equal(c.MatchConditions[:n], want.MatchConditions) || !slices.Equal(o.MatchConditions[:n], want.MatchConditions) {
					t.Fatalf("%s: the conditions are not those of base and one more: extend components/fail", want.Name)
				}
				if squeeze(c.MatchConditions[n].Expression) != "!("+squeeze(o.MatchConditions[n].Expression)+")" {
					t.Errorf("%s: the conditions are not each other's opposite", want.Name)
				}
				if c.MatchConditions[n] != closed.Webhooks[0].MatchConditions[len(closed.Webhooks[0].MatchConditions)-1] {
					t.Errorf("%s: another condition than the first webhook's", want.Name)
				}
				c.MatchConditions, o.MatchConditions = want.MatchConditions, want.MatchConditions
				c.FailurePolicy, c.ClientConfig.Service.Path = want.FailurePolicy, want.ClientConfig.Service.Path
				if !equality.Semantic.DeepEqual(c, want) || !equality.Semantic.DeepEqual(o, want) {
					t.Errorf("%s: another rule or selector than base's", want.Name)
				}
			}
		})
	}
}

func squeeze(expression string) string { return strings.Join(strings.Fields(expression), " ") }

func TestTheControllerMayKeepEveryCaBundle(t *testing.T) {
	built := build(t, "overlays/enforce-fail")
	role := &rbacv1.ClusterRole{}
	get(t, built, "ClusterRole", "gitops-drift", role)
	for _, resource := range built.Resources() {
		if resource.GetKind() != "ValidatingWebhookConfiguration" {
			continue
		}
		if !slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
			return slices.Contains(rule.Resources, "validatingwebhookconfigurations") && slices.Contains(rule.ResourceNames, resource.GetName()) && slices.Contains(rule.Verbs, "patch")
		}) {
			t.Errorf("not that of %s", resource.GetName())
		}
	}
}
