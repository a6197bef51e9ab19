package correction

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/go-logr/logr"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/helmcontroller"
)

// namespace has all releases.
const namespace = "shop"

const (
	fluxUser = "system:serviceaccount:flux-system:helm-controller"
	loopUser = "system:serviceaccount:flux-system:gitops-drift"
)

// policies admit every edit and have it undone; of one release what people add, too.
const policies = `apiVersion: gitops-drift.dev/v1alpha1
kind: EditPolicy
metadata: {name: shop}
spec:
  priority: 100
  action: Record
  restore: true
  match: {namespaces: [shop]}
  breakGlass: {allowed: [{kind: Group, name: oncall}], maxDuration: 1h}
---
apiVersion: gitops-drift.dev/v1alpha1
kind: EditPolicy
metadata: {name: shop-strict}
spec:
  priority: 200
  action: Record
  scope: All
  restore: true
  match: {owners: [HelmRelease/shop/strict]}
  exempt: [{kind: User, name: injector@contoso.com}]
`

var (
	cluster *harness.Cluster
	product *harness.Instance
	flux    *helmcontroller.Controller
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(harness.Main(m, func(ctx context.Context, started *harness.Cluster) error {
		cluster = started
		return setUp(ctx)
	}))
}

func setUp(ctx context.Context) error {
	config, err := cluster.PodConfig(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: "helm-controller"})
	if err != nil {
		return err
	}
	if flux, err = helmcontroller.New(config, cluster.Admin().Scheme(), charts); err != nil {
		return err
	}
	if err := cluster.Admin().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	if product, err = cluster.StartProduct(ctx, "enforce"); err != nil {
		return err
	}
	result, err := cluster.Kubectl(ctx, harness.Admin, policies, "apply", "--server-side", "-f-")
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("apply the policies: %s", result.Stderr)
	}
	return err
}

