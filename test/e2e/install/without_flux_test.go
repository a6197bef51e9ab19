package install

import (
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/test/patient"
)

// TestFluxWentFirst comes last, for it takes Flux away: the name of this file sees to it. What `flux uninstall` does is done by hand.
func TestFluxWentFirst(t *testing.T) {
	enforced(t)
	if out, err := sh(t, "kubectl delete namespace flux-system --dry-run=server"); err == nil || !strings.Contains(out, "Deleting it ends Flux") {
		t.Errorf("the guard lets the namespace of Flux be deleted: %v %s", err, out)
	}
	must(t, "kubectl delete validatingwebhookconfiguration gitops-drift")
	if err := cluster.Flux().Stop(patient.Context(t)); err != nil {
		t.Fatal(err)
	}
	must(t, `for object in $(kubectl -n flux-system get kustomizations,gitrepositories -o name); do
		kubectl -n flux-system patch $object --type=merge -p '{"metadata":{"finalizers":null}}'; done`)
	must(t, "kubectl delete namespace flux-system --timeout=60s")

	follow(t, "### The controller went first")
	var left []string
	defer func() { t.Log(left) }()
	patient.Until(t, "nothing of gitops-drift is left", func() bool {
		left = nil
		for key, object := range everything(t) {
			if strings.Contains(key+object, "gitops-drift") {
				left = append(left, key)
			}
		}
		return len(left) == 0
	})
	if refused := edit(t, "settings", "nobodys"); refused != "" {
		t.Error(refused)
	}
}
