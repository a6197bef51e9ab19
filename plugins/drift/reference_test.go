package main

import (
	"testing"

	"github.com/gitops-drift/gitops-drift/hack/reference"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

func TestTheReferenceIsWhatTheCodeSays(t *testing.T) {
	reference.Check(t, "../../docs/reference/kubectl-gitops-drift.md", reference.Of(cli.Command("kubectl-gitops_drift", newCommand)))
}
