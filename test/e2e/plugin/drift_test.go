package plugin

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

const secretByHand = `
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: shop}
stringData: {password: battery-staple, other: battery-staple}
`

func TestInSync(t *testing.T) {
	// root: 1 Kustomization; shop: 4 objects; paused: 2. The finalizer and the requests on shop are no drift.
	result := drift(t, harness.OnCall)
	want(t, result, 0)
	if result.Stdout != "In sync: 7 objects of 3 owners equal git.\n" {
		t.Errorf("got %q", result.Stdout)
	}
	if empty := drift(t, harness.OnCall, "-o", "diff"); empty.Code != 0 || empty.Stdout != "" {
		t.Errorf("an empty diff is %q", empty.Stdout)
	}
	list := decode(t, drift(t, harness.OnCall, "-o", "json").Stdout)
	if list.Kind != "DriftReport" || list.APIVersion != "gitops-drift.dev/v1alpha1" || list.Items == nil || len(list.Items) != 0 {
		t.Errorf("an empty list is %+v", list)
	}
}

func decode(t *testing.T, text string) report.DriftReport {
	t.Helper()
	var out report.DriftReport
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnEditIsShownFieldByField(t *testing.T) {
	restore(t, shop)
	kubectl(t, "", "set", "resources", "deployment/api", "-n", "shop", "--limits=memory=1Gi")
	kubectl(t, "", "delete", "configmap/settings", "-n", "shop")

	table := drift(t, harness.OnCall)
	want(t, table, 1, "Kustomization flux-system/shop  main@sha1:", "512Mi", "1Gi", "kubectl-set", "revert in ≤",
		"shop/configmap/settings", "(the object)", "recreate in ≤",
		"1 field of 1 object differs from git and 1 object is missing.")
	want(t, drift(t, harness.OnCall, "-o", "wide"), 1,
		"spec.template.spec.containers[name=api].resources.limits.memory", "shop/app.yaml")
	want(t, drift(t, harness.OnCall, "-o", "diff"), 1,
		"--- git/shop/deployment/api main@sha1:", "+++ live/shop/deployment/api", "-            memory: 512Mi", "+            memory: 1Gi",
		"-  level: info")

	byJSON := drift(t, harness.OnCall, "-o", "json")
	want(t, byJSON, 1)
	list := decode(t, byJSON.Stdout)
	if len(list.Items) != 2 || len(list.Errors) != 0 {
		t.Fatalf("got %+v", list)
	}
	missing, item := list.Items[0], list.Items[1]
	if missing.Kind != "Missing" || missing.Object.Name != "settings" || missing.Path != "" ||
		missing.Origin == nil || *missing.Origin != (report.Origin{File: "shop/app.yaml", Line: 19}) {
		t.Errorf("got %+v", missing)
	}
	if item.Kind != "Changed" || item.Path != "spec.template.spec.containers[name=api].resources.limits.memory" ||
		item.Desired != "512Mi" || item.Live != "1Gi" || item.Manager != "kubectl-set" || item.Time == nil || item.Verdict != "Reverts" ||
		item.Object != (report.ObjectRef{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "api"}) ||
		item.Owner != (report.OwnerRef{Kind: "Kustomization", Namespace: "flux-system", Name: "shop"}) ||
		!strings.HasPrefix(item.Revision, "main@sha1:") || item.Origin == nil || *item.Origin != (report.Origin{File: "shop/app.yaml", Line: 17}) {
		t.Errorf("got %+v", item)
	}
	var fromYAML report.DriftReport
	if err := yaml.Unmarshal([]byte(drift(t, harness.OnCall, "-o", "yaml").Stdout), &fromYAML); err != nil || len(fromYAML.Items) != 2 {
		t.Errorf("YAML: %v, %+v", err, fromYAML)
	}
}

func TestObjectsAreChosenAsWithKubectl(t *testing.T) {
	restore(t, shop)
	kubectl(t, "", "scale", "deployment/api", "-n", "shop", "--replicas=3")
	kubectl(t, "", "patch", "configmap/settings", "-n", "shop", "--type=merge", "-p", `{"data":{"level":"debug"}}`)
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"deployment/api", 1, "1 field of 1 object differs"},
		{"deploy/api -n shop", 1, "1 field of 1 object differs"},
		{"deployments.apps/api", 1, "1 field of 1 object differs"},
		{"Deployment.v1.apps/api", 1, "1 field of 1 object differs"},
		{"deploy/api cm/settings", 1, "2 fields of 2 objects differ"},
		{"secret/token", 0, "In sync: 1 object"},
		{"ns/shop", 0, "In sync: 1 object"},
		{"-n paused", 0, "In sync: 1 object"},
		{"-n shop", 1, "2 fields of 2 objects differ"},
		{"--owner Kustomization/flux-system/paused", 0, "In sync: 2 objects of 1 owner"},
		{"--owner ks/flux-system/shop", 1, "2 fields of 2 objects differ"},
		{"deploy/api -n paused", 2, "error: deploy/api in namespace paused is managed by no Kustomization or HelmRelease, so it was not compared"},
		{"deploy/api --owner ks/flux-system/paused", 2, "error: deploy/api is managed by no Kustomization"},
		{"deploy/api deploy/typo", 2, "error: deploy/typo is managed by no Kustomization or HelmRelease, so it was not compared"},
		{"-n nowhere", 2, "error: no Kustomization or HelmRelease manages anything in namespace nowhere, so nothing was compared"},
	} {
		t.Run(test.args, func(t *testing.T) {
			result := drift(t, harness.OnCall, strings.Fields(test.args)...)
			want(t, result, test.code, test.says)
			if test.code == 2 && strings.Contains(result.Stdout, "In sync") {
				t.Error("what was not compared reads as in sync")
			}
		})
	}
}

