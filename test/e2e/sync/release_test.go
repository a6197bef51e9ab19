package sync

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/helmcontroller"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// charts has one chart; its version 2.0.0 is refused by the API server, which quotes the value of a Secret.
func charts(name, version string) (*chart.Chart, error) {
	key := "level"
	if version == "2.0.0" {
		key = "swordfish x"
	}
	return &chart.Chart{
		Metadata: &chart.Metadata{APIVersion: "v2", Name: name, Version: version},
		Templates: []*common.File{{Name: "templates/web.yaml", Data: fmt.Appendf(nil,
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {%q: %q}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {password: swordfish x}\n", key, version)}},
	}, nil
}

func release(version string) string {
	return fmt.Sprintf(`apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: releases}
spec:
  interval: 1h
  chart: {spec: {chart: web, version: %s, sourceRef: {kind: HelmRepository, name: charts}}}
  install: {disableWait: true}
  upgrade: {disableWait: true, remediation: {retries: 0}}
`, version)
}

var web = client.ObjectKey{Namespace: "releases", Name: "web"}

// helm returns the stand-in for helm-controller, which reconciles when the test says so.
func helm(t *testing.T) *helmcontroller.Controller {
	t.Helper()
	config, err := shared.PodConfig(patient.Context(t), client.ObjectKey{Namespace: harness.FluxNamespace, Name: "helm-controller"})
	if err != nil {
		t.Fatal(err)
	}
	controller, err := helmcontroller.New(config, shared.Admin().Scheme(), charts)
	if err != nil {
		t.Fatal(err)
	}
	return controller
}

// upgrade makes Flux reconcile the HelmRelease, its chart fetched.
func upgrade(t *testing.T, controller *helmcontroller.Controller) error {
	t.Helper()
	failure := controller.Reconcile(patient.Context(t), web)
	fetched := &sourcev1.HelmChart{}
	if err := shared.Admin().Get(patient.Context(t), client.ObjectKey{Namespace: web.Namespace, Name: web.Namespace + "-" + web.Name}, fetched); err != nil {
		t.Fatal(err)
	}
	before := fetched.DeepCopy()
	fetched.Status.ObservedGeneration = fetched.Generation
	fetched.Status.Artifact = &meta.Artifact{
		Revision: fetched.Spec.Version, URL: "http://source-controller/x.tgz", Path: "x.tgz", Digest: "sha256:" + strings.Repeat("0", 64), LastUpdateTime: metav1.Now(),
	}
	if err := shared.Admin().Status().Patch(patient.Context(t), fetched, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	return failure
}

func helmRelease(t *testing.T) *helmv2.HelmRelease {
	t.Helper()
	hr := &helmv2.HelmRelease{}
	if err := shared.Admin().Get(patient.Context(t), web, hr); err != nil {
		t.Fatal(err)
	}
	return hr
}

func TestARevisionIsLiveWhenItsReleasesAre(t *testing.T) {
	controller := helm(t)
	if err := shared.Admin().Create(patient.Context(t), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: web.Namespace}}); err != nil {
		t.Fatal(err)
	}
	repo := newRepository(t, "releases", map[string]string{"app/web.yaml": release("1.4.2"), "root/app.yaml": `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: releases-app, namespace: flux-system}
spec: {interval: 1h, path: ./app, prune: true, sourceRef: {kind: GitRepository, name: releases}}
`})
	repo.publish(shared)
	repo.answer(shared)
	repo.kustomization(shared, "releases", "./root", func(ks *kustomizev1.Kustomization) { ks.Spec.DeletionPolicy = "Orphan" })
	want(t, reconcile(t, "ks/releases"), 0)
	patient.Until(t, "Flux applies the HelmRelease", func() bool {
		return shared.Admin().Get(patient.Context(t), web, &helmv2.HelmRelease{}) == nil
	})
	if err := upgrade(t, controller); err != nil {
		t.Fatal(err)
	}

	// A chart is bumped: git is applied long before the release is upgraded.
	commit := repo.commit(map[string]string{"app/web.yaml": release("1.4.3")})
	process := start(t, "", "ks/releases", "--with-source", "--revision", commit)
	patient.Until(t, "Flux applies the new version", func() bool { return helmRelease(t).Spec.Chart.Spec.Version == "1.4.3" })
	time.Sleep(500 * time.Millisecond)
	if process.hasEnded() {
		t.Error("it does not wait for the release")
	}
	if err := upgrade(t, controller); err != nil {
		t.Fatal(err)
	}
	want(t, process.wait(), 0, `kustomization/releases +ready +main@sha1:`+commit[:7]+` .*`)

	// Nobody upgrades it: what is awaited is said.
	commit = repo.commit(map[string]string{"app/web.yaml": release("1.4.4")})
	want(t, reconcile(t, "ks/releases", "--with-source", "--revision", commit, "--timeout", "8s"), 1,
		`kustomization/releases +reconciling +main@sha1:`+commit[:7]+` .* HelmRelease releases/web: Flux has not come to it yet`)

	// An upgrade that fails does so with a Secret's value in its message.
	commit = repo.commit(map[string]string{"app/web.yaml": release("2.0.0")})
	process = start(t, "", "ks/releases", "--with-source", "--revision", commit)
	patient.Until(t, "Flux applies the broken version", func() bool { return helmRelease(t).Spec.Chart.Spec.Version == "2.0.0" })
	if err := upgrade(t, controller); err == nil {
		t.Fatal("the chart is accepted")
	}
	want(t, process.wait(), 1, `kustomization/releases +failed +main@sha1:`+commit[:7]+` .* HelmRelease releases/web: UpgradeFailed`,
		`Kustomization flux-system/releases: HelmRelease releases/web: UpgradeFailed`, `  HelmRelease releases/web: UpgradeFailed: .*\*\*\*.*`)

	// A HelmRelease is asked for itself: once more, by force, with its failures forgotten.
	commit = repo.commit(map[string]string{"app/web.yaml": release("1.4.5")})
	want(t, reconcile(t, "ks/releases-app", "--with-source"), 0)
	patient.Until(t, "Flux applies the sound version", func() bool { return helmRelease(t).Spec.Chart.Spec.Version == "1.4.5" })
	for _, flags := range [][]string{nil, {"--force", "--reset"}} {
		before := helmRelease(t)
		process = start(t, "", append([]string{"hr/web", "-n", "releases"}, flags...)...)
		patient.Until(t, "the HelmRelease is requested", func() bool {
			return helmRelease(t).Annotations[meta.ReconcileRequestAnnotation] != before.Annotations[meta.ReconcileRequestAnnotation]
		})
		if err := upgrade(t, controller); err != nil {
			t.Fatal(err)
		}
		want(t, process.wait(), 0, `helmrelease/web +ready +1\.4\.5 .*`)
		after := helmRelease(t)
		asked := after.Annotations[meta.ReconcileRequestAnnotation]
		if forced := after.Status.LastHandledForceAt == asked && after.Status.LastHandledResetAt == asked; forced != (flags != nil) {
			t.Errorf("%v: force handled at %s, reset at %s, of %s", flags, after.Status.LastHandledForceAt, after.Status.LastHandledResetAt, asked)
		}
		if upgraded := after.Status.History.Latest().Version > before.Status.History.Latest().Version; flags != nil && !upgraded {
			t.Error("the release is not upgraded again")
		}
	}
	want(t, reconcile(t, "hr/web", "-n", "releases", "--revision", commit), 2,
		`error: HelmRelease releases/web has versions of a chart, not commits like `+commit+`; name the Kustomization that applies it, .*`)
	want(t, reconcile(t, "hr/web", "-n", "releases", "--with-source", "--timeout", "5s"), 2,
		`error: the source of HelmChart releases/releases-web: HelmRepository releases/charts not found; .*`)
	if err := shared.Admin().Delete(patient.Context(t), helmRelease(t)); err != nil {
		t.Fatal(err)
	}
	if err := controller.Reconcile(patient.Context(t), web); err != nil {
		t.Fatal(err)
	}
}

// unready is a Deployment whose image cannot be pulled, given up after so many seconds.
func unready(name string, deadline int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: default}
spec:
  progressDeadlineSeconds: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: web, image: "registry.contoso.example/web:9"}]}
