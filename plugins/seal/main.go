// Command kubectl-gitops_seal seals secrets with a key that several clusters share, and looks after what is sealed.
package main

import "github.com/gitops-drift/gitops-drift/plugins/internal/cli"

func main() { cli.Main(newCommand) }
