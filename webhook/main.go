// Command gitops-drift is the controller: an admission webhook on every replica that judges imperative edits of objects
// that Flux manages, and, on the leader, the loop that puts desired state back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/gitops-drift/gitops-drift/pkg/version"
)

//go:generate env UPDATE_GOLDEN=1 go test -count=1 -run ^TestTheReferenceIsWhatTheCodeSays$ .

// usageError is the exit code for arguments that make no sense; others are 1.
const usageError = 2

// garbage is how much of it there may be before it is collected, in percent of what is in use. That is mostly text, which
// the collector need not look through, so that going twice as often as by default costs little.
const garbage = 50

func main() {
	o, err := parse(os.Args[0], os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(usageError)
	case o.version:
		fmt.Println("gitops-drift", version.Current())
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&o.zap)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, o); err != nil {
		ctrl.Log.Error(err, "gitops-drift ends")
		os.Exit(1)
	}
}