`, name, deadline)
}

// breakPods says of the Pods of the Deployment, as kubelet would, that their image cannot be pulled.
func breakPods(t *testing.T, cluster *harness.Cluster, name string) {
	t.Helper()
	patient.Until(t, "there is a Pod", func() bool {
		var pods corev1.PodList
		if err := cluster.Admin().List(patient.Context(t), &pods, client.InNamespace("default"), client.MatchingLabels{"app": name}); err != nil {
			t.Fatal(err)
		}
		for i := range pods.Items {
			pod := &pods.Items[i]
			before := pod.DeepCopy()
			pod.Status.Phase = corev1.PodPending
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "web", Image: "registry.contoso.example/web:9",
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: `Back-off pulling image "registry.contoso.example/web:9"`}},
			}}
			if err := cluster.Admin().Status().Patch(patient.Context(t), pod, client.MergeFrom(before)); err != nil {
				t.Fatal(err)
			}
			event := &corev1.Event{
				ObjectMeta:     metav1.ObjectMeta{Namespace: "default", GenerateName: "web-"},
				InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "default", Name: pod.Name, UID: pod.UID},
				Type:           corev1.EventTypeWarning, Reason: "Failed", Message: `Failed to pull image "registry.contoso.example/web:9": not found`,
				LastTimestamp: metav1.Now(), FirstTimestamp: metav1.Now(), Count: 1,
			}
			if err := cluster.Admin().Create(context.WithoutCancel(patient.Context(t)), event); err != nil {
				t.Fatal(err)
			}
		}
		return len(pods.Items) > 0
	})
}

func TestAHealthCheckNamesTheObjectItsPodsReasonAndItsLastEvents(t *testing.T) {
	repo := newRepository(t, "health", map[string]string{"slow/app.yaml": unready("slow", 600), "stuck/app.yaml": unready("stuck", 1)})
	repo.publish(shared)
	for _, name := range []string{"slow", "stuck"} {
		repo.kustomization(shared, "health-"+name, "./"+name, func(ks *kustomizev1.Kustomization) {
			ks.Spec.Wait, ks.Spec.Timeout = true, &metav1.Duration{Duration: 30 * time.Second} // no less is granted
		})
		breakPods(t, shared, name)
	}
	want(t, reconcile(t, "ks/health-stuck"), 1,
		`kustomization/health-stuck +failed .* Deployment default/stuck: ImagePullBackOff`, ``,
		`Kustomization flux-system/health-stuck: HealthCheckFailed: .*`,
		`  Deployment default/stuck: ImagePullBackOff: `+regexp.QuoteMeta(`Back-off pulling image "registry.contoso.example/web:9"`),
		`    \S+ ago  Failed  Pod stuck-\S+: Failed to pull image .*: not found`)
	// While Flux still waits for it, that is said as well.
	want(t, reconcile(t, "ks/health-slow", "--timeout", "6s"), 1, `kustomization/health-slow +reconciling .* Deployment default/slow: ImagePullBackOff`,
		`error: not all was ready within 6s; Flux goes on with kustomization/health-slow`)
}
