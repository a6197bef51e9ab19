package admission

import "testing"

// TestUninstallingIsNotRefused comes last, for it takes the guard away: the name of this file sees to it.
func TestUninstallingIsNotRefused(t *testing.T) {
	must(t, "", "delete", "-k", "../../../manifests/overlays/enforce")
	must(t, "", "-n", "payments", "delete", "configmap", "payments-api")
}
