package plugin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	ssautil "github.com/fluxcd/pkg/ssa/utils"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// components stand for gotk-components.yaml and gotk-sync.yaml: the kinds in them, and the Kustomization that applies it
// all, itself among it.
const components = `
apiVersion: v1
kind: Namespace
metadata:
  name: bootstrapped
  labels: {app.kubernetes.io/instance: bootstrapped, pod-security.kubernetes.io/warn: restricted}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: critical-pods, namespace: bootstrapped}
spec:
  hard: {pods: "1000"}
  scopeSelector:
    matchExpressions:
      - {operator: In, scopeName: PriorityClass, values: [system-node-critical, system-cluster-critical]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: source-controller, namespace: bootstrapped}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: bootstrapped-edit
  labels: {rbac.authorization.k8s.io/aggregate-to-edit: "true"}
rules: [{apiGroups: [notification.toolkit.fluxcd.io], resources: ["*"], verbs: [create, delete]}]
---
apiVersion: v1
kind: Service
metadata: {name: source-controller, namespace: bootstrapped}
spec:
  type: ClusterIP
  ports: [{name: http, port: 80, protocol: TCP, targetPort: http}]
  selector: {app: source-controller}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: source-controller, namespace: bootstrapped, labels: {control-plane: controller}}
spec:
  replicas: 1
  selector: {matchLabels: {app: source-controller}}
  strategy: {type: Recreate}
  template:
    metadata:
      annotations: {prometheus.io/port: "8080"}
      labels: {app: source-controller}
    spec:
      containers:
        - name: manager
          image: ghcr.io/fluxcd/source-controller:v1.9.6
          args: ["--watch-all-namespaces=true", --log-level=info]
          env:
            - {name: RUNTIME_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
            - {name: OLD, value: "1"}
          ports: [{containerPort: 9090, name: http, protocol: TCP}]
          resources: {limits: {cpu: 1000m, memory: 1Gi}, requests: {cpu: 50m, memory: 64Mi}}
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          volumeMounts: [{mountPath: /data, name: data}]
      volumes: [{emptyDir: {}, name: data}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-egress, namespace: bootstrapped}
spec:
  egress: [{}]
  ingress: [{from: [{podSelector: {}}]}]
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: bootstrapped, namespace: flux-system}
spec:
  interval: 1h0m0s
  path: ./
  prune: true
  sourceRef: {kind: GitRepository, name: bootstrapped}
`

// bootstrap applies a manifest as flux bootstrap and flux install do.
func bootstrap(t *testing.T, manifest string) {
	t.Helper()
	objects, err := ssautil.ReadObjects(strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		t.Fatal(err)
	}
	flux := ssa.NewResourceManager(shared.Admin(), nil, ssa.Owner{Field: "flux", Group: "fluxcd.io"})
	for _, object := range objects {
		if _, err := flux.Apply(patient.Context(t), object, ssa.DefaultApplyOptions()); err != nil {
			t.Fatal(err)
		}
	}
}

// What flux bootstrap applied carries the fields of its manager, flux, from which Flux takes nothing over.
func TestAFreshlyBootstrappedClusterIsInSync(t *testing.T) {
	ctx := patient.Context(t)
	i := isolated{t: t, name: "bootstrapped"}
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "gotk-components.yaml"), []byte(components), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := shared.NewRepo(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	i.repo = source
	bootstrap(t, components)
	i.publish(harness.NoFault)
	i.reconcile()
	t.Cleanup(func() {
		kubectl(t, "", "delete", "kustomization/bootstrapped", "-n", "flux-system") // prunes
		gone(t, i.name)
		kubectl(t, "", "delete", "gitrepository/bootstrapped", "-n", "flux-system")
	})
	want(t, drift(t, harness.OnCall, "--owner", "ks/flux-system/bootstrapped"), 0, "In sync: 8 objects of 1 owner")

	// bootstrap once more, of another version, that git has too.
	newer := strings.ReplaceAll(strings.ReplaceAll(components, "v1.9.6", "v1.9.7"), "log-level=info", "log-level=debug")
	bootstrap(t, newer)
	i.commit("gotk-components.yaml", newer)
	i.publish(harness.NoFault)
	i.reconcile()
	want(t, drift(t, harness.OnCall, "--owner", "ks/flux-system/bootstrapped"), 0, "In sync: 8 objects of 1 owner")

	// What git alone drops stays for good, because flux still holds it, and the cluster does differ from git.
	newest := strings.ReplaceAll(newer, `            - {name: OLD, value: "1"}`+"\n", "")
	i.commit("gotk-components.yaml", newest)
	i.publish(harness.NoFault)
	i.reconcile()
	left := func(args ...string) string {
		list := decode(t, drift(t, harness.OnCall, append([]string{"--owner", "ks/flux-system/bootstrapped", "-o", "json"}, args...)...).Stdout)
		if len(list.Items) != 1 {
			t.Fatalf("got %+v", list)
		}
		item := list.Items[0]
		return item.Path + " " + item.Verdict + " " + item.Manager
	}
	const path = "spec.template.spec.containers[name=manager].env[name=OLD] "
	if got := left(); got != path+"Persists flux" {
		t.Errorf("got %s", got)
	}
	if got := left("--override-manager", "flux"); got != path+"Reverts flux" {
		t.Errorf("where kustomize-controller has --override-manager=flux: got %s", got)
	}
	i.reconcile()
	if got := left(); got != path+"Persists flux" {
		t.Errorf("after one more reconciliation: got %s", got)
	}
}
