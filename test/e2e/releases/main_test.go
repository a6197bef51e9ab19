package releases

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/go-logr/logr"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/helmcontroller"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// shared is the cluster of all tests, flux the controller of its HelmReleases.
var (
	shared *harness.Cluster
	flux   *helmcontroller.Controller
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(run(m))
}

func run(m *testing.M) int {
	return harness.Main(m, func(ctx context.Context, started *harness.Cluster) error {
		shared = started
		config, err := shared.PodConfig(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: "helm-controller"})
		if err != nil {
			return err
		}
		if flux, err = helmcontroller.New(config, shared.Admin().Scheme(), charts); err != nil {
			return err
		}
		if err := shared.Admin().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}); err != nil {
			return err
		}
		return shared.Admin().Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "values"},
			StringData: map[string]string{"values.yaml": "db: {host: swordfish, port: 54321}\n"},
		})
	})
}

// charts has one chart; its version 1.5.0 drops a ConfigMap that is to be kept, and 2.0.0 is
// refused by the API server, which quotes the values of Secrets.
func charts(name, version string) (*chart.Chart, error) {
	return &chart.Chart{
		Metadata: &chart.Metadata{APIVersion: "v2", Name: name, Version: version},
		Values:   map[string]any{"level": "info", "db": map[string]any{"host": "localhost", "port": 1}},
		Templates: []*common.File{
			{Name: "templates/web.yaml", Data: []byte(web)},
			{Name: "templates/hooks.yaml", Data: []byte(hooks)},
		},
		Files: []*common.File{{Name: "crds/gadgets.yaml", Data: []byte(gadgets)}},
	}, nil
}

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: 2
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}}
    spec:
      containers:
      - name: web
        image: registry.example.com/web
        env: [{name: DB, value: "{{ .Values.db.host }}"}]
        ports: [{containerPort: 8080}]
        resources: {limits: {memory: 0.5Gi, cpu: 1000m}}
{{- if ne .Chart.Version "1.5.0" }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}", annotations: {helm.sh/resource-policy: keep}}
data: {level: "{{ .Values.level }}", color: blue{{ if eq .Chart.Version "2.0.0" }}, "{{ .Values.db.host }} x": x{{ end }}}
{{- end }}
---
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}"}
stringData: {password: battery-staple}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "{{ .Release.Name }}"}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
`

const hooks = `apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-hook", annotations: {helm.sh/hook: pre-install, helm.sh/hook-delete-policy: hook-succeeded}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-kept-hook", annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
---
apiVersion: v1
kind: Pod
metadata: {name: "{{ .Release.Name }}-test", annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: test, image: registry.example.com/test}]}
`

const gadgets = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.charts.example.com}
spec:
  group: charts.example.com
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`

// install makes Flux release the chart for a new HelmRelease in namespace shop, and removes it when the test ends.
func install(t *testing.T, name string, change func(*helmv2.HelmReleaseSpec)) *helmv2.HelmRelease {
	t.Helper()
	hr := create(t, name, change)
	reconcile(t, hr)
	return hr
}

func create(t *testing.T, name string, change func(*helmv2.HelmReleaseSpec)) *helmv2.HelmRelease {
	t.Helper()
	hr := manifest(name, change)
	if err := shared.Admin().Create(patient.Context(t), hr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, hr) })
	return hr
}

// manifest is a HelmRelease in namespace shop.
func manifest(name string, change func(*helmv2.HelmReleaseSpec)) *helmv2.HelmRelease {
	hr := &helmv2.HelmRelease{
		TypeMeta:   metav1.TypeMeta{APIVersion: helmv2.GroupVersion.String(), Kind: helmv2.HelmReleaseKind},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: helmv2.HelmReleaseSpec{
			Interval: metav1.Duration{Duration: time.Hour},
			Chart: &helmv2.HelmChartTemplate{Spec: helmv2.HelmChartTemplateSpec{
				Chart: "web", Version: "1.4.2", SourceRef: helmv2.CrossNamespaceObjectReference{Kind: "HelmRepository", Name: "charts"},
			}},
			Install:    &helmv2.Install{DisableWait: true},
			Upgrade:    &helmv2.Upgrade{DisableWait: true},
			ValuesFrom: []meta.ValuesReference{{Kind: "Secret", Name: "values"}},
			// The stand-in does not read valuesFrom: the same values once more.
			Values: &apiextensionsv1.JSON{Raw: []byte(`{"db":{"host":"swordfish","port":54321}}`)},
		},
	}
	if change != nil {
		change(&hr.Spec)
	}
	return hr
}

