package admission

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/patient"
)

// release is a HelmRelease whose controller has not come by yet, and Helm's record of it as a person writes it.
const (
	release = `
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: catalog, namespace: payments}
spec: {interval: 10m, chartRef: {kind: OCIRepository, name: catalog}}
`
	record = `
apiVersion: v1
kind: Secret
type: helm.sh/release.v1
metadata:
  name: sh.helm.release.v1.catalog.v2
  namespace: payments
  labels: {name: catalog, owner: helm, status: deployed, version: "2"}
stringData: {release: swordfish}
`
	podAsFlux = `
apiVersion: v1
kind: Pod
metadata: {name: mine, namespace: flux-system}
spec:
  serviceAccountName: kustomize-controller
  containers: [{name: mine, image: busybox}]
`
)

// podOf waits for a Pod of payments-api.
func podOf(t *testing.T) string {
	t.Helper()
	for {
		pods := &corev1.PodList{}
		if err := cluster.Admin().List(patient.Context(t), pods, client.InNamespace("payments"), client.MatchingLabels{"app": "payments-api"}); err != nil {
			t.Fatal(err)
		}
		for _, pod := range pods.Items {
			if pod.DeletionTimestamp == nil {
				return pod.Name
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
}

func TestWhatReachesManagedObjectsIsRefused(t *testing.T) {
	must(t, release, "create", "-f-")
	for _, test := range []struct {
		name  string
		stdin string
		args  []string
		want  string
	}{
		{"a namespace that holds managed objects", "", []string{"delete", "namespace", "payments"}, "Namespace payments holds "},
		{"Flux's namespace", "", []string{"delete", "namespace", "flux-system"}, "Namespace flux-system holds Flux itself"},
		{"the definition of a kind with managed objects", "", []string{"delete", "crd", "kustomizations.kustomize.toolkit.fluxcd.io"}, "CustomResourceDefinition kustomizations.kustomize.toolkit.fluxcd.io defines "},
		{"suspending", "", []string{"-n", "flux-system", "patch", "kustomization", "apps", "--type=merge", `-p={"spec":{"suspend":true}}`}, "spec.suspend: – → true"},
		{"another path", "", []string{"-n", "flux-system", "patch", "kustomization", "apps", "--type=merge", `-p={"spec":{"path":"./mine"}}`}, "spec.path: ./ → ./mine"},
		{"ignore rules", "", []string{"-n", "flux-system", "patch", "kustomization", "apps", "--type=merge", `-p={"spec":{"ignore":[{"paths":["/spec"]}]}}`}, "spec.ignore"},
		{"deleting a Kustomization", "", []string{"-n", "flux-system", "delete", "kustomization", "apps"}, "Deleting it deletes what is applied from it, too."},
		{"another branch", "", []string{"-n", "flux-system", "patch", "gitrepository", "apps", "--type=merge", `-p={"spec":{"ref":{"branch":"mine"}}}`}, "from GitRepository flux-system/apps"},
		{"deleting a source", "", []string{"-n", "flux-system", "delete", "gitrepository", "apps"}, "from GitRepository flux-system/apps"},
		{"a forged status", "", []string{"-n", "flux-system", "patch", "gitrepository", "apps", "--subresource=status", "--type=merge", `-p={"status":{"artifact":{"url":"http://evil/a.tar.gz"}}}`}, "status.artifact: written by hand"},
		{"Helm's record of a release", record, []string{"create", "-f-"}, "is Helm's record of release catalog"},
		{"a token of Flux", "", []string{"-n", "flux-system", "create", "token", "kustomize-controller"}, "A token of ServiceAccount flux-system/kustomize-controller"},
		{"a token of this controller", "", []string{"-n", "flux-system", "create", "token", "gitops-drift"}, "A token of ServiceAccount flux-system/gitops-drift"},
		{"a token of a controller of the cluster", "", []string{"-n", "kube-system", "create", "token", "deployment-controller"}, "A token of ServiceAccount kube-system/deployment-controller"},
		{"a Secret for a token of Flux", `
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata: {name: mine, namespace: flux-system, annotations: {kubernetes.io/service-account.name: helm-controller}}
`, []string{"create", "-f-"}, "A token of ServiceAccount flux-system/helm-controller"},
		{"a Pod as Flux", podAsFlux, []string{"create", "-f-"}, "Pod flux-system/mine runs as service account flux-system/kustomize-controller"},
		{"Flux scaled to zero", "", []string{"-n", "flux-system", "scale", "deployment", "kustomize-controller", "--replicas=0"}, "spec.replicas: 1 → 0"},
		{"this controller scaled to zero", "", []string{"-n", "flux-system", "scale", "deployment", "gitops-drift", "--replicas=0"}, "spec.replicas: 2 → 0"},
		{"Flux's Deployment", "", []string{"-n", "flux-system", "delete", "deployment", "kustomize-controller"}, "Without it nothing is applied."},
		{"this controller's Deployment", "", []string{"-n", "flux-system", "delete", "deployment", "gitops-drift"}, "delete its ValidatingWebhookConfiguration first"},
		{"a finalizer", "", []string{"-n", "payments", "patch", "configmap", "payments-api", "--type=merge", "--field-manager=me", `-p={"metadata":{"finalizers":["contoso.com/lock"]}}`}, "Flux does not look at finalizers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			result := kubectl(t, test.stdin, test.args...)
			if result.Code == 0 || !strings.Contains(result.Stderr, "denied the request: ") || !strings.Contains(result.Stderr, test.want) {
				t.Errorf("exit code %d\n got %s%s\nwant %s", result.Code, result.Stdout, result.Stderr, test.want)
			}
			if strings.Contains(result.Stderr, "swordfish") {
				t.Errorf("the refusal quotes a Secret: %s", result.Stderr)
			}
		})
	}
}

func TestWhatReachesNoManagedObjectGoesThrough(t *testing.T) {
	for _, test := range []struct {
		name  string
		stdin string
		args  []string
	}{
		{"a namespace of one's own", "", []string{"create", "namespace", "mine"}},
		{"and its end", "", []string{"delete", "namespace", "mine", "--wait=false"}},
		{"a Kustomization of one's own", `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: mine, namespace: payments}
spec: {interval: 10m, prune: true, path: ./, sourceRef: {kind: GitRepository, name: mine}}
`, []string{"create", "-f-"}},
		{"another path, before it manages anything", "", []string{"-n", "payments", "patch", "kustomization", "mine", "--type=merge", `-p={"spec":{"path":"./mine"}}`}},
		{"and its end", "", []string{"-n", "payments", "delete", "kustomization", "mine"}},
		{"a request to reconcile", "", []string{"-n", "flux-system", "annotate", "kustomization", "apps", "reconcile.fluxcd.io/requestedAt=now", "--overwrite"}},
		{"Helm's record of another release", strings.ReplaceAll(record, "catalog", "mine"), []string{"create", "-f-"}},
		{"a token of somebody else", "", []string{"-n", "payments", "create", "token", "default"}},
		{"more of Flux", "", []string{"-n", "flux-system", "scale", "deployment", "source-controller", "--replicas=1"}},
		{"a restart of this controller", "", []string{"-n", "flux-system", "patch", "deployment", "gitops-drift", "--dry-run=server", "--type=merge",
			`-p={"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-22T23:40:00Z"}}}}}`}},
	} {
		t.Run(test.name, func(t *testing.T) { must(t, test.stdin, test.args...) })
	}
}

func TestWhatIsBesideManagedObjectsIsWrittenDown(t *testing.T) {
	pod := podOf(t)
	for _, test := range []struct {
		name     string
		args     []string
		resource string
		fields   string
	}{
		{"a Pod's label", []string{"-n", "payments", "label", "pod", pod, "note=mine"}, "pods", "metadata.labels.note: – → mine"},
		{"a debugger in a Pod", []string{"-n", "payments", "debug", pod, "--image=busybox", "--container=debug", "--attach=false"}, "pods", ""},
		{"a Pod", []string{"-n", "payments", "delete", "pod", pod, "--wait=false"}, "pods", "Noted"},
		{"an autoscaler", []string{"-n", "payments", "autoscale", "deployment", "payments-api", "--min=1", "--max=2"}, "horizontalpodautoscalers", "Noted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			must(t, "", test.args...)
			want := map[string]string{"below.gitops-drift.dev/decision": "Recorded", "below.gitops-drift.dev/owner": "Kustomization/flux-system/apps"}
			if test.fields != "" {
				want["below.gitops-drift.dev/fields"] = test.fields
			}
			audited(t, test.resource, want)
		})
	}
	must(t, "", "-n", "payments", "delete", "hpa", "payments-api")
}

// TestAScaleIsJudgedWithoutDesiredState has somebody scale what a HelmRelease manages, of which no desired state is built.
func TestAScaleIsJudgedWithoutDesiredState(t *testing.T) {
	const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: released
  namespace: payments
  labels: {helm.toolkit.fluxcd.io/name: catalog, helm.toolkit.fluxcd.io/namespace: payments}
spec:
  replicas: 2
  selector: {matchLabels: {app: released}}
  template:
    metadata: {labels: {app: released}}
    spec: {containers: [{name: released, image: busybox}]}
`
	// As helm-controller, which the policy must not hinder.
	setAction(t, "Record")
	must(t, deployment, "apply", "-f-", "--server-side", "--field-manager=helm-controller")
	setAction(t, "Deny")
	deadline := time.Now().Add(20 * time.Second)
	for {
		result := kubectl(t, "", "-n", "payments", "scale", "deployment", "released", "--replicas=3", "--dry-run=server")
		if strings.Contains(result.Stderr, "spec.replicas: 2 → 3") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("exit code %d: %s", result.Code, result.Stderr)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestTheStaticPoliciesHold has the policies of manifests/static guard evidence without our webhook.
func TestTheStaticPoliciesHold(t *testing.T) {
	must(t, "", "apply", "--server-side", "-k", "../../../manifests/static")
	forged := `
apiVersion: gitops-drift.dev/v1alpha1
kind: EditRecord
metadata: {name: forged}
spec:
  object: {kind: ConfigMap, namespace: payments, name: payments-api}
  owner: Kustomization/flux-system/apps
  user: {name: dev@contoso.com}
  operation: UPDATE
  decision: Denied
  count: 1
  firstTime: "2026-11-22T23:40:00Z"
  lastTime: "2026-11-22T23:40:00Z"
`
	glass := `
apiVersion: gitops-drift.dev/v1alpha1
kind: BreakGlass
metadata: {name: mine}
spec:
  object: {kind: ConfigMap, namespace: payments, name: payments-api}
  requestedBy: dev@contoso.com
  reason: because
  duration: 10m
`
	for want, manifest := range map[string]string{
		"EditRecords are evidence":                    forged,
		"spec.requestedBy must be oncall@contoso.com": glass,
		"you are not a member of group others":        strings.Replace(glass, "requestedBy: dev@contoso.com", "requestedBy: oncall@contoso.com\n  group: others", 1),
	} {
		deadline := time.Now().Add(20 * time.Second)
		for {
			result := kubectl(t, manifest, "create", "-f-", "--dry-run=server")
			if result.Code != 0 && strings.Contains(result.Stderr, want) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("exit code %d: %s, want %s", result.Code, result.Stderr, want)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	// In one's own name it is up to the webhook, and so to the EditPolicies.
	result := kubectl(t, strings.Replace(glass, "dev@", "oncall@", 1), "create", "-f-", "--dry-run=server")
	if !strings.Contains(result.Stderr, `webhook "break-glass.gitops-drift.dev" denied`) {
		t.Errorf("exit code %d: %s", result.Code, result.Stderr)
	}
}
