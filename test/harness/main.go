package harness

import (
	"context"
	"fmt"
	"os"
	"time"
)

// mainTimeout bounds how long a cluster and what tests set up in it take to start.
const mainTimeout = 3 * time.Minute

// Main starts a cluster, sets it up, runs m's tests (a *testing.M) and ends the cluster whatever became of them. It
// returns the exit code; what goes wrong is on stderr.
func Main(m interface{ Run() int }, setUp func(context.Context, *Cluster) error) int {
	ctx, cancel := context.WithTimeout(context.Background(), mainTimeout)
	defer cancel()
	cluster, err := Start(ctx, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := 1
	if err := setUp(ctx, cluster); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
