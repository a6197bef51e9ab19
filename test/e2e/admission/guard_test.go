package admission

import (
	"encoding/base64"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// spoofed is payments-api as somebody applies it who calls himself Flux.
const spoofed = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: payments-api, namespace: payments}
spec:
  replicas: 2
  selector: {matchLabels: {app: payments-api}}
  template:
    metadata: {labels: {app: payments-api}}
    spec:
      containers:
      - name: payments-api
        image: ghcr.io/contoso/payments-api:1.4.2
        resources: {limits: {memory: 4Gi}}
`

const lookAlike = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: look-alike
  namespace: payments
  labels:
    kustomize.toolkit.fluxcd.io/name: apps
    kustomize.toolkit.fluxcd.io/namespace: flux-system
`

func TestARefusalReadsAsDesigned(t *testing.T) {
	revision, err := reconcile(patient.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	short, _, _ := strings.Cut(revision, ":")
	short += revision[len(short):][:8]
	result := kubectl(t, "", "-n", "payments", "patch", "deployment", "payments-api", "--type=json",
		`-p=[{"op":"replace","path":"/spec/template/spec/containers/0/resources/limits/memory","value":"1Gi"}]`)
	want := `Error from server (Forbidden): admission webhook "edits.gitops-drift.dev" denied the request: Deployment payments/payments-api is managed by Flux Kustomization flux-system/apps at ` + short + `
  spec.template.spec.containers[name=payments-api].resources.limits.memory: 512Mi → 1Gi
    set in payments-api/deployment.yaml:28
Flux would undo this edit. Change the file in git.
`
	if result.Code != 1 || result.Stderr != want {
		t.Errorf("exit code %d\n got %s\nwant %s", result.Code, result.Stderr, want)
	}
}

func TestEditsOfManagedObjectsAreRefused(t *testing.T) {
	for _, test := range []struct {
		name  string
		stdin string
		args  []string
		want  string
	}{
		{"a value", "", []string{"set", "image", "deployment/payments-api", "payments-api=evil"}, "containers[name=payments-api].image: ghcr.io/contoso/payments-api:1.4.2 → evil"},
		{"an addition that Flux would strip", "", []string{"set", "env", "deployment/payments-api", "DEBUG=1"}, `env[name=DEBUG]: – → {"name":"DEBUG","value":"1"}`},
		{"a removal", "", []string{"set", "env", "deployment/payments-api", "LOG_LEVEL-"}, `env[name=LOG_LEVEL]: {"name":"LOG_LEVEL","value":"info"} → –`},
		{"a pause", "", []string{"rollout", "pause", "deployment/payments-api"}, "spec.paused: – → true"},
		{"an atomic list", "", []string{"patch", "deployment", "payments-api", "--type=json", `-p=[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"-v"}]`}, `args: ["--listen=:8080"] → ["--listen=:8080","-v"]`},
		{"a label that nobody declares", "", []string{"label", "configmap", "payments-api", "team=mine"}, "metadata.labels.team: – → mine"},
		{"the owner's label", "", []string{"label", "configmap", "payments-api", "kustomize.toolkit.fluxcd.io/name-"}, `metadata.labels["kustomize.toolkit.fluxcd.io/name"]: apps → –`},
		{"the owner's label through /status", "", []string{"patch", "namespace", "payments", "--subresource=status", "--type=merge", `-p={"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null}}}`}, `metadata.labels["kustomize.toolkit.fluxcd.io/name"]: apps → –`},
		{"an opt-out", "", []string{"annotate", "configmap", "payments-api", "kustomize.toolkit.fluxcd.io/reconcile=disabled"}, "keep Flux from looking after the object"},
		{"an opt-out by a manager that Flux leaves alone", "", []string{"annotate", "--field-manager=me", "configmap", "payments-api", "kustomize.toolkit.fluxcd.io/ssa=Merge"}, `["kustomize.toolkit.fluxcd.io/ssa"]: – → Merge`},
		{"wiped managedFields", "", []string{"patch", "configmap", "payments-api", "--type=merge", `-p={"metadata":{"managedFields":[{}]}}`}, "metadata.managedFields[manager=kustomize-controller]: removed"},
		{"a delete", "", []string{"delete", "deployment", "payments-api"}, "Flux would recreate it. To remove it, delete it in git."},
		{"a delete of many", "", []string{"delete", "configmaps", "--all"}, "ConfigMap payments/payments-api is managed by"},
		{"scaling what git scales", "", []string{"scale", "deployment", "payments-api", "--replicas=5"}, "spec.replicas: 2 → 5"},
		{"a server-side apply in Flux's name", spoofed, []string{"apply", "-f-", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller"}, "limits.memory: 512Mi → 4Gi"},
		{"a dry-run", "", []string{"set", "image", "deployment/payments-api", "payments-api=evil", "--dry-run=server"}, "→ evil"},
		{"in the name of Flux's service account", "", []string{"set", "image", "deployment/payments-api", "payments-api=evil", "--as=system:serviceaccount:flux-system:kustomize-controller"}, "→ evil"},
		{"an older version of the API", "", []string{"patch", "hpa.v1.autoscaling", "catalog-api", "--type=merge", `-p={"spec":{"maxReplicas":9}}`}, "spec.maxReplicas: 4 → 9"},
		{"a custom resource's value", "", []string{"patch", "widget", "gear", "--type=merge", `-p={"spec":{"teeth":13}}`}, "spec.teeth: 12 → 13"},
		{"an addition to a custom resource", "", []string{"patch", "widget", "gear", "--type=merge", `-p={"spec":{"material":{"grade":"A"}}}`}, "spec.material.grade: – → A"},
		{"a delete of a custom resource", "", []string{"delete", "widget", "gear"}, "Widget payments/gear is managed by"},
		{"a look-alike", lookAlike, []string{"create", "-f-"}, "ConfigMap payments/look-alike carries the labels of Flux Kustomization flux-system/apps"},
		{"a Secret's value", "", []string{"patch", "secret", "payments-api", "--type=merge", `-p={"stringData":{"password":"from-oncall"}}`}, "data.password: *** → *** (differs)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			result := kubectl(t, test.stdin, append([]string{"-n", "payments"}, test.args...)...)
			if result.Code == 0 || !strings.Contains(result.Stderr, "denied the request: ") || !strings.Contains(result.Stderr, test.want) {
				t.Errorf("exit code %d\n got %s%s\nwant %s", result.Code, result.Stdout, result.Stderr, test.want)
			}
		})
	}
}

func TestADeletecollectionIsRefused(t *testing.T) {
	oncall, err := client.New(cluster.RESTConfig(harness.OnCall), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = oncall.DeleteAllOf(patient.Context(t), &corev1.ConfigMap{}, client.InNamespace("payments"), client.MatchingLabels{"kustomize.toolkit.fluxcd.io/name": "apps"})
	if err == nil || !strings.Contains(err.Error(), "ConfigMap payments/payments-api is managed by") {
		t.Errorf("got %v", err)
	}
}

func TestWhatFluxDoesNotCareAboutGoesThrough(t *testing.T) {
	same := strings.ReplaceAll(spoofed, "4Gi", "512Mi")
	asFlux := applied(t, "payments-api/deployment.yaml")
	for _, test := range []struct {
		name  string
		stdin string
		args  []string
	}{
		{"the same value by another manager", same, []string{"apply", "-f-", "--server-side", "--field-manager=me", "--dry-run=server"}},
		// So does `kubectl gitops-drift` compare.
		{"what Flux applies in Flux's name", asFlux, []string{"apply", "-f-", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller", "--dry-run=server"}},
		{"an addition that stays", "", []string{"annotate", "--field-manager=me", "deployment", "payments-api", "contoso.com/note=mine"}},
		{"and its removal", "", []string{"annotate", "--field-manager=me", "deployment", "payments-api", "contoso.com/note-"}},
		{"scaling what git does not scale", "", []string{"scale", "deployment", "catalog-api", "--replicas=3"}},
		{"creating an object of one's own", "", []string{"create", "configmap", "mine", "--from-literal=a=b"}},
		{"editing it", "", []string{"patch", "configmap", "mine", "--type=merge", `-p={"data":{"a":"c"}}`}},
		{"deleting it", "", []string{"delete", "configmap", "mine"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if out := must(t, test.stdin, append([]string{"-n", "payments"}, test.args...)...); out == "" {
				t.Error("kubectl said nothing")
			}
		})
	}
}

func TestARestartIsAdmittedWithAWarning(t *testing.T) {
	result := kubectl(t, "", "-n", "payments", "rollout", "restart", "deployment/catalog-api")
	want := "Flux will strip this annotation at its next reconcile, and so roll the Deployment once more."
	if result.Code != 0 || !strings.Contains(result.Stderr, want) {
		t.Errorf("exit code %d: %s", result.Code, result.Stderr)
	}
}

func TestAChangeThroughGitGoesThrough(t *testing.T) {
	ctx := patient.Context(t)
	for _, currency := range []string{"USD", "EUR"} {
		change(t, "payments-api/config.yaml", "currency: ", currency)
		if _, err := reconcile(ctx); err != nil {
			t.Fatal(err)
		}
		if got := must(t, "", "-n", "payments", "get", "configmap", "payments-api", "-o=jsonpath={.data.currency}"); got != currency {
			t.Errorf("currency is %s, want %s", got, currency)
		}
	}
}

func TestRecordAdmitsAndLeavesEvidence(t *testing.T) {
	setAction(t, "Record")
	result := kubectl(t, "", "-n", "payments", "patch", "configmap", "payments-api", "--type=merge", `-p={"data":{"retries":"9"}}`)
	if result.Code != 0 || result.Stderr != "" {
		t.Fatalf("exit code %d: %s", result.Code, result.Stderr)
	}
	audited(t, "configmaps", map[string]string{
		"edits.gitops-drift.dev/decision": "Recorded",
		"edits.gitops-drift.dev/policy":   "enforce",
		"edits.gitops-drift.dev/owner":    "Kustomization/flux-system/apps",
		"edits.gitops-drift.dev/fields":   "data.retries: 3 → 9",
	})
	logged, err := product.Log()
	if err != nil {
		t.Fatal(err)
	}
	line := ""
	for _, l := range strings.Split(logged, "\n") {
		if strings.Contains(l, "data.retries") {
			line = l
		}
	}
	for _, want := range []string{"oncall@contoso.com", "Recorded", "ConfigMap payments/payments-api", "kubectl-patch", "Kustomization/flux-system/apps"} {
		if !strings.Contains(line, want) {
			t.Errorf("%s is not in the log line %q", want, line)
		}
	}

	// The field is not Flux's any more by managedFields, but git still declares it.
	setAction(t, "Deny")
	result = kubectl(t, "", "-n", "payments", "patch", "configmap", "payments-api", "--type=merge", `-p={"data":{"retries":"10"}}`)
	if result.Code == 0 || !strings.Contains(result.Stderr, "data.retries: 9 → 10") {
		t.Errorf("a second edit: exit code %d: %s", result.Code, result.Stderr)
	}
	must(t, "", "-n", "payments", "patch", "configmap", "payments-api", "--type=merge", `-p={"data":{"retries":"3"}}`)
}

func TestWarnAdmitsAndSaysSo(t *testing.T) {
	setAction(t, "Warn")
	defer setAction(t, "Deny")
	result := kubectl(t, "", "-n", "payments", "patch", "widget", "gear", "--type=merge", `-p={"spec":{"teeth":13}}`)
	for _, want := range []string{"Warning: Widget payments/gear is managed by Flux Kustomization flux-system/apps", "Warning: spec.teeth: 12 → 13", "Warning: Flux will undo this edit."} {
		if result.Code != 0 || !strings.Contains(result.Stderr, want) {
			t.Errorf("exit code %d, want %s in %s", result.Code, want, result.Stderr)
		}
	}
	if _, err := reconcile(patient.Context(t)); err != nil {
		t.Fatal(err)
	}
}

func TestRefusalsAreAudited(t *testing.T) {
	if result := kubectl(t, "", "-n", "payments", "delete", "widget", "gear"); result.Code == 0 {
		t.Fatal("the delete went through")
	}
	audited(t, "widgets", map[string]string{"edits.gitops-drift.dev/decision": "Denied", "edits.gitops-drift.dev/fields": "Deleted"})
}

func TestNoSecretsValueIsLeftBehind(t *testing.T) {
	for _, value := range []string{"oncall-knows-a-secret", "another-secret"} {
		result := kubectl(t, "", "-n", "payments", "patch", "secret", "payments-api", "--type=merge", `-p={"stringData":{"password":"`+value+`"}}`)
		logged, err := product.Log()
		if err != nil {
			t.Fatal(err)
		}
		events, err := cluster.AuditEvents(func(e harness.AuditEvent) bool { return e.ObjectRef.Resource == "secrets" })
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			t.Fatal("no audit event of a Secret")
		}
		places := map[string]string{"message": result.Stderr, "log": logged}
		for _, e := range events {
			for k, v := range e.Annotations {
				places["audit annotation "+k] += v
			}
		}
		for place, text := range places {
			for _, secret := range []string{value, "from-git"} {
				if strings.Contains(text, secret) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret))) {
					t.Errorf("the %s holds %q", place, secret)
				}
			}
		}
	}
}

func TestClusterControllersAreNotInTheWay(t *testing.T) {
	ctx := patient.Context(t)
	for _, replicas := range []string{"3", "2"} {
		change(t, "payments-api/deployment.yaml", "replicas: ", replicas)
		if _, err := reconcile(ctx); err != nil {
			t.Fatal(err)
		}
		// The deployment controller writes status, annotations and ReplicaSets.
		generation := must(t, "", "-n", "payments", "get", "deployment", "payments-api", "-o=jsonpath={.metadata.generation}")
		must(t, "", "-n", "payments", "wait", "deployment/payments-api", "--for=jsonpath={.status.observedGeneration}="+generation, "--timeout=30s")
	}
	denied, err := cluster.AuditEvents(func(e harness.AuditEvent) bool {
		return strings.HasPrefix(e.User.Username, "system:") && e.Annotations["edits.gitops-drift.dev/decision"] == "Denied" && e.ImpersonatedUser == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(denied) > 0 {
		t.Errorf("refused: %+v", denied)
	}
}

// TestDriftCanBeLookedAtUnderDeny has the plugin, run by a person, compare by dry-runs that apply what git says.
func TestDriftCanBeLookedAtUnderDeny(t *testing.T) {
	ctx := patient.Context(t)
	setAction(t, "Record")
	for _, args := range [][]string{
		{"set", "resources", "deployment/payments-api", "--limits=cpu=3,memory=1Gi"},
		{"set", "env", "deployment/payments-api", "DEBUG=1", "LOG_LEVEL-"},
		{"patch", "deployment", "payments-api", "--type=json", `-p=[{"op":"remove","path":"/spec/template/spec/containers/0/ports"}]`},
		{"scale", "deployment", "payments-api", "--replicas=7"},
		{"label", "configmap", "payments-api", "team=mine", "kustomize.toolkit.fluxcd.io/namespace-"},
		{"patch", "widget", "gear", "--type=json", `-p=[{"op":"remove","path":"/spec/material"}]`},
		{"patch", "secret", "payments-api", "--type=merge", `-p={"stringData":{"password":"from-oncall","more":"added"}}`},
		{"patch", "configmap", "payments-api", "--type=merge", `-p={"metadata":{"managedFields":[{}]},"data":{"retries":"9"}}`},
		{"delete", "horizontalpodautoscaler", "catalog-api"},
	} {
		must(t, "", append([]string{"-n", "payments"}, args...)...)
	}
	setAction(t, "Deny")
	result, err := cluster.Run(ctx, harness.OnCall, "", "kubectl-gitops_drift")
	if err != nil {
		t.Fatal(err)
	}
	if result.Code != 1 || result.Stderr != "" || !strings.Contains(result.Stdout, "DEBUG") {
		t.Errorf("exit code %d: %s%s", result.Code, result.Stdout, result.Stderr)
	}
	if _, err := reconcile(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestPoliciesAreValidated(t *testing.T) {
	policy := func(spec string) string {
		return "{apiVersion: gitops-drift.dev/v1alpha1, kind: EditPolicy, metadata: {name: probe}, spec: " + spec + "}"
	}
	for spec, want := range map[string]string{
		"{}":               "spec.action: Required value",
		"{action: Forbid}": `Unsupported value: "Forbid"`,
		"{action: Deny, match: {kinds: [deployments]}}":                    "spec.match.kinds[0]",
		"{action: Deny, match: {owners: [apps]}}":                          "spec.match.owners[0]",
		"{action: Deny, exempt: [{kind: ServiceAccount, name: a}]}":        "a ServiceAccount needs a namespace, a User or Group has none",
		"{action: Deny, exempt: [{kind: User, name: a, namespace: here}]}": "a ServiceAccount needs a namespace, a User or Group has none",
	} {
		if result := kubectl(t, policy(spec), "create", "--dry-run=server", "-f-"); result.Code == 0 || !strings.Contains(result.Stderr, want) {
			t.Errorf("%s: exit code %d: %s", spec, result.Code, result.Stderr)
		}
	}
	must(t, policy("{action: Warn, priority: 3, match: {namespaces: ['team-*'], kinds: [Deployment.apps], owners: [Kustomization/*/apps]}, exempt: [{kind: Group, name: sre}]}"), "create", "--dry-run=server", "-f-")
}
