// Command record writes testdata of pkg/admission: what a real API server sends to a webhook for edits made with the
// real kubectl, for an apply of the real kustomize-controller and a write of the real kube-controller-manager, and the
// desired state of the edited objects. Its argument is the folder to write to.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// apps is what Flux applies.
const apps = "test/e2e/admission/testdata/apps"

// owner is the Kustomization, and its source.
var owner = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "apps"}

// edit is one edit, made as a dry-run so that all start from the same state.
type edit struct {
	name, stdin string
	args        []string
	// raw says that args say by themselves that it is a dry-run.
	raw bool
}

// inFlux makes an edit in Flux's namespace.
func inFlux(args []string) []string { return append(args, "--namespace="+harness.FluxNamespace) }

// edits are about what Flux applied, and pod, which belongs to it.
func edits(pod string) []edit {
	deployment := func(labels, memory, more string) string {
		return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: payments-api, namespace: payments` + labels + `}
spec:
  replicas: 2
  selector: {matchLabels: {app: payments-api}}
  template:
    metadata: {labels: {app: payments-api}}
    spec:
      ` + more + `
      containers:
      - name: payments-api
        image: ghcr.io/contoso/payments-api:1.4.2
        args: [--listen=:8080]
        env: [{name: LOG_LEVEL, value: info}]
        ports: [{containerPort: 8080}]
        resources: {limits: {cpu: 1000m, memory: ` + memory + `}}
`
	}
	const flux = `, labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}`
	spoof := []string{"apply", "-f-", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller"}
	patch := func(kind, name, patch string, more ...string) []string {
		return append([]string{"patch", kind, name, "--type=merge", "-p=" + patch}, more...)
	}
	return []edit{
		{name: "memory", args: []string{"set", "resources", "deployment/payments-api", "--limits=memory=1Gi"}},
		{name: "env-added", args: []string{"set", "env", "deployment/payments-api", "DEBUG=1"}},
		{name: "env-added-by-another-manager", args: []string{"set", "env", "deployment/payments-api", "DEBUG=1", "--field-manager=me"}},
		{name: "env-removed", args: []string{"set", "env", "deployment/payments-api", "LOG_LEVEL-"}},
		// As `kubectl rollout restart`, which knows no dry-run.
		{name: "restart", args: patch("deployment", "payments-api", `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-22T23:40:00Z"}}}}}`, "--field-manager=kubectl-rollout")},
		{name: "owner-label-removed", args: []string{"label", "deployment", "payments-api", "kustomize.toolkit.fluxcd.io/name-"}},
		{name: "opted-out", args: []string{"annotate", "deployment", "payments-api", "kustomize.toolkit.fluxcd.io/reconcile=disabled", "--field-manager=me"}},
		{name: "managedfields-wiped", args: patch("deployment", "payments-api", `{"metadata":{"managedFields":[{}]}}`)},
		{name: "same-values-applied", stdin: deployment("", "512Mi", ""), args: []string{"apply", "-f-", "--server-side", "--force-conflicts", "--field-manager=me"}},
		{name: "same-values-applied-client-side", stdin: deployment("", "512Mi", ""), args: []string{"apply", "-f-"}},
		{name: "same-values-applied-as-flux", stdin: deployment(flux, "512Mi", ""), args: spoof},
		{name: "value-applied-as-flux", stdin: deployment(flux, "4Gi", ""), args: spoof},
		{name: "field-applied-as-flux", stdin: deployment(flux, "512Mi", "priorityClassName: high"), args: spoof},
		{name: "impersonated", args: []string{"set", "image", "deployment/payments-api", "payments-api=evil", "--as=system:serviceaccount:flux-system:kustomize-controller"}},
		{name: "tenant-impersonated", args: []string{"set", "image", "deployment/payments-api", "payments-api=evil", "--as=system:serviceaccount:flux-system:apps-reconciler"}},
		{name: "deleted", args: []string{"delete", "deployment", "payments-api"}},
		{name: "scaled", args: []string{"scale", "deployment", "payments-api", "--replicas=5"}},
		{name: "scaled-to-zero", args: []string{"scale", "deployment", "payments-api", "--replicas=0"}},
		{name: "scaled-undeclared", args: []string{"scale", "deployment", "catalog-api", "--replicas=5"}},
		{name: "older-version", args: patch("hpa.v1.autoscaling", "catalog-api", `{"spec":{"maxReplicas":9}}`)},
		{name: "secret", args: patch("secret", "payments-api", `{"stringData":{"password":"from-oncall"}}`)},
		{name: "custom-resource", args: patch("widget", "gear", `{"spec":{"teeth":13}}`)},
		{name: "custom-resource-added", args: patch("widget", "gear", `{"spec":{"material":{"grade":"A"}}}`)},
		{name: "metadata-through-status", args: patch("namespace", "payments", `{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null}}}`, "--subresource=status")},
		{name: "look-alike", stdin: `
apiVersion: v1
kind: ConfigMap
metadata: {name: mine, namespace: payments` + flux + `}
`, args: []string{"create", "-f-"}},
		{name: "unmanaged-created", args: []string{"create", "configmap", "mine", "--from-literal=a=b"}},
		{name: "finalizer-added", args: patch("configmap", "payments-api", `{"metadata":{"finalizers":["contoso.com/lock"]}}`, "--field-manager=me")},
		{name: "finalizer-added-with-kubectl", args: patch("configmap", "payments-api", `{"metadata":{"finalizers":["contoso.com/lock"]}}`)},
		{name: "owner-added", args: patch("configmap", "payments-api",
			`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"mine","uid":"1d6a8a3c-0000-4000-8000-000000000000"}]}}`, "--field-manager=me")},
		{name: "namespace-deleted", args: []string{"delete", "namespace", "payments"}},
		{name: "flux-namespace-deleted", args: []string{"delete", "namespace", harness.FluxNamespace}},
		{name: "definition-deleted", args: []string{"delete", "crd", "widgets.contoso.com"}},
		{name: "autoscaled", args: []string{"autoscale", "deployment", "payments-api", "--min=1", "--max=3"}},
		{name: "pod-deleted", args: []string{"delete", "pod", pod}},
		{name: "pod-labelled", args: []string{"label", "pod", pod, "quarantine=true"}},
		{name: "pod-resized", args: patch("pod", pod, `{"spec":{"containers":[{"name":"payments-api","resources":{"limits":{"memory":"1Gi"},"requests":{"memory":"1Gi"}}}]}}`, "--type=strategic", "--subresource=resize")},
		{name: "replicaset-scaled", args: []string{"scale", "replicaset", "-l=app=payments-api", "--replicas=0"}},
		{name: "release-upgraded", stdin: `
apiVersion: v1
kind: Secret
type: helm.sh/release.v1
metadata:
  name: sh.helm.release.v1.catalog.v2
  namespace: payments
  labels: {name: catalog, owner: helm, status: deployed, version: "2"}
stringData: {release: swordfish}
`, args: []string{"create", "-f-"}},
		{name: "kustomization-suspended", args: inFlux(patch("kustomization", "apps", `{"spec":{"suspend":true}}`))},
		{name: "kustomization-redirected", args: inFlux(patch("kustomization", "apps", `{"spec":{"path":"./elsewhere"}}`, "--field-manager=me"))},
		{name: "kustomization-deleted", args: inFlux([]string{"delete", "kustomization", "apps"})},
		{name: "kustomization-requested", args: inFlux([]string{"annotate", "kustomization", "apps", "reconcile.fluxcd.io/requestedAt=now", "--overwrite"})},
		{name: "status-forged", args: inFlux(patch("kustomization", "apps", `{"status":{"lastAppliedRevision":"main@sha1:0"}}`, "--subresource=status"))},
		{name: "source-redirected", args: inFlux(patch("gitrepository", "apps", `{"spec":{"ref":{"branch":"mine"}}}`))},
		{name: "flux-scaled-to-zero", args: inFlux([]string{"scale", "deployment", "kustomize-controller", "--replicas=0"})},
		{name: "flux-patched-to-zero", args: inFlux(patch("deployment", "kustomize-controller", `{"spec":{"replicas":0}}`))},
		{name: "flux-deployment-deleted", args: inFlux([]string{"delete", "deployment", "kustomize-controller"})},
		{name: "flux-upgraded", args: inFlux([]string{"set", "image", "deployment", "kustomize-controller", "*=ghcr.io/fluxcd/kustomize-controller:v2"})},
		{name: "pod-as-flux", stdin: `
apiVersion: v1
kind: Pod
metadata: {name: mine, namespace: flux-system}
spec:
  serviceAccountName: kustomize-controller
  containers: [{name: mine, image: busybox}]
`, args: inFlux([]string{"create", "-f-"})},
		{name: "job-as-flux", stdin: `
apiVersion: batch/v1
kind: Job
metadata: {name: mine, namespace: flux-system}
spec:
  template:
    spec:
      serviceAccountName: kustomize-controller
      restartPolicy: Never
      containers: [{name: mine, image: busybox}]
`, args: inFlux([]string{"create", "-f-"})},
		{name: "token", stdin: `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}`,
			args: []string{"create", "-f-", "--raw=/api/v1/namespaces/" + harness.FluxNamespace + "/serviceaccounts/kustomize-controller/token?dryRun=All"}, raw: true},
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: record FOLDER")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := record(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func record(ctx context.Context, folder string) (err error) {
	cluster, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	repo, err := cluster.NewRepo(ctx, apps)
	if err != nil {
		return err
	}
	state, err := install(ctx, cluster, repo)
	if err != nil {
		return err
	}
	if err := writeState(folder, state); err != nil {
		return err
	}
	r, err := startRecorder(ctx, cluster)
	if err != nil {
		return err
	}
	if err := r.await(ctx, cluster); err != nil {
		return err
	}
	pods := &corev1.PodList{}
	for len(pods.Items) == 0 {
		if err := cluster.Admin().List(ctx, pods, client.InNamespace("payments"), client.MatchingLabels{"app": "payments-api"}); err != nil {
			return err
		}
	}
	for _, e := range edits(pods.Items[0].Name) {
		args := e.args
		if !e.raw {
			args = append([]string{"-n", "payments", "--dry-run=server"}, e.args...)
		}
		r.reset()
		result, err := cluster.Kubectl(ctx, harness.OnCall, e.stdin, args...)
		if err == nil && result.Code != 0 {
			err = errors.New(result.Stderr)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		request, err := r.wait(ctx, func(in *admissionv1.AdmissionRequest) bool { return in.DryRun != nil && *in.DryRun })
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if err := write(folder, e.name, request); err != nil {
			return err
		}
	}
	return controllers(ctx, cluster, repo, r, folder)
}

