package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// outcomes are what became of the request in each cluster.
type outcomes struct {
	clusters  []fleet.Result[[]reconcile.Result]
	several   bool
	namespace string
}

// verdict is the exit code for the outcomes, and what the table does not say.
func (o *outcomes) verdict(ctx context.Context, timeout time.Duration) error {
	code := cli.CodeDone
	var troubles []error
	var running, unasked []string
	for _, cluster := range o.clusters {
		prefix, of := "", ""
		if o.several {
			prefix, of = cluster.Cluster+": ", " in "+cluster.Cluster
		}
		if interrupted(cluster.Err) && ctx.Err() != nil {
			unasked = append(unasked, "anything"+of)
			code = max(code, cli.CodeIncomplete)
		} else if cluster.Err != nil {
			code = cli.CodeError
			for _, err := range parts(cluster.Err) {
				troubles = append(troubles, fmt.Errorf("%s%w", prefix, err))
			}
		}
		for _, result := range cluster.Value {
			name := label(o.namespace, result.Object) + of
			switch result.State {
			case reconcile.StateReady, reconcile.StateRequested:
				continue
			case reconcile.StateReconciling:
				running = append(running, name)
			case reconcile.StateSkipped:
				unasked = append(unasked, name)
			case reconcile.StateError:
				code = cli.CodeError
			}
			code = max(code, cli.CodeIncomplete)
		}
	}
	var rest []string
	if len(running) > 0 {
		rest = append(rest, "Flux goes on with "+list(running))
	}
	if len(unasked) > 0 && ctx.Err() != nil {
		rest = append(rest, "it was not asked for "+list(unasked))
	}
	if len(rest) > 0 {
		what := fmt.Sprintf("not all was ready within %s", timeout)
		if ctx.Err() != nil {
			what = "interrupted"
		}
		troubles = append(troubles, errors.New(what+"; "+strings.Join(rest, ", and ")))
	}
	if code == cli.CodeDone {
		return nil
	}
	return &cli.ExitError{Code: code, Err: errors.Join(troubles...)}
}

func interrupted(err error) bool {
	return errors.Is(err, context.Canceled)
}

// parts are the errors that were joined to one.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func list(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// writeNames writes the arguments with which kubectl gets each object that was asked for.
func (o *outcomes) writeNames(out io.Writer, namespaces bool) error {
	for _, cluster := range o.clusters {
		for _, result := range cluster.Value {
			line := fmt.Sprintf("%s.%s/%s", strings.ToLower(result.Object.Kind), result.Object.Group, result.Object.Name)
			if namespaces || result.Object.Namespace != o.namespace {
				line += " -n " + result.Object.Namespace
			}
			if o.several {
				line += " --context " + cluster.Cluster
			}
			if _, err := fmt.Fprintln(out, line); err != nil {
				return err
			}
		}
	}
	return nil
}
