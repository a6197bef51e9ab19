package e2e

import (
	"path/filepath"
	"testing"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// Applies the example repository with the real Flux, cluster after cluster to the one there is, from the
// objects that each of them would get from clusters/<name>.
func TestFleetIsValidForEveryCluster(t *testing.T) {
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	repo, err := shared.NewRepo(patient.Context(t), filepath.Join(root, "manifests", "examples", "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Publish(patient.Context(t), harness.Publication{Dir: repo.Dir}); err != nil {
		t.Fatal(err)
	}
	for _, cluster := range []string{"prod-eu", "prod-us", "prod-ap", "stage", "dev"} {
		t.Run(cluster, func(t *testing.T) {
			apply, err := shared.Kubectl(patient.Context(t), harness.Admin, "", "apply", "--server-side", "--field-manager=flux",
				"-f", filepath.Join(repo.Dir, "clusters", cluster))
			if err != nil || apply.Code != 0 {
				t.Fatal(apply, err)
			}
			got := reconcile(t, harness.OnCall, "ks/infrastructure", "ks/apps")
			expect(t, got, 0, `OBJECT .*\nkustomization/infrastructure +ready .*\nkustomization/apps +ready .*`, ``)
			deployed, err := shared.Kubectl(patient.Context(t), harness.OnCall, "", "get", "deployment", "payments-api", "-n", "payments",
				"-o", "jsonpath={.metadata.labels.contoso\\.com/environment} {.spec.template.spec.containers[0].resources.limits.memory}")
			if err != nil {
				t.Fatal(err)
			}
			if want := cluster + " 512Mi"; deployed.Stdout != want {
				t.Errorf("payments-api is %q, want %q\n%s", deployed.Stdout, want, deployed.Stderr)
			}
		})
	}
}
