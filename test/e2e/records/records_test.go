package records

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// restore makes Flux undo what a test did.
func restore(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if _, err := cluster.Reconcile(t.Context(), apps); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
}

const container = "spec.template.spec.containers[name=catalog-api]"

func TestEditsLeaveRecords(t *testing.T) {
	for _, value := range []string{"600Mi", "700Mi", "1Gi"} {
		edit(t, harness.OnCall, "-n", "catalog", "set", "resources", "deployment/catalog-api", "--limits=memory="+value)
	}
	edit(t, harness.Dev, "-n", "catalog", "set", "env", "deployment/catalog-api", "LOG_LEVEL=debug")
	edit(t, harness.OnCall, "-n", "payments", "delete", "deployment/payments-api")
	edit(t, harness.OnCall, "-n", "payments", "scale", "deployment/payments-api", "--replicas=3")
	for range 2 {
		edit(t, harness.Dev, "-n", "payments", "set", "image", "deployment/payments-api", "payments-api=evil")
	}
	for _, args := range [][]string{
		{"-n", "catalog", "label", "deployment/catalog-api", "dry=run", "--dry-run=server"},
		{"-n", "payments", "label", "deployment/payments-api", "dry=run", "--dry-run=server"},
	} {
		kubectl(t, harness.OnCall, args...)
	}

	memory := await(t, 3, func(s v1alpha1.EditRecordSpec) bool {
		return of("Deployment", "catalog", "catalog-api")(s) && s.User.Name == string(harness.OnCall)
	})
	if len(memory) != 1 {
		t.Fatalf("%d records", len(memory))
	}
	got := memory[0]
	if got.Decision != v1alpha1.Recorded || got.FluxWill != v1alpha1.Reverts || got.Operation != "UPDATE" || got.Manager != "kubectl-set" ||
		got.Owner != "Kustomization/flux-system/apps" || got.Policy != "catalog" || got.Revision == "" || got.Folded != "" ||
		len(got.User.Groups) == 0 || got.User.Groups[0] != "oncall" || got.LastTime.Before(&got.FirstTime) || time.Since(got.LastTime.Time) > time.Minute {
		t.Errorf("got %+v", got)
	}
	if len(got.Fields) != 1 || got.Fields[0] != (v1alpha1.RecordedField{Kind: "Changed", Path: container + ".resources.limits.memory", Old: "700Mi", New: "1Gi"}) {
		t.Errorf("fields are %+v", got.Fields)
	}
	refused := await(t, 4, of("Deployment", "payments", "payments-api"))
	var summary []string
	for _, s := range refused {
		if s.Decision != v1alpha1.Denied || s.FluxWill != "" || s.Policy != "enforce" {
			t.Errorf("got %+v", s)
		}
		summary = append(summary, s.User.Name+" "+s.Operation+" "+s.Subresource)
	}
	if len(refused) != 3 {
		t.Errorf("got %q", summary)
	}

	history := kubectl(t, harness.OnCall, "gitops-drift", "history", "-o", "wide")
	if history.Code != 0 || strings.Contains(history.Stdout, "dry") {
		t.Errorf("exit %d\n%s%s", history.Code, history.Stdout, history.Stderr)
	}
	for _, line := range []string{
		"oncall@contoso.com update admitted catalog/deployment/catalog-api spec.template.spec.containers[name=catalog-api].resources.limits.memory 700Mi → 1Gi 3",
		"dev@contoso.com update admitted catalog/deployment/catalog-api spec.template.spec.containers[name=catalog-api].env[name=LOG_LEVEL].value info → debug 1",
		"oncall@contoso.com delete denied payments/deployment/payments-api (the object) – 1",
		"oncall@contoso.com update scale denied payments/deployment/payments-api spec.replicas 0 → 3 1",
		"dev@contoso.com update denied payments/deployment/payments-api spec.template.spec.containers[name=payments-api].image ghcr.io/contoso/payments-api:1.4.2 → evil 2",
	} {
		if !strings.Contains(strings.Join(strings.Fields(history.Stdout), " "), line) {
			t.Errorf("the history does not say %q:\n%s", line, history.Stdout)
		}
	}

	table := kubectl(t, harness.OnCall, "gitops-drift", "-n", "catalog")
	for _, word := range []string{"oncall@contoso.com", "dev@contoso.com"} {
		if table.Code != 1 || !strings.Contains(table.Stdout, word) {
			t.Errorf("exit %d, the table does not say %s:\n%s%s", table.Code, word, table.Stdout, table.Stderr)
		}
	}
	wide := kubectl(t, harness.OnCall, "gitops-drift", "-n", "catalog", "-o", "wide")
	if !strings.Contains(wide.Stdout, "oncall@contoso.com (kubectl-set) ") {
		t.Errorf("got\n%s", wide.Stdout)
	}
	var report struct {
		Items []struct{ Path, User, Manager string }
	}
	if err := json.Unmarshal([]byte(kubectl(t, harness.OnCall, "gitops-drift", "-n", "catalog", "-o", "json").Stdout), &report); err != nil {
		t.Fatal(err)
	}
	users := map[string]string{}
	for _, item := range report.Items {
		users[item.Path] = item.User
	}
	if users[container+".resources.limits.memory"] != string(harness.OnCall) || users[container+".env[name=LOG_LEVEL].value"] != string(harness.Dev) {
		t.Errorf("users are %v", users)
	}

	edit(t, harness.Dev, "-n", "catalog", "delete", "deployment/catalog-api")
	await(t, 5, of("Deployment", "catalog", "catalog-api"))
	missing := kubectl(t, harness.OnCall, "gitops-drift", "-n", "catalog")
	if !strings.Contains(missing.Stdout, "missing") || !strings.Contains(missing.Stdout, "dev@contoso.com") {
		t.Errorf("got\n%s%s", missing.Stdout, missing.Stderr)
	}
	told := events.String()
	for _, part := range []string{
		`"message":"oncall@contoso.com changed Deployment catalog/catalog-api\n` + container + `.resources.limits.memory: 512Mi → 600Mi"`,
		`"message":"oncall@contoso.com was refused to delete Deployment payments/payments-api"`, `"reason":"EditDenied"`, `"reason":"EditAdmitted"`,
		`"metadata":{"kustomize.toolkit.fluxcd.io/revision":"` + got.Revision,
	} {
		if !strings.Contains(told, part) {
			t.Errorf("no event says %s:\n%s", part, told)
		}
	}
	if _, err := cluster.Reconcile(t.Context(), apps); err != nil {
		t.Error(err)
	}
}

