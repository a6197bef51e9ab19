// Command kubectl-gitops_drift shows how a cluster differs from git, and what Flux will do about it.
package main

import (
	"os"
	"runtime/debug"

	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

//go:generate env UPDATE_GOLDEN=1 go test -count=1 -run ^TestTheReferenceIsWhatTheCodeSays$ .

// garbage is how much of it there may be, in percent of what is in use, before it is collected. A run is short and its lists
// are large: collecting less often costs some memory and saves a tenth of the processor time.
const garbage = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	cli.Main(newCommand)
}
