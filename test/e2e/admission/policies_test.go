package admission

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// afterwards runs kubectl when the test is over, and waits until the policy enforce is what it is for all tests.
func afterwards(t *testing.T, args ...string) {
	t.Helper()
	t.Cleanup(func() {
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if result, err := cluster.Kubectl(ctx, harness.OnCall, "", args...); err != nil || result.Code != 0 {
			t.Errorf("kubectl %s: %v %s", strings.Join(args, " "), err, result.Stderr)
		}
		for {
			result, err := cluster.Kubectl(ctx, harness.OnCall, "", "-n", "payments", "label", "configmap", "payments-api", "probe=1", "--dry-run=server")
			if err != nil {
				t.Errorf("the policy enforce does not apply again: %v", err)
				return
			}
			if strings.Contains(result.Stderr, "denied the request") {
				return
			}
		}
	})
}

// usePolicy applies a policy for the time of the test.
func usePolicy(t *testing.T, name, manifest string) {
	t.Helper()
	must(t, manifest, "apply", "--server-side", "-f-")
	afterwards(t, "delete", "editpolicy", name)
}

// example returns a policy that the repository ships.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../manifests/examples/policies", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestScopes(t *testing.T) {
	addition := []string{"label", "configmap", "payments-api", "probe=1", "--dry-run=server"}
	unseen := []string{"label", "configmap", "payments-api", "probe=1", "--field-manager=me", "--dry-run=server"}
	declared := []string{"patch", "configmap", "payments-api", "--type=merge", `-p={"data":{"retries":"9"}}`, "--dry-run=server"}
	admitted := func(args []string) bool {
		return kubectl(t, "", append([]string{"-n", "payments"}, args...)...).Code == 0
	}

	must(t, "", "patch", "editpolicy", "enforce", "--type=merge", `-p={"spec":{"scope":"Declared"}}`)
	afterwards(t, "patch", "editpolicy", "enforce", "--type=merge", `-p={"spec":{"scope":"Drift"}}`)
	patient.Until(t, "an addition is admitted", func() bool { return admitted(addition) })
	if admitted(declared) || !admitted(unseen) {
		t.Error("scope Declared is not what it says")
	}
	must(t, "", "patch", "editpolicy", "enforce", "--type=merge", `-p={"spec":{"scope":"All"}}`)
	patient.Until(t, "everything is refused", func() bool { return !admitted(unseen) })
	if admitted(declared) || admitted(addition) {
		t.Error("scope All is not what it says")
	}
	restart := kubectl(t, "", "-n", "payments", "rollout", "restart", "deployment/payments-api")
	if want := "Flux would strip this annotation at its next reconcile"; restart.Code == 0 || !strings.Contains(restart.Stderr, want) {
		t.Errorf("a restart: exit code %d: %s", restart.Code, restart.Stderr)
	}
	for _, by := range [][]string{{"annotate", "configmap", "payments-api", "reconcile.fluxcd.io/requestedAt=now", "--dry-run=server"}} {
		if !admitted(by) {
			t.Errorf("%v is refused", by)
		}
	}
	// Neither Flux nor the cluster's controllers are in anybody's scope.
	if _, err := reconcile(patient.Context(t)); err != nil {
		t.Error(err)
	}
}

func TestAPolicyThatCannotBeReadSaysSo(t *testing.T) {
	policy := func(pattern string) string {
		return "{apiVersion: gitops-drift.dev/v1alpha1, kind: EditPolicy, metadata: {name: probe}, spec: {action: Record, match: {namespaces: ['" + pattern + "']}}}"
	}
	accepted := func() string {
		return must(t, "", "get", "editpolicy", "probe", `-o=jsonpath={.metadata.generation} {.status.conditions[?(@.type=="Accepted")].observedGeneration} {.status.conditions[?(@.type=="Accepted")].status} {.status.conditions[?(@.type=="Accepted")].message}`)
	}
	usePolicy(t, "probe", policy("team-["))
	want := `1 1 False spec.match.namespaces[0]: "team-[" is no pattern that can be read, so it matches nothing but this very text`
	patient.Until(t, "the condition is false", func() bool { return accepted() == want })
	must(t, policy("team-*"), "apply", "--server-side", "--force-conflicts", "-f-")
	patient.Until(t, "the condition is true", func() bool { return strings.HasPrefix(accepted(), "2 2 True ") })
	if table := must(t, "", "get", "editpolicies"); !strings.Contains(table, "ACCEPTED") {
		t.Errorf("kubectl shows\n%s", table)
	}
}

