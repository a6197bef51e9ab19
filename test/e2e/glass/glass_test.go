package glass

import (
	"strings"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

func held(t *testing.T, name string) bool {
	t.Helper()
	return apimeta.IsStatusConditionTrue(glass(t, name).Status.Conditions, v1alpha1.ConditionHeld)
}

var raise = []string{"-n", "payments", "set", "resources", "deployment/payments-api", "--limits=memory=1Gi"}

func TestAnEditUnderABreakGlassStaysUntilItEnds(t *testing.T) {
	refused := kubectl(t, "", raise...)
	if want := "in git, or in an emergency:\n  kubectl gitops-drift break-glass deployment/payments-api -n payments --for 30m --reason \"…\""; refused.Code == 0 || !strings.Contains(refused.Stderr, want) {
		t.Fatalf("without a BreakGlass: exit code %d: %s", refused.Code, refused.Stderr)
	}
	open(t, "edit", "1h")
	must(t, "", append(raise, "--dry-run=server")...) // at once
	eventually(t, "Flux is held off", func() bool { return held(t, "edit") })
	if warned := kubectl(t, "", raise...); warned.Code != 0 || !strings.Contains(warned.Stderr, "Warning: BreakGlass edit admits this edit. Flux leaves it alone until") {
		t.Fatalf("under the BreakGlass: exit code %d: %s", warned.Code, warned.Stderr)
	}
	if _, err := cluster.Reconcile(patient.Context(t), apps); err != nil {
		t.Fatal(err)
	}
	if got := memory(t); got != "1Gi" {
		t.Fatalf("a reconciliation by Flux leaves %s", got)
	}
	// People do not get to hold Flux off longer than that, nor to say that we do.
	for _, annotation := range []string{"kustomize.toolkit.fluxcd.io/ssa=Ignore", "gitops-drift.dev/hold=x"} {
		result := kubectl(t, "", "-n", "payments", "annotate", "--overwrite", "deployment/payments-api", annotation)
		if result.Code == 0 || !strings.Contains(result.Stderr, "holds Flux off the object by itself") {
			t.Errorf("%s: exit code %d: %s", annotation, result.Code, result.Stderr)
		}
	}
	// The hold is ours to keep.
	must(t, "", "-n", "payments", "annotate", "deployment/payments-api", ownership.Reconcile+"-")
	eventually(t, "the hold is back", func() bool { return deployment(t).Annotations[ownership.Reconcile] == ownership.Disabled })

	must(t, "", "patch", "breakglass", "edit", "--type=merge", `-p={"spec":{"closed":true}}`)
	eventually(t, "git's value is back", func() bool { return memory(t) == "512Mi" })
	eventually(t, "the BreakGlass is done with", func() bool { return len(glass(t, "edit").Finalizers) == 0 && glass(t, "edit").Status.Ended != nil })
	for _, key := range []string{ownership.Reconcile, ownership.Hold} {
		if value, left := deployment(t).Annotations[key]; left {
			t.Errorf("left behind: %s=%s", key, value)
		}
	}
	status := glass(t, "edit").Status
	if status.EndedBy != v1alpha1.Closed || status.DriftSource != v1alpha1.FromComparison || len(status.Drift) != 1 ||
		!strings.HasSuffix(status.Drift[0].Path, "resources.limits.memory") || status.Drift[0].Git != "512Mi" || status.Drift[0].Live != "1Gi" || status.Drift[0].User != string(harness.OnCall) {
		t.Errorf("the status says %+v", status)
	}
}

func TestSeveralBreakGlassesOfAnObjectHoldItTogether(t *testing.T) {
	open(t, "one", "10m")
	open(t, "two", "20m")
	eventually(t, "both hold", func() bool { return held(t, "one") && held(t, "two") })
	eventually(t, "the longer one is named", func() bool {
		by, ok := ownership.HoldOf(deployment(t))
		return ok && by.BreakGlass == "two"
	})
	must(t, "", "delete", "breakglass", "two") // returns when the finalizer is gone
	if by, ok := ownership.HoldOf(deployment(t)); !ok || by.BreakGlass != "one" {
		t.Errorf("after one of two ended: %+v %v", by, ok)
	}
	must(t, "", "delete", "breakglass", "one")
	if by, ok := ownership.HoldOf(deployment(t)); ok {
		t.Errorf("after both ended: %+v", by)
	}
}

// unjudged runs kubectl as one whose edits the guard does not judge.
func unjudged(t *testing.T, stdin string, args ...string) {
	t.Helper()
	result, err := cluster.Kubectl(patient.Context(t), harness.Admin, stdin, append(args, "--as=system:serviceaccount:flux-system:gitops-drift",
		"--as-group=system:masters", "--as-uid=1", "--as-user-extra=authentication.kubernetes.io/pod-name=gitops-drift-0")...)
	if err != nil || result.Code != 0 {
		t.Fatalf("kubectl %s: %v %s", strings.Join(args, " "), err, result.Stderr)
	}
}

func TestAnObjectOfAHelmReleaseIsHeldOffItsDriftCorrection(t *testing.T) {
	const released = `{apiVersion: v1, kind: ConfigMap, metadata: {name: released, namespace: payments, annotations: {helm.toolkit.fluxcd.io/driftDetection: enabled},
labels: {helm.toolkit.fluxcd.io/name: shop, helm.toolkit.fluxcd.io/namespace: payments}}, data: {a: b}}`
	unjudged(t, released, "apply", "--server-side", "--field-manager=helm-controller", "-f-")
	correction := func() string {
		return must(t, "", "-n", "payments", "get", "configmap", "released", `-o=jsonpath={.metadata.annotations.helm\.toolkit\.fluxcd\.io/driftDetection}`)
	}
	opened := must(t, "", "gitops-drift", "break-glass", "configmap/released", "-n", "payments", "--for", "5m", "--reason", "x")
	if !strings.Contains(opened, "What cannot be held: an upgrade of the HelmRelease") || correction() != "disabled" {
		t.Errorf("drift correction is %s: %s", correction(), opened)
	}
	must(t, "", "gitops-drift", "break-glass", "close", strings.Fields(opened)[1])
	if got := correction(); got != "enabled" {
		t.Errorf("afterwards the annotation is %q", got)
	}
}

func TestAHoldWithoutItsBreakGlassGoes(t *testing.T) {
	open(t, "forced", "10m")
	eventually(t, "Flux is held off", func() bool { return held(t, "forced") })
	if err := product.Stop(patient.Context(t)); err != nil {
		t.Fatal(err)
	}
	must(t, "", "delete", "breakglass", "forced", "--wait=false")
	must(t, "", "patch", "breakglass", "forced", "--type=merge", `-p={"metadata":{"finalizers":null}}`)
	if err := product.Restart(patient.Context(t)); err != nil {
		t.Fatal(err)
	}
	gone := func() bool { _, ours := ownership.HoldOf(deployment(t)); return !ours }
	eventually(t, "Flux has its object back", gone)
	unjudged(t, "", "-n", "payments", "annotate", "deployment/payments-api", ownership.Reconcile+"=disabled", ownership.Hold+`={"breakGlass":"none","sets":"`+ownership.Reconcile+`"}`)
	eventually(t, "a hold that somebody made up is gone", gone)
	if value, left := deployment(t).Annotations[ownership.Reconcile]; left {
		t.Errorf("left behind: %s", value)
	}
}

func TestAnOptOutOfSomebodyElseStays(t *testing.T) {
	optOut := func(change string) {
		t.Helper()
		unjudged(t, "", "-n", "payments", "annotate", "deployment/payments-api", ownership.Reconcile+change)
	}
	optOut("=disabled")
	open(t, "opted-out", "10m")
	eventually(t, "Flux is held off", func() bool { return held(t, "opted-out") })
	must(t, "", "delete", "breakglass", "opted-out")
	if got := deployment(t).Annotations[ownership.Reconcile]; got != ownership.Disabled {
		t.Errorf("the opt-out is %q", got)
	}
	optOut("-")
}
