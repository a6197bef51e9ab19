package main

import (
	"testing"

	"github.com/spf13/pflag"

	"github.com/gitops-drift/gitops-drift/hack/reference"
)

func TestTheReferenceIsWhatTheCodeSays(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "")
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.AddGoFlagSet((&options{}).flags(reference.Controller))
	reference.Check(t, "../docs/reference/gitops-drift.md", reference.OfFlags(reference.Controller, `The controller, which runs in a cluster; it has flags only. What they are for is in [operation](../operation.md).

Exit code: 0 it was told to end, and did; 1 it could not go on, and its log says why; 2 a flag makes no sense.`, flags))
}
