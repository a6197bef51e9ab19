// Command kubectl-gitops_reconcile asks Flux to reconcile Kustomizations and waits for the outcome.
package main

import "github.com/gitops-drift/gitops-drift/plugins/internal/cli"

func main() { cli.Main(newCommand) }
