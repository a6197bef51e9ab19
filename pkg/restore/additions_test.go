package restore_test

import (
	"fmt"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/gitops-drift/gitops-drift/pkg/restore"
)

// extend adds to the Deployment what Flux leaves in place.
func (a *app) extend() {
	a.Helper()
	a.kubectl("-n", a.name, "set", "env", "deployment/api", "DEBUG=1", "--field-manager=operator")
	a.kubectl("-n", a.name, "annotate", "deployment/api", "contoso.example/note=x", "reconcile.fluxcd.io/requestedAt=now", "--field-manager=operator")
}

// extended reports whether the Deployment has what extend added.
func (a *app) extended() (env, note bool) {
	a.Helper()
	live := a.api()
	return strings.Contains(fmt.Sprint(live.Object["spec"]), "DEBUG"), live.GetAnnotations()["contoso.example/note"] != ""
}

func (a *app) whole() bool {
	env, note := a.extended()
	return env && note
}

func TestAdditionsThatFluxLeavesAreRemovedOnlyWherePolicySaysSo(t *testing.T) {
	a := deploy(t, "additions", files(deployment, configMap))
	a.extend()
	a.never("what Flux leaves in place is removed", func() bool { return !a.whole() })
	a.kubectl("-n", a.name, "set", "resources", "deployment/api", "--limits=memory=1Gi")
	a.restored("memory is 512Mi again", func() bool { return memory(a.api()) == "512Mi" })
	if !a.whole() {
		t.Fatal("what Flux leaves in place is removed with what it does not")
	}
	additions.Store(a.name, restore.Removed)
	loop.PolicyChanged()
	bare := func() bool {
		env, note := a.extended()
		return !env && !note
	}
	a.restored("what was added before the policy changed is removed", bare)
	if a.api().GetAnnotations()["reconcile.fluxcd.io/requestedAt"] != "now" {
		t.Error("a request to reconcile is removed")
	}
	a.extend()
	a.restored("what is added is removed", bare)
	a.kubectl("-n", a.name, "set", "resources", "deployment/api", "--limits=memory=1Gi", "--field-manager=operator")
	a.kubectl("-n", a.name, "set", "env", "deployment/api", "DEBUG=1", "--field-manager=operator")
	a.restored("both kinds of edit are undone", func() bool { return bare() && memory(a.api()) == "512Mi" })
	a.quiet()
	if lines := logged.about("Restored the object", `"namespace"="additions"`, "env[name=DEBUG]", `"changedBy"=["operator"]`); len(lines) == 0 {
		t.Error("the log does not say who had added what")
	}
}

func TestAdditionsThatGitIgnoresStay(t *testing.T) {
	additions.Store("ignored-additions", restore.Removed)
	a := deploy(t, "ignored-additions", files(deployment), func(ks *kustomizev1.Kustomization) {
		ks.Spec.Ignore = []kustomizev1.IgnoreRule{{Paths: []string{"/metadata/annotations/contoso.example~1note"}}}
	})
	a.extend()
	a.restored("what git does not ignore is removed", func() bool {
		env, note := a.extended()
		return !env && note
	})
	a.never("what git ignores is removed", func() bool {
		_, note := a.extended()
		return !note
	})
}
