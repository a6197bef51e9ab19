// Command kubectl-gitops_reconcile asks Flux to reconcile, in one cluster or many, and waits for the outcome.
package main

import "github.com/gitops-drift/gitops-drift/plugins/internal/cli"

func main() { cli.Main(newCommand) }