func TestWhatASuspendedOwnerHoldsStays(t *testing.T) {
	restore(t, paused)
	kubectl(t, "", "patch", "kustomization/paused", "-n", "flux-system", "--type=merge", "-p", `{"spec":{"suspend":true}}`)
	t.Cleanup(func() { // before restore's
		kubectl(t, "", "patch", "kustomization/paused", "-n", "flux-system", "--type=merge", "-p", `{"spec":{"suspend":false}}`)
	})
	kubectl(t, "", "patch", "configmap/settings", "-n", "paused", "--type=merge", "-p", `{"data":{"level":"debug"}}`)
	want(t, drift(t, harness.OnCall, "-n", "paused"), 1, "suspended", "not act: the Kustomization is suspended", "Flux is held off 1 of them")
	list := decode(t, drift(t, harness.OnCall, "-n", "paused", "-o", "json").Stdout)
	if len(list.Items) != 1 || list.Items[0].Verdict != "Held" || list.Items[0].Holder != "the Kustomization is suspended" {
		t.Errorf("got %+v", list)
	}
}

// That no value is shown is checked of every output in this package.
func TestOfASecretOnlyTheKeysAreShown(t *testing.T) {
	restore(t, shop)
	kubectl(t, secretByHand, "apply", "--server-side", "--force-conflicts", "-f", "-")
	kubectl(t, secretByHand, "apply", "-f", "-") // leaves the last-applied annotation
	t.Cleanup(func() { kubectl(t, "", "delete", "secret/token", "-n", "shop") })
	for _, output := range []string{"table", "wide", "diff", "json", "yaml"} {
		want(t, drift(t, harness.OnCall, "secret/token", "-o", output), 1, "***", "password", "other")
	}
	// Nobody owns the data that somebody's stringData became: Flux leaves the key that git does not have.
	verdicts := func() map[string]string {
		out := map[string]string{}
		for _, item := range decode(t, drift(t, harness.OnCall, "secret/token", "-o", "json").Stdout).Items {
			out[item.Path] = item.Verdict + " " + item.Manager
		}
		return out
	}
	before := verdicts()
	if before["data.password"] != "Reverts kubectl" || before["data.other"] != "Persists kubectl" {
		t.Errorf("got %v", before)
	}
	if _, err := shared.Reconcile(patient.Context(t), shop); err != nil {
		t.Fatal(err)
	}
	if after := verdicts(); len(after) != 1 || after["data.other"] != "Persists " {
		t.Errorf("after Flux reconciled: %v", after)
	}
}

func TestTheAnswerAboutASecretThatCannotBeAppliedIsNotQuoted(t *testing.T) {
	restore(t, shop)
	kubectl(t, "", "delete", "secret/token", "-n", "shop")
	kubectl(t, secretByHand+"immutable: true\n", "create", "-f", "-")
	t.Cleanup(func() { kubectl(t, "", "delete", "secret/token", "-n", "shop") })
	for _, output := range []string{"table", "json"} {
		want(t, drift(t, harness.OnCall, "-o", output), 2,
			"shop/secret/token of Kustomization/flux-system/shop: the API server refuses what Flux would apply: ", "Invalid at ", "its message is not shown")
	}
}
