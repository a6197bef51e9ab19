// Command kubectl-gitops_drift shows how a cluster differs from git, and what Flux will do about it.
package main

import "github.com/gitops-drift/gitops-drift/plugins/internal/cli"

//go:generate env UPDATE_GOLDEN=1 go test -count=1 -run ^TestTheReferenceIsWhatTheCodeSays$ .

func main() { cli.Main(newCommand) }
