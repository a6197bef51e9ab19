package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/pkg/record"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

const (
	// completing is how long people wait for what they may type next.
	completing = 3 * time.Second
	// grace is how long a cluster may still be asked after the wait is over: a request that is being written is written,
	// and what is wrong is looked up.
	grace = 15 * time.Second
)

// reconcile asks all clusters at once. What went wrong with one is in its outcome.
func (o *options) reconcile(ctx context.Context, clusters []string, q question, stderr io.Writer, show *show) *outcomes {
	all := &outcomes{several: o.clusters.Several(), namespace: *o.clusters.Config.Namespace}
	all.clusters = fleet.Ask(ctx, clusters, fleet.Limits{}, func(ctx context.Context, cluster string) ([]reconcile.Result, error) {
		timed, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		results, err := o.reconcileOne(timed, cluster, q, stderr, show)
		if ctx.Err() == nil && timed.Err() != nil && err != nil {
			err = &lateError{timeout: o.timeout, err: err}
		}
		if all.several {
			err = fleet.Explain(err)
		}
		if err != nil {
			show.failed(cluster, err)
		}
		return results, err
	})
	return all
}

func (o *options) reconcileOne(ctx context.Context, cluster string, q question, stderr io.Writer, show *show) ([]reconcile.Result, error) {
	lasting, end := outlive(ctx, grace)
	defer end()
	config, mapper, err := o.clusters.Connection(lasting, cluster, stderr)
	if err != nil {
		return nil, err
	}
	request := reconcile.Request{
		Mapper: mapper, WithSource: o.withSource, Force: o.force, Reset: o.reset, Resume: o.resume,
		Revision: q.revision, NoWait: !o.wait, OnEvent: func(e reconcile.Event) { show.event(cluster, e) },
	}
	if request.Client, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	if request.Objects, request.Selected, err = q.objects.find(o.clusters.Getter(ctx, cluster), mapper); err != nil {
		return nil, err
	}
	results, err := request.Run(ctx)
	c, builder, connectErr := cli.Connect(config, mapper)
	if connectErr != nil {
		return nil, connectErr
	}
	attribute(lasting, c, results, err)
	hideSecrets(lasting, c, builder, results)
	return results, err
}

// outlive returns a context that ends a while after ctx, or with the function that is returned.
func outlive(ctx context.Context, grace time.Duration) (context.Context, func()) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return lasting, func() {
		stop()
		cancel()
	}
}

// attribute names the users who suspended what cannot be reconciled, where a record of the edit says so. Who may not read
// records, or has none, sees field managers.
func attribute(ctx context.Context, c client.Reader, results []reconcile.Result, err error) {
	var held []*reconcile.SuspendedError
	var collect func(error)
	collect = func(err error) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				collect(err)
			}
			return
		}
		if one := (*reconcile.SuspendedError)(nil); errors.As(err, &one) {
			held = append(held, one)
		}
	}
	collect(err)
	for _, result := range results {
		collect(result.Err)
	}
	if len(held) == 0 {
		return
	}
	records, err := record.List(ctx, c, "")
	if err != nil {
		return
	}
	for _, e := range held {
		e.By.Attribute(v1alpha1.ObjectReference{Group: e.Object.Group, Kind: e.Object.Kind, Namespace: e.Object.Namespace, Name: e.Object.Name}, records)
	}
	for i := range results {
		if one := (*reconcile.SuspendedError)(nil); results[i].State == reconcile.StateSuspended && errors.As(results[i].Err, &one) {
			results[i].Message = one.Brief()
		}
	}
}

// lateError says that time ran out before anything was requested.
type lateError struct {
	timeout time.Duration
	err     error
}

func (e *lateError) Error() string {
	return fmt.Sprintf("nothing was requested within %s; give more time with --timeout", e.timeout)
}

func (e *lateError) Unwrap() error { return e.err }
