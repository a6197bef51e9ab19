// Command kubectl-gitops_reconcile asks Flux to reconcile, in one cluster or many, and waits for the outcome.
package main

import "github.com/gitops-drift/gitops-drift/plugins/internal/cli"

//go:generate env UPDATE_GOLDEN=1 go test -count=1 -run ^TestTheReferenceIsWhatTheCodeSays$ .

func main() { cli.Main(newCommand) }
