package sync

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

func TestSuspendedObjectsNameWhoSuspendedThem(t *testing.T) {
	repo := newRepository(t, "held", map[string]string{"app.yaml": configMap("held", "first"), "other/app.yaml": configMap("held-other", "x")})
	repo.publish(shared)
	repo.kustomization(shared, "held", "./", nil)
	repo.kustomization(shared, "held-other", "./other", nil)
	want(t, reconcile(t, "ks/held", "ks/held-other"), 0)
	kubectl(t, "", "patch", "kustomization/held", "-n", "flux-system", "--type=merge", "-p", `{"spec":{"suspend":true}}`)
	patient.Until(t, "the edit is recorded", func() bool {
		result, err := shared.Kubectl(patient.Context(t), harness.Admin, "", "get", "editrecords", "-o", "jsonpath={.items[*].spec.object.name}")
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(strings.Fields(result.Stdout), "held")
	})
	const by = `by oncall@contoso\.com since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`
	const named = `Kustomization flux-system/held is suspended ` + by + `, so Flux does not act on a request; to resume it as well: --resume, or flux resume kustomization held -n flux-system`
	before, _ := token(t, "held-other")
	want(t, reconcile(t, "ks/held", "ks/held-other"), 2, `error: `+named)
	if now, _ := token(t, "held-other"); now != before {
		t.Error("something was requested nevertheless")
	}
	// Where nobody named it, it keeps nobody from the others.
	want(t, reconcile(t, "--all"), 1, `kustomization/held +suspended .* `+by+`; --resume lifts it`, `kustomization/held-other +ready .*`)
	want(t, reconcile(t, "ks/held", "--resume"), 0, `kustomization/held +ready +main@sha1:\S+ +\S+`)
	if kustomization(t, shared, "held").Spec.Suspend {
		t.Error("it is still suspended")
	}
}

func TestAResumptionThatGitTakesBackIsSaidSo(t *testing.T) {
	repo := newRepository(t, "in-git", map[string]string{
		"app/app.yaml": configMap("in-git", "x"),
		"root/ks.yaml": `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: in-git-child, namespace: flux-system}
spec: {interval: 1h, path: ./app, prune: true, suspend: true, sourceRef: {kind: GitRepository, name: in-git}}
`})
	repo.publish(shared)
	repo.kustomization(shared, "in-git", "./root", nil)
	want(t, reconcile(t, "ks/in-git"), 0)
	want(t, reconcile(t, "ks/in-git-child"), 2, `error: Kustomization flux-system/in-git-child is suspended in git since .* at the latest, so .*`)
	want(t, reconcile(t, "ks/in-git-child", "--resume"), 0,
		`kustomization/in-git-child +ready .* resumed, but git says suspend: true, so Flux will suspend it again; change it in git`)
}