// controllers records an apply of kustomize-controller and what the deployment controller makes of it.
func controllers(ctx context.Context, cluster *harness.Cluster, repo *harness.Repo, r *recorder, folder string) error {
	const file = "payments-api/deployment.yaml"
	text, err := repo.ReadFile(file)
	if err != nil {
		return err
	}
	if err := repo.WriteFile(file, strings.Replace(text, "replicas: 2", "replicas: 3", 1)); err != nil {
		return err
	}
	if _, err := repo.Commit(ctx, "Scale payments-api"); err != nil {
		return err
	}
	if _, err := cluster.Publish(ctx, harness.Publication{Source: owner, Dir: repo.Dir}); err != nil {
		return err
	}
	r.reset()
	if _, err := cluster.Reconcile(ctx, owner); err != nil {
		return err
	}
	for _, controller := range []struct{ name, user string }{
		{"flux", "system:serviceaccount:flux-system:kustomize-controller"},
		{"deployment-controller", "system:serviceaccount:kube-system:deployment-controller"},
	} {
		request, err := r.wait(ctx, func(in *admissionv1.AdmissionRequest) bool {
			return in.UserInfo.Username == controller.user && in.Name == "payments-api" && (in.DryRun == nil || !*in.DryRun)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", controller.name, err)
		}
		if err := write(folder, controller.name, request); err != nil {
			return err
		}
	}
	return nil
}

// install has Flux apply the repository and returns what our builder makes of it.
func install(ctx context.Context, cluster *harness.Cluster, repo *harness.Repo) (*desired.State, error) {
	if _, err := cluster.Publish(ctx, harness.Publication{Source: owner, Dir: repo.Dir}); err != nil {
		return nil, err
	}
	// For the edit in a tenant's name.
	if err := cluster.Admin().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "apps-reconciler"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: owner.Namespace, Name: "apps-reconciler"}},
	}); err != nil {
		return nil, err
	}
	if err := cluster.Admin().Create(ctx, &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: owner.Namespace, Name: owner.Name},
		Spec: kustomizev1.KustomizationSpec{
			Interval:  metav1.Duration{Duration: time.Hour},
			Path:      "./",
			Prune:     true,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: owner.Name},
		},
	}); err != nil {
		return nil, err
	}
	ks, err := cluster.Reconcile(ctx, owner)
	if err != nil {
		return nil, err
	}
	return desired.NewBuilder(cluster.Admin(), desired.NewClusterFetcher()).Build(ctx, ks)
}

// writeState writes the desired objects, each with the file that declares it.
func writeState(folder string, state *desired.State) error {
	type object struct {
		File   string         `json:"file"`
		Object map[string]any `json:"object"`
	}
	out := struct {
		Revision string   `json:"revision"`
		Objects  []object `json:"objects"`
	}{Revision: state.Revision}
	for _, o := range state.Objects {
		out.Objects = append(out.Objects, object{o.File, o.Object})
	}
	text, err := yaml.Marshal(out)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "desired.yaml"), text, 0o644)
}

// write writes an AdmissionRequest.
func write(folder, name string, request *admissionv1.AdmissionRequest) error {
	text, err := json.MarshalIndent(request, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, name+".json"), append(text, '\n'), 0o644)
}
