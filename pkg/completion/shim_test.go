package completion

import "testing"

func TestTheShimOfEachSystemAsksThePlugin(t *testing.T) {
	s := Shim{Plugin: "kubectl-gitops_drift"}
	if s.Name() != "kubectl gitops-drift" || s.File() != "kubectl_complete-gitops_drift" ||
		s.Content() != "#!/bin/sh\n# written by: kubectl gitops-drift completion install\nexec kubectl-gitops_drift __complete \"$@\"\n" {
		t.Errorf("%s, %s: %q", s.Name(), s.File(), s.Content())
	}
	s.Windows = true
	if s.File() != "kubectl_complete-gitops_drift.cmd" ||
		s.Content() != "@rem written by: kubectl gitops-drift completion install\r\n@\"kubectl-gitops_drift.exe\" __complete %*\r\n" {
		t.Errorf("%s: %q", s.File(), s.Content())
	}
}
