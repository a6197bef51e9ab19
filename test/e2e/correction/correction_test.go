package correction

import (
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/helmstorage"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

func TestWhatIsChangedOrDeletedComesBackAndFluxFindsNothingToDo(t *testing.T) {
	r := install(t, "restored", nil)
	mark := r.mark()
	r.raise()
	r.eventually("the limit is back", func() bool { return r.memory() == "512Mi" })
	r.kubectl("patch", "secret/restored", "--type=merge", `-p={"stringData":{"password":"made-by-hand"}}`)
	r.eventually("the Secret is back", func() bool {
		object := &corev1.Secret{}
		return cluster.Admin().Get(r.context(), client.ObjectKeyFromObject(r.hr), object) == nil && string(object.Data["password"]) == "battery-staple"
	})
	r.kubectl("label", "configmap/restored", "helm.toolkit.fluxcd.io/name-")
	r.eventually("the label is back", func() bool {
		object := &corev1.ConfigMap{}
		return cluster.Admin().Get(r.context(), client.ObjectKeyFromObject(r.hr), object) == nil && object.Labels["helm.toolkit.fluxcd.io/name"] == "restored"
	})
	r.kubectl("delete", "configmap/restored", "deployment/restored")
	r.eventually("both are back", func() bool { return r.level() == "info" && r.memory() == "512Mi" })
	if writes := r.writes(mark, loopUser); len(writes) < 5 {
		t.Errorf("the loop wrote only %v", writes)
	}
	flux := r.mark()
	r.reconcile()
	if writes := r.writes(flux, fluxUser); len(writes) > 0 {
		t.Errorf("Flux found something to do: %v", writes)
	}
	quiet := r.mark()
	time.Sleep(time.Second)
	if writes := r.writes(quiet, loopUser); len(writes) > 0 {
		t.Errorf("the loop goes on: %v", writes)
	}
	text, err := product.Log()
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"made-by-hand", "battery-staple", "bWFkZS1ieS1oYW5k"} {
		if strings.Contains(text, value) {
			t.Errorf("the log quotes %s", value)
		}
	}
	events := r.kubectl("get", "events.events.k8s.io", "-o=jsonpath={range .items[*]}{.reason} {.regarding.kind}/{.regarding.name} {.note}{\"\\n\"}{end}")
	for _, want := range []string{"DriftRestored HelmRelease/restored Deployment shop/restored is as in 1.0.0 again: spec.template.spec.containers[name=web].resources.limits.memory", "changed by kubectl-set"} {
		if !strings.Contains(events, want) {
			t.Errorf("no event says %q:\n%s", want, events)
		}
	}
}

// TestWhatFluxLeavesAloneStays has edits that helm-controller does not undo, and then one that it does.
func TestWhatFluxLeavesAloneStays(t *testing.T) {
	edits := map[string]struct {
		change func(*helmv2.HelmReleaseSpec)
		edit   []string
		there  func(*release) bool
	}{
		"added": {nil, []string{"set", "env", "deployment/added", "DEBUG=1"}, func(r *release) bool {
			return len(r.deployment().Spec.Template.Spec.Containers[0].Env) == 2
		}},
		"ignored": {func(spec *helmv2.HelmReleaseSpec) {
			spec.DriftDetection.Ignore = []helmv2.IgnoreRule{{Paths: []string{"/spec/replicas"}}}
		}, []string{"scale", "deployment/ignored", "--replicas=5"}, func(r *release) bool { return *r.deployment().Spec.Replicas == 5 }},
	}
	for name, test := range edits {
		t.Run(name, func(t *testing.T) {
			r := install(t, name, test.change)
			r.kubectl(test.edit...)
			r.never("what Flux leaves alone is undone", func() bool { return !test.there(r) })
			r.raise()
			r.eventually("the limit is back", func() bool { return r.memory() == "512Mi" })
			if !test.there(r) {
				t.Error("what Flux leaves alone is undone with the rest")
			}
		})
	}
}