func TestHistoryOutputs(t *testing.T) {
	edit(t, harness.OnCall, "-n", "payments", "label", "configmap/replicas", "history=1")
	await(t, 1, func(s v1alpha1.EditRecordSpec) bool {
		return of("ConfigMap", "payments", "replicas")(s) && s.Fields[0].Path == "metadata.labels.history"
	})
	for name, test := range map[string]struct {
		args       []string
		code       int
		want, miss string
	}{
		"one object":        {[]string{"cm/replicas", "-n", "payments"}, 0, "payments/configmap/replicas", "deployment"},
		"a namespace":       {[]string{"-n", "payments"}, 0, "payments/", "catalog/"},
		"wide":              {[]string{"cm/replicas", "-o", "wide"}, 0, "kubectl-label", ""},
		"names":             {[]string{"configmap/replicas", "-o", "name"}, 0, "editrecord.gitops-drift.dev/configmap-", "LAST"},
		"json":              {[]string{"configmap/replicas", "-o", "json"}, 0, `"kind": "EditRecordList"`, "managedFields"},
		"yaml":              {[]string{"configmap/replicas", "-o", "yaml"}, 0, "kind: EditRecordList", "managedFields"},
		"nothing":           {[]string{"-n", "flux-system"}, 0, "No edits are recorded.", "LAST"},
		"an unknown format": {[]string{"-o", "xml"}, 2, `-o "xml" is not known; it is one of table, wide, json, yaml, name`, ""},
		"no name":           {[]string{"deployment"}, 2, "write TYPE/NAME", ""},
		"an unknown type":   {[]string{"nonsense/x"}, 2, `no resource type "nonsense"`, ""},
		"an unknown flag":   {[]string{"--nope"}, 2, "see kubectl gitops-drift history --help", ""},
		"no time":           {[]string{"--timeout=0s"}, 2, "--timeout is 0s", ""},
		"nobody's":          {[]string{"--as=nobody"}, 2, "ask for the ClusterRole gitops-drift-viewer", ""},
	} {
		t.Run(name, func(t *testing.T) {
			result := kubectl(t, harness.OnCall, append([]string{"gitops-drift", "history"}, test.args...)...)
			out := result.Stdout + result.Stderr
			if result.Code != test.code || !strings.Contains(out, test.want) || test.miss != "" && strings.Contains(out, test.miss) {
				t.Errorf("exit %d\n%s", result.Code, out)
			}
		})
	}
	// Developers have the role edit, into which gitops-drift-viewer is aggregated, in every namespace.
	if result := kubectl(t, harness.Dev, "gitops-drift", "history"); result.Code != 0 {
		t.Errorf("exit %d %s", result.Code, result.Stderr)
	}
	for _, selector := range []string{"spec.object.namespace=payments,spec.object.kind=ConfigMap,spec.object.name=replicas", "spec.user.name=oncall@contoso.com,spec.decision=Denied"} {
		result := kubectl(t, harness.OnCall, "get", "editrec", "--field-selector", selector)
		if result.Code != 0 || !strings.Contains(result.Stdout, "replicas") {
			t.Errorf("exit %d\n%s%s", result.Code, result.Stdout, result.Stderr)
		}
	}
}

