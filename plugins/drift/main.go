// Command kubectl-gitops_drift shows how a cluster differs from git, and what Flux will do about it.
package main

import "github.com/gitops-drift/gitops-drift/plugins/internal/cli"

func main() { cli.Main(newCommand) }