func TestTheLoopStandsDownForAHelmRelease(t *testing.T) {
	status := func(r *release, change func(*helmv2.HelmRelease)) {
		r.Helper()
		before := r.hr.DeepCopy()
		change(r.hr)
		if err := cluster.Admin().Status().Patch(r.context(), r.hr, client.MergeFrom(before)); err != nil {
			r.Fatal(err)
		}
	}
	condition := func(r *release, kind string, value metav1.ConditionStatus) {
		r.Helper()
		status(r, func(hr *helmv2.HelmRelease) {
			apimeta.SetStatusCondition(&hr.Status.Conditions, metav1.Condition{Type: kind, Status: value, Reason: "Test", Message: "made up"})
		})
	}
	next := func(r *release) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: helmstorage.Name(r.hr.Name, 2)}}
	}
	for name, test := range map[string]struct{ hold, free func(*release) }{
		"suspended": {func(r *release) { r.change(`{"spec":{"suspend":true}}`) }, func(r *release) {
			r.change(`{"spec":{"suspend":false}}`)
			r.reconcile()
		}},
		"upgrading": {func(r *release) { condition(r, meta.ReconcilingCondition, metav1.ConditionTrue) }, func(r *release) {
			status(r, func(hr *helmv2.HelmRelease) {
				apimeta.RemoveStatusCondition(&hr.Status.Conditions, meta.ReconcilingCondition)
			})
		}},
		"failing": {func(r *release) { condition(r, meta.ReadyCondition, metav1.ConditionFalse) }, func(r *release) {
			condition(r, meta.ReadyCondition, metav1.ConditionTrue)
		}},
		"warned": {func(r *release) {
			r.change(`{"spec":{"driftDetection":{"mode":"warn"}}}`)
			r.reconcile()
		}, func(r *release) {
			r.change(`{"spec":{"driftDetection":{"mode":"enabled"}}}`)
			if err := flux.Reconcile(r.context(), client.ObjectKeyFromObject(r.hr)); err != nil {
				r.Fatal(err)
			}
		}},
		"opted-out": {func(r *release) {
			r.kubectl("annotate", "deployment/opted-out", ownership.HelmDriftDetection+"=disabled")
		}, func(r *release) { r.kubectl("annotate", "deployment/opted-out", ownership.HelmDriftDetection+"-") }},
		"by-hand": {func(r *release) {
			if err := cluster.Admin().Create(r.context(), next(r)); err != nil {
				r.Fatal(err)
			}
		}, func(r *release) {
			if err := cluster.Admin().Delete(r.context(), next(r)); err != nil {
				r.Fatal(err)
			}
			r.kubectl("annotate", "deployment/by-hand", "contoso.com/look=again")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := install(t, name, nil)
			test.hold(r)
			mark := r.mark()
			r.raise()
			r.never("it is put back", func() bool { return r.memory() != "1Gi" })
			if writes := r.writes(mark, loopUser); len(writes) > 0 {
				t.Errorf("the loop writes %v", writes)
			}
			test.free(r)
			r.eventually("it is put back", func() bool { return r.memory() == "512Mi" })
		})
	}
}

func TestAnUpgradeIsNeverUndone(t *testing.T) {
	r := install(t, "upgraded", nil)
	for _, level := range []string{"debug", "warn", "error"} {
		r.change(`{"spec":{"values":{"level":"` + level + `"}}}`)
		r.raise()
		mark := r.mark()
		r.reconcile()
		r.never("a value of the new release is undone", func() bool { return r.level() != level })
		for _, write := range r.writes(mark, loopUser) {
			if strings.Contains(write, "configmaps") {
				t.Errorf("the loop writes what nobody changed: %s", write)
			}
		}
		r.eventually("the limit is back", func() bool { return r.memory() == "512Mi" })
		r.kubectl("patch", "configmap/upgraded", "--type=merge", `-p={"data":{"level":"by hand"}}`)
		r.eventually("the value of the new release is back", func() bool { return r.level() == level })
	}
}

