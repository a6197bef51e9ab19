// Command demo plays the story of the README against a real control plane: the real API server, the real Flux
// kustomize-controller, the real kubectl.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const usage = `usage: demo run|up|env|down

  run   play the story and remove everything again
  up    leave the cluster running in the background
  env   print what a shell needs to use that: eval "$(demo env)"
  down  end what up left running`

func main() {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	commands := map[string]func(context.Context) error{"run": run, "up": up, "serve": serve, "env": env, "down": down}
	command, ok := commands[argument()]
	if !ok {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err := command(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func argument() string {
	if len(os.Args) != 2 {
		return ""
	}
	return os.Args[1]
}
