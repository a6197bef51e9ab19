package releases

import (
	"maps"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/apis/meta"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

func mode(mode helmv2.DriftDetectionMode) func(*helmv2.HelmReleaseSpec) {
	return func(spec *helmv2.HelmReleaseSpec) { spec.DriftDetection = &helmv2.DriftDetection{Mode: mode} }
}

// edit drifts a release in four ways: a declared field, fields added, and an object that is gone.
func edit(t *testing.T, name string) {
	t.Helper()
	kubectl(t, "scale", "deployment/"+name, "--replicas=5")
	kubectl(t, "set", "env", "deployment/"+name, "DEBUG=1")
	kubectl(t, "annotate", "clusterrole/"+name, "note=hello")
	kubectl(t, "delete", "configmap/"+name)
}

const added = "Added Persists "

func TestVerdictsFollowDriftDetection(t *testing.T) {
	for name, test := range map[string]struct {
		spec func(*helmv2.HelmReleaseSpec)
		want string
		says string
	}{
		"enabled": {mode(helmv2.DriftDetectionEnabled), "Reverts ", "never revert"},
		"warn":    {mode(helmv2.DriftDetectionWarn), "Persists drift detection only warns", "  drift detection only warns\n"},
		"unset":   {nil, "Persists drift detection is off", "  drift detection off\n"},
	} {
		t.Run(name, func(t *testing.T) {
			hr := install(t, name, test.spec)
			owner := []string{"--owner", "HelmRelease/shop/" + name}
			drift(t, harness.OnCall, 0, owner, "In sync: 4 objects of 1 owner equal git.")
			edit(t, name)
			replicas, env := "Deployment "+name+" spec.replicas", "Deployment "+name+" spec.template.spec.containers[name=web].env[name=DEBUG]"
			note, missing := "ClusterRole "+name+" metadata.annotations.note", "ConfigMap "+name
			want := map[string]string{replicas: "Changed " + test.want, missing: "Missing " + test.want, env: added, note: added}
			if got := verdicts(t, owner...); !maps.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			drift(t, harness.OnCall, 1, owner, "HelmRelease shop/"+name+"  1.4.2  reconciled ", test.says, "kubectl-set", "(the object)")
			reconcile(t, hr)
			if test.want == "Reverts " {
				want = map[string]string{env: added, note: added}
			}
			if got := verdicts(t, owner...); !maps.Equal(got, want) {
				t.Errorf("after Flux reconciled: got %q, want %q", got, want)
			}
		})
	}
}

func TestWhatHoldsFluxOffIsNamed(t *testing.T) {
	hr := install(t, "held", func(spec *helmv2.HelmReleaseSpec) {
		spec.DriftDetection = &helmv2.DriftDetection{Mode: helmv2.DriftDetectionEnabled, Ignore: []helmv2.IgnoreRule{
			{Paths: []string{"/spec/replicas"}, Target: &kustomize.Selector{Kind: "Deployment"}},
			{Paths: []string{""}, Target: &kustomize.Selector{Kind: "ClusterRole"}},
		}}
	})
	edit(t, "held")
	kubectl(t, "delete", "clusterrole/held")
	kubectl(t, "set", "image", "deployment/held", "web=registry.example.com/other")
	kubectl(t, "patch", "secret/held", "--type=merge", "-p", `{"stringData":{"password":"swordfish"}}`)
	kubectl(t, "annotate", "secret/held", "helm.toolkit.fluxcd.io/driftDetection=disabled")
	const ignored, optedOut = "Persists drift detection leaves it alone", "Held the object says helm.toolkit.fluxcd.io/driftDetection=disabled"
	want := map[string]string{
		"Deployment held spec.replicas":                                           "Changed " + ignored,
		"Deployment held spec.template.spec.containers[name=web].env[name=DEBUG]": added,
		"Deployment held spec.template.spec.containers[name=web].image":           "Changed Reverts ",
		"ConfigMap held":            "Missing Reverts ",
		"ClusterRole held":          "Missing " + ignored,
		"Secret held data.password": "Changed " + optedOut,
		`Secret held metadata.annotations["helm.toolkit.fluxcd.io/driftDetection"]`: "OptedOut " + optedOut,
	}
	got := verdicts(t, "--owner", "hr/shop/held")
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, output := range []string{"table", "wide", "diff", "yaml"} {
		drift(t, harness.OnCall, 1, []string{"--owner", "hr/shop/held", "-o", output})
	}
	kubectl(t, "patch", "helmrelease/held", "--type=merge", "-p", `{"spec":{"suspend":true}}`)
	const suspended = "Held the HelmRelease is suspended"
	got = verdicts(t, "--owner", "hr/shop/held")
	if got["ConfigMap held"] != "Missing "+suspended || got["Secret held data.password"] != "Changed "+suspended || got["ClusterRole held"] != "Missing "+ignored {
		t.Errorf("suspended: got %q", got)
	}
	kubectl(t, "patch", "helmrelease/held", "--type=merge", "-p", `{"spec":{"suspend":false}}`)
	reconcile(t, hr)
	left := verdicts(t, "--owner", "hr/shop/held")
	for path, verdict := range left {
		if strings.Contains(verdict, "Reverts") {
			t.Errorf("Flux did not revert %s", path)
		}
	}
	if len(left) != len(want)-2 {
		t.Errorf("left is %q", left)
	}
}

// upgradeByHand makes the next revision of a release as helm upgrade does.
func upgradeByHand(t *testing.T, name string) {
	t.Helper()
	clients, err := kubernetes.NewForConfig(shared.RESTConfig(harness.OnCall))
	if err != nil {
		t.Fatal(err)
	}
	releases := storage.Init(driver.NewSecrets(clients.CoreV1().Secrets("shop")))
	found, err := releases.Last(name)
	if err != nil {
		t.Fatal(err)
	}
	last, ok := found.(*release.Release)
	if !ok {
		t.Fatalf("a release is %T", found)
	}
	next := *last
	info := *last.Info
	next.Version, next.Info = last.Version+1, &info
	last.Info.Status = "superseded"
	if err := releases.Update(last); err != nil {
		t.Fatal(err)
	}
	if err := releases.Create(&next); err != nil {
		t.Fatal(err)
	}
}

func TestAReleaseThatWasChangedByHandIsSaidSo(t *testing.T) {
	hr := install(t, "byhand", nil)
	owner := []string{"--owner", "HelmRelease/shop/byhand"}
	upgradeByHand(t, "byhand")
	const says = "somebody else than Flux made revision 2 of release byhand; Flux made 1"
	drift(t, harness.OnCall, 1, owner, says+". Flux upgrades the release at its next reconciliation.", "4 objects of 1 owner equal git, but 1 release was changed by hand.")
	edit(t, "byhand")
	drift(t, harness.OnCall, 1, owner, says, "1 release was changed by hand.", "revert in ≤")
	want := map[string]string{
		"Deployment byhand spec.replicas": "Changed Reverts ", "ConfigMap byhand": "Missing Reverts ",
		"Deployment byhand spec.template.spec.containers[name=web].env[name=DEBUG]": added, "ClusterRole byhand metadata.annotations.note": added,
	}
	if got := verdicts(t, owner...); !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	reconcile(t, hr)
	if made := hr.Status.History.Latest().Version; made != 3 {
		t.Errorf("Flux made revision %d", made)
	}
	maps.DeleteFunc(want, func(_, verdict string) bool { return strings.Contains(verdict, "Reverts") })
	if got := verdicts(t, owner...); !maps.Equal(got, want) {
		t.Errorf("after Flux reconciled: got %q, want %q", got, want)
	}
}

func TestAChangedOrMissingRecordIsSaidSo(t *testing.T) {
	hr := install(t, "tampered", nil)
	other := install(t, "other", nil)
	owner := []string{"--owner", "HelmRelease/shop/tampered"}
	key := func(hr *helmv2.HelmRelease) client.ObjectKey {
		return client.ObjectKey{Namespace: "shop", Name: "sh.helm.release.v1." + hr.Name + ".v1"}
	}
	record, donor := &corev1.Secret{}, &corev1.Secret{}
	ctx := patient.Context(t)
	for at, into := range map[client.ObjectKey]*corev1.Secret{key(hr): record, key(other): donor} {
		if err := shared.Admin().Get(ctx, at, into); err != nil {
			t.Fatal(err)
		}
	}
	genuine := record.DeepCopy()
	for name, test := range map[string]struct {
		data []byte
		code int
		says string
	}{
		"another release's": {donor.Data["release"], 2, "is of another release than its name says"},
		"no record":         {[]byte("battery-staple"), 2, "cannot be read: it is not in base64"},
		"empty":             {nil, 2, "cannot be read"},
	} {
		record.Data["release"] = test.data
		if err := shared.Admin().Update(ctx, record); err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		drift(t, harness.OnCall, test.code, owner, test.says)
	}
	record.Data = genuine.Data
	if err := shared.Admin().Update(ctx, record); err != nil {
		t.Fatal(err)
	}
	drift(t, harness.OnCall, 0, owner)
	hr.Status.History[0].Digest = "sha256:" + strings.Repeat("0", 64)
	if err := shared.Admin().Status().Update(ctx, hr); err != nil {
		t.Fatal(err)
	}
	drift(t, harness.OnCall, 1, owner, "somebody else than Flux changed Helm's record of revision 1 of release tampered")
	if err := shared.Admin().Delete(ctx, record); err != nil {
		t.Fatal(err)
	}
	drift(t, harness.OnCall, 2, owner, "error: HelmRelease/shop/tampered: revision 1 of release tampered, which Flux made, is not in Helm's storage in namespace shop any more")
	reconcile(t, hr)
	drift(t, harness.OnCall, 0, owner)
}

func TestWhatAReleaseLeftBehindIsFound(t *testing.T) {
	hr := install(t, "leaving", nil)
	owner := []string{"--owner", "HelmRelease/shop/leaving"}
	hook := &corev1.ConfigMap{}
	if err := shared.Admin().Get(patient.Context(t), client.ObjectKey{Namespace: "shop", Name: "leaving-kept-hook"}, hook); err != nil {
		t.Fatal(err)
	}
	t.Logf("a hook is labelled %v", hook.Labels)
	// Neither a hook that stays nor the CRDs of the chart are left behind.
	drift(t, harness.OnCall, 0, owner, "In sync: 4 objects of 1 owner equal git.")
	hr.Spec.Chart.Spec.Version = "1.5.0"
	if err := shared.Admin().Update(patient.Context(t), hr); err != nil {
		t.Fatal(err)
	}
	reconcile(t, hr)
	drift(t, harness.OnCall, 1, owner, "shop/configmap/leaving", "left behind", "never remove", "1 object is orphaned.")
	drift(t, harness.OnCall, 1, []string{"-n", "shop", "cm/leaving"}, "1 object is orphaned.")
	drift(t, harness.OnCall, 0, []string{"--owner", "HelmRelease/shop/leaving", "deployment/leaving"}, "In sync: 1 object of 1 owner")
	want := map[string]string{"ConfigMap leaving": "Orphaned Persists "}
	if got := verdicts(t); !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// Labels alone prove nothing.
	kubectl(t, "create", "configmap", "labelled")
	t.Cleanup(func() { kubectl(t, "delete", "configmap/labelled") })
	kubectl(t, "label", "configmap/labelled", "helm.toolkit.fluxcd.io/name=leaving", "helm.toolkit.fluxcd.io/namespace=shop")
	if got := verdicts(t); !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// While somebody else's revision is the newest, Flux is about to make another.
	upgradeByHand(t, "leaving")
	if got := verdicts(t, owner...); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	reconcile(t, hr)
	if got := verdicts(t, owner...); !maps.Equal(got, want) {
		t.Errorf("after Flux reconciled: got %q, want %q", got, want)
	}
}

func TestWhatADeletedHelmReleaseLeftBehindIsFound(t *testing.T) {
	hr := create(t, "gone", nil)
	reconcile(t, hr)
	// Without its finalizer Flux uninstalls nothing.
	kubectl(t, "patch", "helmrelease/gone", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	kubectl(t, "delete", "helmrelease/gone")
	t.Cleanup(func() {
		kubectl(t, "delete", "deployment,configmap,secret,helmchart", "-l", "helm.toolkit.fluxcd.io/name=gone")
		kubectl(t, "delete", "clusterrole/gone")
	})
	const orphaned = "Orphaned Persists "
	want := map[string]string{"Deployment gone": orphaned, "ConfigMap gone": orphaned, "Secret gone": orphaned, "ClusterRole gone": orphaned}
	if got := verdicts(t); !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	drift(t, harness.OnCall, 1, nil, "HelmRelease shop/gone  not in this cluster", "4 objects are orphaned.")
}

func TestFailuresAreShownWithoutValues(t *testing.T) {
	hr := create(t, "failing", func(spec *helmv2.HelmReleaseSpec) {
		spec.Install.Remediation = &helmv2.InstallRemediation{Retries: 1}
	})
	owner := []string{"--owner", "HelmRelease/shop/failing"}
	drift(t, harness.OnCall, 2, owner, "error: HelmRelease/shop/failing: Flux has not installed its release")
	reconcile(t, hr)
	hr.Spec.Chart.Spec.Version = "2.0.0"
	if err := shared.Admin().Update(patient.Context(t), hr); err != nil {
		t.Fatal(err)
	}
	if err := flux.Reconcile(patient.Context(t), client.ObjectKeyFromObject(hr)); err == nil {
		t.Fatal("the API server takes a key with a blank")
	}
	get(t, hr)
	kubectl(t, "scale", "deployment/failing", "--replicas=5")
	drift(t, harness.OnCall, 2, owner, "HelmRelease shop/failing  2.0.0  ", "failing: ", "***", "never revert",
		"error: shop/configmap/failing of HelmRelease/shop/failing: the API server refuses what Flux would apply: ")
}

func TestReleasesOfOtherClustersAreNotCompared(t *testing.T) {
	create(t, "elsewhere", func(spec *helmv2.HelmReleaseSpec) {
		spec.KubeConfig = &meta.KubeConfigReference{SecretRef: &meta.SecretKeyReference{Name: "spoke"}}
	})
	drift(t, harness.OnCall, 2, []string{"--owner", "HelmRelease/shop/elsewhere"}, "it is applied to another cluster (spec.kubeConfig)")
}

func TestWhoMayNotReadIsToldWhatIsMissing(t *testing.T) {
	install(t, "forbidden", nil)
	drift(t, harness.Dev, 2, nil, "HelmReleases", "cannot list", "helmreleases")
	for _, args := range [][]string{
		{"create", "clusterrole", "reader", "--verb=get,list", "--resource=helmreleases.helm.toolkit.fluxcd.io,kustomizations.kustomize.toolkit.fluxcd.io"},
		{"create", "clusterrolebinding", "reader", "--clusterrole=reader", "--group=dev"},
		{"delete", "clusterrolebinding", "dev"},
	} {
		kubectl(t, args...)
	}
	drift(t, harness.Dev, 2, nil, "error: HelmRelease/shop/forbidden: what Flux released is in Secret sh.helm.release.v1.forbidden.v1, "+
		"which you may not read; ask for the right to get secrets in namespace shop")
}

// It ends what the other tests need, so it is the last one.
func TestZKindsThatAreNotServedAreNotMissed(t *testing.T) {
	hr := install(t, "alone", nil)
	drift(t, harness.OnCall, 0, nil, "In sync: 4 objects of 1 owner equal git.")
	kubectl(t, "delete", "crd", "kustomizations.kustomize.toolkit.fluxcd.io")
	drift(t, harness.OnCall, 0, nil, "In sync: 4 objects of 1 owner equal git.")
	hr.Finalizers = nil
	if err := shared.Admin().Update(patient.Context(t), hr); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "delete", "crd", "helmreleases.helm.toolkit.fluxcd.io")
	drift(t, harness.OnCall, 2, nil, "Flux is not installed in this cluster")
}