func TestTheHelmReleasesServiceAccountWrites(t *testing.T) {
	ctx := t.Context()
	for _, manifest := range []string{`{apiVersion: v1, kind: ServiceAccount, metadata: {name: deployer, namespace: shop}}`,
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: deployer, namespace: shop},
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}, subjects: [{kind: ServiceAccount, name: deployer, namespace: shop}]}`} {
		if result, err := cluster.Kubectl(ctx, harness.Admin, manifest, "apply", "-f-"); err != nil || result.Code != 0 {
			t.Fatal(err, result.Stderr)
		}
	}
	r := install(t, "impersonated", func(spec *helmv2.HelmReleaseSpec) { spec.ServiceAccountName = "deployer" })
	r.followed()
	mark := r.mark()
	r.kubectl("delete", "configmap/impersonated")
	r.eventually("it is back", func() bool { return r.level() == "info" })
	events, err := cluster.AuditEventsSince(mark, func(e harness.AuditEvent) bool {
		return e.User.Username == loopUser && e.Verb == "create" && e.ObjectRef.Resource == "configmaps"
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.ImpersonatedUser == nil || e.ImpersonatedUser.Username != "system:serviceaccount:shop:deployer" {
			t.Errorf("%s as %v", e.RequestURI, e.ImpersonatedUser)
		}
	}
	if len(events) == 0 {
		t.Error("nobody created it")
	}
}

func TestABreakGlassHoldsFluxAndTheLoopOffAnObjectOfARelease(t *testing.T) {
	r := install(t, "broken", nil)
	opened := r.kubectl("gitops-drift", "break-glass", "deployment/broken", "--for", "10m", "--reason", "pods are killed")
	if !strings.Contains(opened, "What cannot be held: an upgrade of the HelmRelease") {
		t.Errorf("opening says %s", opened)
	}
	mark := r.mark()
	r.raise()
	r.reconcile()
	r.never("the edit is undone", func() bool { return r.memory() != "1Gi" })
	if writes := append(r.writes(mark, loopUser), r.writes(mark, fluxUser)...); len(writes) > 0 {
		t.Errorf("Flux or the loop write %v", writes)
	}
	// What no BreakGlass is for is put back as ever.
	r.kubectl("patch", "configmap/broken", "--type=merge", `-p={"data":{"level":"by hand"}}`)
	r.eventually("another object is put back", func() bool { return r.level() == "info" })
	closed := r.kubectl("gitops-drift", "break-glass", "close", strings.Fields(opened)[1])
	if !strings.Contains(closed, "resources.limits.memory") {
		t.Errorf("closing says %s", closed)
	}
	r.eventually("the limit is back", func() bool { return r.memory() == "512Mi" })
	for _, key := range []string{ownership.HelmDriftDetection, ownership.Hold} {
		if value, left := r.deployment().Annotations[key]; left {
			t.Errorf("left behind: %s=%s", key, value)
		}
	}
}

// TestAdditionsByThoseWhomThePolicyExemptsStay has two people add to an object what Flux leaves in place.
func TestAdditionsByThoseWhomThePolicyExemptsStay(t *testing.T) {
	r := install(t, "strict", nil)
	env := func() int { return len(r.deployment().Spec.Template.Spec.Containers[0].Env) }
	injected := func() bool { return r.deployment().Annotations["contoso.com/injected"] == "yes" }
	r.kubectl("annotate", "deployment/strict", "contoso.com/injected=yes", "--field-manager=injector", "--as=injector@contoso.com", "--as-group=system:masters")
	r.kubectl("set", "env", "deployment/strict", "DEBUG=1")
	r.eventually("what people add is removed", func() bool { return env() == 1 })
	r.never("what an exempt writer adds is removed", func() bool { return !injected() })
	r.raise()
	r.eventually("the limit is back", func() bool { return r.memory() == "512Mi" })
	if !injected() {
		t.Error("what an exempt writer adds is removed with the rest")
	}
	mark := r.mark()
	r.reconcile()
	r.never("the loop goes on", func() bool { return len(r.writes(mark, loopUser)) > 0 })
}
