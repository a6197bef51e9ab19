// Command kubectl-gitops_seal seals secrets with a key that several clusters share, and looks after what is sealed.
package main

import "github.com/gitops-drift/gitops-drift/plugins/internal/cli"

//go:generate env UPDATE_GOLDEN=1 go test -count=1 -run ^TestTheReferenceIsWhatTheCodeSays$ .

func main() { cli.Main(newCommand) }