func TestNoValueOfASecretIsAnywhere(t *testing.T) {
	const value, encoded = "battery-staple", "YmF0dGVyeS1zdGFwbGU"
	for _, namespace := range []string{"catalog", "payments"} {
		for _, args := range [][]string{
			{"patch", "secret", "login", "--type=merge", `-p={"stringData":{"password":"` + value + `"}}`},
			{"patch", "secret", "login", "--type=merge", `-p={"stringData":{"token":"` + value + `"}}`},
			{"annotate", "secret", "login", `kubectl.kubernetes.io/last-applied-configuration={"data":{"password":"` + encoded + `=="}}`, "level=1"},
			{"delete", "secret", "login"},
		} {
			edit(t, harness.OnCall, append([]string{"-n", namespace}, args...)...)
		}
		await(t, 4, of("Secret", namespace, "login"))
	}
	texts := map[string]string{
		"the records":     kubectl(t, harness.Admin, "get", "editrecords", "-o", "json").Stdout,
		"the events":      kubectl(t, harness.Admin, "get", "events", "-A", "-o", "json").Stdout,
		"the history":     kubectl(t, harness.Admin, "gitops-drift", "history", "-o", "wide").Stdout,
		"the alerts":      events.String(),
		"the API's audit": audit(t),
	}
	for _, replica := range replicas {
		log, err := replica.Log()
		if err != nil {
			t.Fatal(err)
		}
		texts["the log of "+replica.Pod().Name] = log
		texts["the metrics of "+replica.Pod().Name] = metrics(t, replica)
	}
	for name, text := range texts {
		for _, secret := range []string{value, encoded, "from-git", "ZnJvbS1naXQ"} {
			if strings.Contains(text, secret) {
				t.Errorf("the value of a Secret, %s, is in %s", secret, name)
			}
		}
		if len(text) == 0 {
			t.Errorf("nothing in %s", name)
		}
	}
	restore(t)
}