// TestComponentsOfTheClusterProveThemselves leans on what the API server says about who asks: whoever comes with a
// certificate, or is the API server itself, shows more than a name; whoever impersonates does not.
func TestComponentsOfTheClusterProveThemselves(t *testing.T) {
	edit := []string{"-n", "payments", "set", "image", "deployment/payments-api", "payments-api=evil", "--dry-run=server"}
	for _, as := range [][]string{
		{"--as=system:kube-controller-manager", "--as-group=system:masters"},
		{"--as=system:kube-scheduler", "--as-group=system:masters"},
		{"--as=system:apiserver", "--as-group=system:masters"},
		{"--as=system:node:a", "--as-group=system:nodes", "--as-group=system:masters"},
		{"--as=system:serviceaccount:kube-system:deployment-controller", "--as-group=system:masters"},
	} {
		result := kubectl(t, "", append(edit, as...)...)
		if result.Code == 0 || !strings.Contains(result.Stderr, "denied the request") {
			t.Errorf("%v: exit code %d: %s", as, result.Code, result.Stderr)
		}
	}
	for _, who := range [][]string{{"system:kube-controller-manager"}, {"system:kube-scheduler"}, {"system:node:a", "system:nodes"}} {
		if err := relabel(t, login(t, who[0], append(who[1:], "system:masters")...)); err != nil {
			t.Errorf("%s with a certificate: %v", who[0], err)
		}
	}
	if err := relabel(t, login(t, "ann", "system:masters")); err == nil || !strings.Contains(err.Error(), "denied the request") {
		t.Errorf("a person with a certificate: %v", err)
	}
	seen := map[string]bool{}
	if _, err := cluster.AuditEvents(func(e harness.AuditEvent) bool {
		extra := e.User.Extra["authentication.kubernetes.io/credential-id"]
		switch {
		case e.ImpersonatedUser != nil && e.User.Username != string(harness.OnCall):
			// The harness itself impersonates a kubelet, uid and all.
		case e.ImpersonatedUser != nil:
			if e.ImpersonatedUser.UID != "" || len(e.ImpersonatedUser.Extra) > 0 {
				t.Errorf("whoever impersonates shows %+v", e.ImpersonatedUser)
			}
		case e.User.Username == "system:kube-controller-manager":
			seen[e.User.Username] = true
			if len(extra) != 1 || !strings.HasPrefix(extra[0], "X509SHA256=") {
				t.Errorf("kube-controller-manager shows %+v", e.User)
			}
		case e.User.Username == "system:apiserver":
			seen[e.User.Username] = true
			if e.User.UID == "" {
				t.Errorf("the API server shows %+v", e.User)
			}
		}
		return false
	}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 {
		t.Errorf("the audit log knows of %v only", seen)
	}
}

func login(t *testing.T, user string, groups ...string) client.Client {
	t.Helper()
	config, err := cluster.Login(user, groups...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// relabel tries to take the owner's label off a ConfigMap.
func relabel(t *testing.T, c client.Client) error {
	t.Helper()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "payments", Name: "payments-api"}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null}}}`))
	return c.Patch(patient.Context(t), object, patch, client.DryRunAll)
}

func TestTheDefaultServiceAccountIsFlux(t *testing.T) {
	ctx := patient.Context(t)
	passes := func(account string) bool {
		result := kubectl(t, "", "-n", "payments", "set", "image", "deployment/payments-api", "payments-api=new", "--dry-run=server",
			"--as=system:serviceaccount:flux-system:"+account)
		if result.Code != 0 && !strings.Contains(result.Stderr, "denied the request") {
			t.Errorf("%s: %s", account, result.Stderr)
		}
		return result.Code == 0
	}
	if err := cluster.Admin().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "accounts-of-flux-system"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts:flux-system"}},
	}); err != nil {
		t.Fatal(err)
	}
	if passes("tenant") {
		t.Error("an account passes that no flag names")
	}
	other, err := cluster.StartReplica(ctx, "--default-service-account=tenant")
	if err != nil {
		t.Fatal(err)
	}
	// The API server keeps its connections while the replica that it knows lives.
	product.Kill()
	cluster.Route(service, 443, other.Address("WEBHOOK"))
	if !passes("tenant") || passes("default") {
		t.Error("--default-service-account is not what it says")
	}
	other.Kill()
	if err := cluster.Admin().Delete(ctx, other.Pod()); err != nil { // or no other test could run as a second Pod
		t.Error(err)
	}
	if err := product.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	cluster.Route(service, 443, product.Address("WEBHOOK"))
	patient.Until(t, "a refusal", func() bool { return refused(t) })
}

// TestAPipelineMayBootstrapAgain applies Flux's own manifests as `flux bootstrap` does, with another image, and as a
// dry-run: the controllers of this cluster are to live on.
func TestAPipelineMayBootstrapAgain(t *testing.T) {
	ctx := patient.Context(t)
	manifests, err := os.ReadFile("../../harness/flux.yaml")
	if err != nil {
		t.Fatal(err)
	}
	own := client.ObjectKey{Namespace: harness.FluxNamespace, Name: "flux-system"}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gotk-components.yaml"), manifests, 0o644); err != nil {
		t.Fatal(err)
	}
	flux, err := cluster.NewRepo(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Publish(ctx, harness.Publication{Source: own, Dir: flux.Dir}); err != nil {
		t.Fatal(err)
	}
	ks := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: own.Namespace, Name: own.Name},
		Spec: kustomizev1.KustomizationSpec{
			Interval: metav1.Duration{Duration: time.Hour}, Path: "./",
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: own.Name},
		},
	}
	if err := cluster.Admin().Create(ctx, ks); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Reconcile(ctx, own); err != nil {
		t.Fatal(err)
	}

	pipeline := pipelineClient(ctx, t)
	bootstrap := func() error {
		return applyAs(t, pipeline, "flux", strings.ReplaceAll(string(manifests), "image: ", "image: mirror/"))
	}
	if err := bootstrap(); err == nil || !strings.Contains(err.Error(), "is managed by Flux Kustomization flux-system/flux-system") {
		t.Fatalf("without the policy: %v", err)
	}
	usePolicy(t, "bootstrap", example(t, "bootstrap"))
	patient.Until(t, "the pipeline is exempt", func() bool {
		err := bootstrap()
		if err != nil && !strings.Contains(err.Error(), "denied the request") {
			t.Fatal(err)
		}
		return err == nil
	})
	exempted, err := cluster.AuditEvents(func(e harness.AuditEvent) bool {
		return e.User.Username == "system:serviceaccount:ci:flux-bootstrap" && e.ObjectRef.Resource == "deployments" &&
			e.Annotations["edits.gitops-drift.dev/decision"] == "Exempted" && e.Annotations["edits.gitops-drift.dev/policy"] == "bootstrap"
	})
	if err != nil || len(exempted) == 0 {
		t.Errorf("no edit was written down as exempted: %v", err)
	}
	if result := kubectl(t, "", "-n", "flux-system", "set", "image", "deployment/kustomize-controller", "manager=evil"); result.Code == 0 || !strings.Contains(result.Stderr, "denied the request") {
		t.Errorf("somebody else: exit code %d: %s", result.Code, result.Stderr)
	}
	if err := relabel(t, pipeline); err == nil || !strings.Contains(err.Error(), "denied the request") {
		t.Errorf("the pipeline edits an application: %v", err)
	}
	// Other tests count Kustomizations. This one prunes nothing.
	if err := pipeline.Delete(ctx, ks); err != nil {
		t.Error(err)
	}
	patient.Until(t, "the Kustomization is gone", func() bool { return apierrors.IsNotFound(cluster.Admin().Get(ctx, own, ks)) })
}

// pipelineClient logs in as the pipeline of the example policy.
func pipelineClient(ctx context.Context, t *testing.T) client.Client {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "ci", Name: "flux-bootstrap"}}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ci"}},
		account,
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "flux-bootstrap"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "ci", Name: "flux-bootstrap"}},
		},
	} {
		if err := cluster.Admin().Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	token := &authenticationv1.TokenRequest{}
	if err := cluster.Admin().SubResource("token").Create(ctx, account, token); err != nil {
		t.Fatal(err)
	}
	config := cluster.RESTConfig("")
	config.BearerToken = token.Status.Token
	c, err := client.New(config, client.Options{Scheme: harness.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// applyAs applies manifests server-side, as a dry-run, and returns the first error.
func applyAs(t *testing.T, c client.Client, manager client.FieldOwner, manifests string) error {
	t.Helper()
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(manifests)), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			t.Fatal(err)
		}
		if len(object.Object) == 0 {
			continue
		}
		if err := c.Apply(patient.Context(t), client.ApplyConfigurationFromUnstructured(object), manager, client.ForceOwnership, client.DryRunAll); err != nil {
			return err
		}
	}
}

// glass is a BreakGlass for payments-api.
func glass(by, duration string) string {
	return "{apiVersion: gitops-drift.dev/v1alpha1, kind: BreakGlass, metadata: {name: payments-fix}, spec: {object: {group: apps, kind: Deployment, namespace: payments, name: payments-api}, requestedBy: '" +
		by + "', duration: " + duration + ", reason: pods are killed}}"
}

func TestBreakGlass(t *testing.T) {
	usePolicy(t, "break-glass", example(t, "break-glass"))
	// The policy is for namespaces of this label. Flux does not mind it, nor does anybody under scope Drift.
	must(t, "", "label", "namespace", "payments", "contoso.com/tier=production", "--field-manager=me")
	afterwards(t, "label", "namespace", "payments", "contoso.com/tier-", "--field-manager=me")
	create := []string{"create", "-f-"}
	patient.Until(t, "the policy applies", func() bool {
		return kubectl(t, glass("oncall@contoso.com", "30m"), append(create, "--dry-run=server")...).Code == 0
	})
	lea := []string{"--as=lea", "--as-group=system:masters"}
	for name, test := range map[string]struct {
		glass, want string
		as          []string
	}{
		"in another's name":  {glass("lea", "30m"), `spec.requestedBy is "lea", but you are "oncall@contoso.com"`, nil},
		"by somebody else":   {glass("lea", "30m"), "EditPolicy break-glass lets others break glass: Group oncall.", lea},
		"for too long":       {glass("oncall@contoso.com", "5h"), "spec.duration is 5h0m0s; EditPolicy break-glass allows 4h0m0s at most", nil},
		"without a duration": {glass("oncall@contoso.com", "0s"), "the duration must be positive", nil},
		"for something else": {strings.Replace(glass("oncall@contoso.com", "30m"), "namespace: payments", "namespace: default", 1), "no EditPolicy lets anybody break glass for this object", nil},
	} {
		if result := kubectl(t, test.glass, append(create, test.as...)...); result.Code == 0 || !strings.Contains(result.Stderr, test.want) {
			t.Errorf("%s: exit code %d: %s", name, result.Code, result.Stderr)
		}
	}

	edit := []string{"-n", "payments", "set", "resources", "deployment/payments-api", "--limits=memory=1Gi", "--dry-run=server"}
	if result := kubectl(t, "", edit...); result.Code == 0 {
		t.Error("an edit is admitted without a BreakGlass")
	}
	must(t, glass("oncall@contoso.com", "30m"), create...)
	afterwards(t, "delete", "breakglass", "payments-fix")
	patient.Until(t, "the edit is admitted", func() bool {
		result := kubectl(t, "", edit...)
		return result.Code == 0 && strings.Contains(result.Stderr, "Warning: BreakGlass payments-fix admits this edit. Flux leaves it alone until ")
	})
	audited(t, "deployments", map[string]string{
		"edits.gitops-drift.dev/decision": "BreakGlass", "edits.gitops-drift.dev/break-glass": "payments-fix", "edits.gitops-drift.dev/policy": "break-glass",
	})
	for name, args := range map[string][]string{
		"somebody else":  append(edit, lea...),
		"another object": {"-n", "payments", "patch", "configmap", "payments-api", "--type=merge", `-p={"data":{"retries":"9"}}`, "--dry-run=server"},
	} {
		if result := kubectl(t, "", args...); result.Code == 0 || !strings.Contains(result.Stderr, "denied the request") {
			t.Errorf("%s: exit code %d: %s", name, result.Code, result.Stderr)
		}
	}
	for patch, want := range map[string]string{
		`{"spec":{"duration":"4h"}}`:                 "a BreakGlass can only be closed",
		`{"spec":{"requestedBy":"lea"}}`:             "a BreakGlass can only be closed",
		`{"spec":{"group":"oncall"}}`:                "a BreakGlass can only be closed",
		`{"spec":{"object":{"name":"catalog-api"}}}`: "a BreakGlass can only be closed",
	} {
		if result := kubectl(t, "", "patch", "breakglass", "payments-fix", "--type=merge", "-p="+patch); result.Code == 0 || !strings.Contains(result.Stderr, want) {
			t.Errorf("%s: exit code %d: %s", patch, result.Code, result.Stderr)
		}
	}
	must(t, "", "patch", "breakglass", "payments-fix", "--type=merge", `-p={"spec":{"closed":true}}`)
	patient.Until(t, "the edit is refused again", func() bool { return kubectl(t, "", edit...).Code != 0 })
	if result := kubectl(t, "", "patch", "breakglass", "payments-fix", "--type=merge", `-p={"spec":{"closed":false}}`); result.Code == 0 || !strings.Contains(result.Stderr, "stays closed") {
		t.Errorf("opened again: exit code %d: %s", result.Code, result.Stderr)
	}
}