func charts(name, version string) (*chart.Chart, error) {
	return &chart.Chart{
		Metadata:  &chart.Metadata{APIVersion: "v2", Name: name, Version: version},
		Values:    map[string]any{"level": "info"},
		Templates: []*common.File{{Name: "templates/web.yaml", Data: []byte(web)}},
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
        env: [{name: LEVEL, value: "{{ .Values.level }}"}]
        resources: {limits: {memory: 0.5Gi, cpu: 1000m}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {level: "{{ .Values.level }}", chart: "{{ .Chart.Version }}"}
---
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}"}
stringData: {password: battery-staple}
`

// release is one HelmRelease under test.
type release struct {
	*testing.T
	hr *helmv2.HelmRelease
}

// install has Flux release the chart, with drift detection enabled.
func install(t *testing.T, name string, change func(*helmv2.HelmReleaseSpec)) *release {
	t.Helper()
	r := &release{t, &helmv2.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: helmv2.HelmReleaseSpec{
			Interval: metav1.Duration{Duration: time.Hour},
			Chart: &helmv2.HelmChartTemplate{Spec: helmv2.HelmChartTemplateSpec{
				Chart: "web", Version: "1.0.0", SourceRef: helmv2.CrossNamespaceObjectReference{Kind: "HelmRepository", Name: "charts"},
			}},
			Install:        &helmv2.Install{DisableWait: true},
			Upgrade:        &helmv2.Upgrade{DisableWait: true},
			DriftDetection: &helmv2.DriftDetection{Mode: helmv2.DriftDetectionEnabled},
		},
	}}
	if change != nil {
		change(&r.hr.Spec)
	}
	if err := cluster.Admin().Create(r.context(), r.hr); err != nil {
		t.Fatal(err)
	}
	r.reconcile()
	if r.hr.Spec.DriftDetection != nil && r.hr.Spec.DriftDetection.Mode == helmv2.DriftDetectionEnabled && r.hr.Spec.ServiceAccountName == "" {
		r.followed()
	}
	return r
}

func (r *release) context() context.Context {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	r.Cleanup(cancel)
	return ctx
}

// reconcile has Flux reconcile once.
func (r *release) reconcile() {
	r.Helper()
	if err := flux.Reconcile(r.context(), client.ObjectKeyFromObject(r.hr)); err != nil {
		r.Fatal(err)
	}
	if err := cluster.Admin().Get(r.context(), client.ObjectKeyFromObject(r.hr), r.hr); err != nil {
		r.Fatal(err)
	}
}

// followed waits until the controller has read what was released last.
func (r *release) followed() {
	r.Helper()
	made := r.hr.Status.History.Latest()
	r.eventually("the release is read", func() bool {
		text, err := product.Log()
		for line := range strings.Lines(text) {
			if strings.Contains(line, "read what was released") && strings.Contains(line, `"name":"`+r.hr.Name+`"`) && strings.Contains(line, `"chart":"`+made.ChartVersion+`"`) {
				return true
			}
		}
		return err != nil
	})
}

// change patches the HelmRelease's spec.
func (r *release) change(patch string) {
	r.Helper()
	if err := cluster.Admin().Patch(r.context(), r.hr, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		r.Fatal(err)
	}
}

// kubectl runs kubectl in the namespace as the engineer on call; it must succeed.
func (r *release) kubectl(args ...string) string {
	r.Helper()
	result, err := cluster.Kubectl(r.context(), harness.OnCall, "", append(args, "-n", namespace)...)
	if err != nil || result.Code != 0 {
		r.Fatalf("kubectl %s: %v %s", strings.Join(args, " "), err, result.Stderr)
	}
	return result.Stdout
}

func (r *release) deployment() *appsv1.Deployment {
	r.Helper()
	object := &appsv1.Deployment{}
	if err := cluster.Admin().Get(r.context(), client.ObjectKeyFromObject(r.hr), object); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		r.Fatal(err)
	}
	return object
}

// memory is the Deployment's limit, empty without a Deployment.
func (r *release) memory() string {
	r.Helper()
	if d := r.deployment(); d != nil {
		return d.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String()
	}
	return ""
}

// level is what the ConfigMap has, empty without one.
func (r *release) level() string {
	r.Helper()
	object := &corev1.ConfigMap{}
	if err := cluster.Admin().Get(r.context(), client.ObjectKeyFromObject(r.hr), object); client.IgnoreNotFound(err) != nil {
		r.Fatal(err)
	}
	return object.Data["level"]
}

// raise changes the memory limit by hand.
func (r *release) raise() {
	r.Helper()
	r.kubectl("set", "resources", "deployment/"+r.hr.Name, "--limits=memory=1Gi")
}

func (r *release) eventually(what string, holds func() bool) {
	r.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			text, err := product.Log()
			r.Fatalf("still not so: %s\n%v %s", what, err, text[max(0, len(text)-4000):])
		}
	}
}

func (r *release) never(what string, holds func() bool) {
	r.Helper()
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			r.Fatalf("%s", what)
		}
	}
}

// writes are those of a user to the release's own objects since mark.
func (r *release) writes(mark int64, user string) []string {
	r.Helper()
	events, err := cluster.AuditEventsSince(mark, func(e harness.AuditEvent) bool {
		return e.User.Username == user && e.ObjectRef.Namespace == namespace && e.ObjectRef.Name == r.hr.Name && e.ObjectRef.Subresource == "" &&
			e.ObjectRef.Resource != "helmreleases" && !strings.Contains(e.RequestURI, "dryRun=All") && e.ResponseStatus != nil && e.ResponseStatus.Code < 300
	})
	if err != nil {
		r.Fatal(err)
	}
	var out []string
	for _, e := range events {
		out = append(out, e.Verb+" "+e.RequestURI)
	}
	return out
}

func (r *release) mark() int64 {
	r.Helper()
	mark, err := cluster.AuditMark()
	if err != nil {
		r.Fatal(err)
	}
	return mark
}
