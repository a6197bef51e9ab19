package install

import (
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/test/patient"
)

// clean is what there is before an installation.
func clean(t *testing.T) dump {
	t.Helper()
	before := everything(t)
	if len(before) < 100 || before["configmaps. payments payments-api"] == "" {
		t.Fatalf("the dump has only %d objects", len(before))
	}
	for key := range before {
		if strings.Contains(key, "gitops-drift") {
			t.Errorf("before the installation there is %s", key)
		}
	}
	return before
}

// enforced installs the overlay enforce, with Flux held off an object, and returns what there was before.
func enforced(t *testing.T) dump {
	t.Helper()
	before := clean(t)
	must(t, "kubectl apply --server-side -k manifests/crds")
	must(t, "kubectl wait --for=condition=Established crd --all --timeout=30s")
	must(t, "kubectl apply --server-side -k manifests/overlays/enforce")
	must(t, "kubectl -n flux-system rollout status deployment/gitops-drift --timeout=60s")
	guarded(t)
	policy(t)
	held(t)
	return before
}

func TestKubectlInstallsAndRemovesEverything(t *testing.T) {
	before := clean(t)
	follow(t, "### With kubectl")
	// The overlay record admits, and writes down.
	patient.Until(t, "an edit is recorded", func() bool {
		if refused := edit(t, "settings", "recorded"); refused != "" {
			t.Fatal(refused)
		}
		return strings.Contains(must(t, "kubectl get editrecords"), "settings")
	})
	// Made anew, the lease still belongs to what is removed.
	must(t, "kubectl -n flux-system delete lease gitops-drift.gitops-drift.dev")
	patient.Until(t, "the lease is the Deployment's", func() bool {
		owner, err := sh(t, "kubectl -n flux-system get lease gitops-drift.gitops-drift.dev -o jsonpath='{.metadata.ownerReferences[*].kind} {.spec.holderIdentity}'")
		held, ok := strings.CutPrefix(owner, "Deployment ")
		return err == nil && ok && held != ""
	})
	follow(t, "### From recording to refusing")
	guarded(t)
	// What was recorded before is there still, and what differs is put back.
	if records := must(t, "kubectl gitops-drift history"); !strings.Contains(records, "update admitted") {
		t.Errorf("the records are\n%s", records)
	}
	patient.Until(t, "the edit is put back", func() bool {
		return must(t, "kubectl -n payments get configmap settings -o jsonpath='{.data.value}'") == "git"
	})
	policy(t)
	must(t, "kubectl apply -k manifests/static")
	held(t)
	follow(t, "### Removed with kubectl")
	nothingIsLeft(t, before)
}

// TestADeadGuardThatFailsClosedIsRemoved has nobody answer the API server, under failurePolicy Fail.
func TestADeadGuardThatFailsClosedIsRemoved(t *testing.T) {
	before := clean(t)
	must(t, "kubectl apply -k manifests/crds")
	must(t, "kubectl wait --for=condition=Established crd --all --timeout=30s")
	must(t, "kubectl apply -k manifests/overlays/enforce-fail")
	must(t, "kubectl -n flux-system rollout status deployment/gitops-drift --timeout=60s")
	guarded(t)
	must(t, "kubectl create quota none --hard=pods=0 -n flux-system")
	must(t, "kubectl delete pods -n flux-system -l app.kubernetes.io/name=gitops-drift")
	if said := edit(t, "settings", "dead"); !strings.Contains(said, "failed calling webhook") {
		t.Errorf("an edit that nobody judges: %s", said)
	}
	for _, line := range documented(t, "### Removed with kubectl")[1:] {
		must(t, strings.ReplaceAll(line, "overlays/enforce", "overlays/enforce-fail"))
	}
	must(t, "kubectl delete quota none -n flux-system")
	nothingIsLeft(t, before)
}

// TestEverythingDeletedAtOnce has the controller go while it holds Flux off an object: what is left then is said, and taken away by
// the commands of the documentation.
func TestEverythingDeletedAtOnce(t *testing.T) {
	before := enforced(t)
	_, err := sh(t, "kubectl delete --timeout=15s -k manifests/overlays/enforce; kubectl delete --timeout=2s -k manifests/crds")
	t.Logf("at once: %v", err)
	follow(t, "### The controller went first")
	nothingIsLeft(t, before)
}

// TestTheKindsDeletedFirst has the controller give everything back, for it is there.
func TestTheKindsDeletedFirst(t *testing.T) {
	before := enforced(t)
	must(t, "kubectl delete --timeout=60s -k manifests/crds")
	out, err := sh(t, "kubectl delete --timeout=60s -k manifests/overlays/enforce")
	t.Logf("then the overlay: %v\n%s", err, out)
	nothingIsLeft(t, before)
}