// reconcile makes Flux reconcile and reads what became of it.
func reconcile(t *testing.T, hr *helmv2.HelmRelease) {
	t.Helper()
	if err := flux.Reconcile(patient.Context(t), client.ObjectKeyFromObject(hr)); err != nil {
		t.Fatal(err)
	}
	get(t, hr)
}

func get(t *testing.T, hr *helmv2.HelmRelease) {
	t.Helper()
	if err := shared.Admin().Get(patient.Context(t), client.ObjectKeyFromObject(hr), hr); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, hr *helmv2.HelmRelease) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	key := client.ObjectKeyFromObject(hr)
	err := shared.Admin().Get(ctx, key, hr)
	if apierrors.IsNotFound(err) {
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	hr.Spec.Suspend, hr.Spec.KubeConfig = false, nil
	if err := shared.Admin().Update(ctx, hr); err != nil {
		t.Error(err)
	}
	if err := shared.Admin().Delete(ctx, hr); err != nil {
		t.Error(err)
	}
	if err := flux.Reconcile(ctx, key); err != nil {
		t.Error(err)
	}
	if err := shared.Admin().DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace("shop"), client.HasLabels{"helm.toolkit.fluxcd.io/name"}); err != nil {
		t.Error(err) // Helm keeps it: helm.sh/resource-policy
	}
}

// kubectl runs kubectl as the on-call engineer, also when the test is over; it must succeed.
func kubectl(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	result, err := shared.Kubectl(ctx, harness.OnCall, "", append(args, "-n", "shop")...)
	if err != nil || result.Code != 0 {
		t.Fatalf("kubectl %s: %v %s", strings.Join(args, " "), err, result.Stderr)
	}
}

// drift runs kubectl gitops-drift and demands an exit code, these parts of its output, and no value of a Secret in it.
func drift(t *testing.T, user harness.User, code int, args []string, parts ...string) string {
	t.Helper()
	result, err := shared.Kubectl(patient.Context(t), user, "", append([]string{"gitops-drift"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	all := result.Stdout + result.Stderr
	t.Logf("$ kubectl gitops-drift %s\n%s(exit %d)", strings.Join(args, " "), all, result.Code)
	if result.Code != code {
		t.Errorf("exit %d, want %d", result.Code, code)
	}
	// Long sentences are broken into lines.
	flat := strings.Join(strings.Fields(all), " ")
	for _, part := range parts {
		if !strings.Contains(all, part) && !strings.Contains(flat, part) {
			t.Errorf("%q is not in the output", part)
		}
	}
	for _, value := range []string{"swordfish", "54321", "battery-staple", "c3dvcmRmaXNo", "YmF0dGVyeS1zdGFwbGU="} {
		if strings.Contains(all, value) {
			t.Errorf("the value of a Secret, %s, is in the output", value)
		}
	}
	return result.Stdout
}

// verdicts are those of the report, by kind, name and path of the finding.
func verdicts(t *testing.T, args ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, item := range findings(t, args...) {
		out[strings.TrimSpace(item.Object.Kind+" "+item.Object.Name+" "+item.Path)] = item.Kind + " " + item.Verdict + " " + item.Holder + item.Reason
	}
	return out
}

// findings are the items of the report as JSON.
func findings(t *testing.T, args ...string) []report.Item {
	t.Helper()
	var list report.DriftReport
	if err := json.Unmarshal([]byte(drift(t, harness.OnCall, 1, append(args, "-o", "json"))), &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}
