package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/record"
	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

// question is what is asked of every cluster.
type question struct {
	owner    ownership.Owner
	checkout *drift.Checkout
	wanted   []typeName
	timeout  time.Duration
	// status asks for how owners are, so that it does not matter whether they manage anything; ownersOnly for nothing else.
	status, ownersOnly bool
}

// findings are what was found in each cluster.
type findings struct {
	scans []report.Scan
	// unmet are, by cluster, the wanted objects that no owner has.
	unmet     [][]typeName
	question  question
	namespace string
}

var errInterrupted = errors.New("interrupted")

// scan asks all clusters. What went wrong with one is in its scan.
func (o *options) scan(ctx context.Context, clusters []string, q question, stderr io.Writer, progress *terminal.Progress) *findings {
	found := &findings{unmet: make([][]typeName, len(clusters)), question: q, namespace: o.namespace()}
	states := newTally(progress, len(clusters))
	index := map[string]int{}
	for i, cluster := range clusters {
		index[cluster] = i
	}
	limits := fleet.Limits{AtOnce: cli.ClustersAtOnce, Timeout: q.timeout}
	found.scans = fleet.Ask(ctx, clusters, limits, func(ctx context.Context, cluster string) (*drift.Result, error) {
		defer states.finished()
		result, objects, err := o.scanOne(ctx, cluster, q, stderr, states)
		if objects != nil {
			found.unmet[index[cluster]] = objects.unmet()
		}
		return result, err
	})
	for i := range found.scans {
		scan := &found.scans[i]
		if o.clusters.Several() {
			scan.Err = fleet.Explain(scan.Err)
		}
	}
	return found
}

func (o *options) scanOne(ctx context.Context, cluster string, q question, stderr io.Writer, states *tally) (*drift.Result, *selection, error) {
	scanner, mapper, err := o.connect(ctx, cluster, stderr)
	if err != nil {
		return nil, nil, err
	}
	objects, err := newSelection(q.wanted, o.namespace(), mapper)
	if err != nil {
		return nil, nil, late(err, q.timeout)
	}
	scanner.Progress = func(done, of int) { states.at(cluster, done, of) }
	result, err := scanner.Scan(ctx, drift.Selection{
		OwnersOnly: q.ownersOnly, Owner: q.owner, Checkout: q.checkout, Object: objects.has, Namespace: objects.namespace, Kinds: objects.kinds,
	})
	switch {
	case result == nil:
		return nil, nil, late(err, q.timeout)
	case len(result.Owners) == 0:
		return nil, nil, errors.New("there is neither a Kustomization nor a HelmRelease in this cluster, so nothing was compared")
	case ctx.Err() != nil:
		return result, objects, cutShort(result, q.timeout)
	case err != nil:
		return nil, nil, err
	}
	attribute(ctx, scanner, result, o.namespace())
	if q.status {
		// Who may not read them, or has none, sees the objects that are held without who holds them.
		if glasses, err := breakglass.List(ctx, scanner.Client); err == nil {
			result.Glasses = glasses
		}
	}
	return result, objects, nil
}

// attribute names the users of findings and suspensions whom a record of an edit explains. Who may not read records, or
// has none, or no time for them, sees field managers as before.
func attribute(ctx context.Context, scanner *drift.Scanner, result *drift.Result, namespace string) {
	suspended := slices.ContainsFunc(result.Owners, func(o drift.OwnerResult) bool { return o.Suspended })
	if suspended {
		namespace = "" // the owners are in others
	}
	if !suspended && report.Count(report.Scan{Value: result}).Findings == 0 {
		return
	}
	if records, err := record.List(ctx, scanner.Client, namespace); err == nil {
		drift.Attribute(result, records)
		drift.AttributeSuspensions(result, records)
	}
}

// cutShort says of what was not reached in time that it was not checked, instead of how that came about. The error is
// about what belongs to no owner.
func cutShort(result *drift.Result, timeout time.Duration) error {
	unreached := fmt.Errorf("not checked within %s; give more time with --timeout", timeout)
	cut := false
	for i := range result.Owners {
		owner := &result.Owners[i]
		if outOfTime(owner.Err) {
			owner.Err, cut = unreached, true
		}
		for n := range owner.Unproven {
			if e := &owner.Unproven[n]; outOfTime(e.Err) {
				e.Err, cut = unreached, true
			}
		}
	}
	result.Unlisted = slices.DeleteFunc(result.Unlisted, func(e drift.KindError) bool { return outOfTime(e.Err) })
	if cut { // orphans come last, so that they were not all looked for either goes without saying
		return nil
	}
	return fmt.Errorf("orphans were not all looked for within %s; give more time with --timeout", timeout)
}

// lateError says that time ran out before anything was found.
type lateError struct {
	timeout time.Duration
	err     error
}

func (e *lateError) Error() string {
	return fmt.Sprintf("not done within %s; give more time with --timeout", e.timeout)
}

func (e *lateError) Unwrap() error { return e.err }

// late says so where time ran out.
func late(err error, timeout time.Duration) error {
	if outOfTime(err) {
		return &lateError{timeout, err}
	}
	return err
}

// outOfTime reports whether err came about because the time was over. client-go's rate limiter says so in words, and
// before the time, where its turn would come too late.
func outOfTime(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		err != nil && strings.Contains(err.Error(), "would exceed context deadline")
}

// tally sums up how far the clusters are.
type tally struct {
	progress *terminal.Progress
	clusters int

	mu   sync.Mutex
	done int
}

func newTally(progress *terminal.Progress, clusters int) *tally {
	return &tally{progress: progress, clusters: clusters}
}

func (t *tally) at(cluster string, done, of int) {
	if t.clusters == 1 {
		t.progress.Say("comparing owner %d of %d", done+1, of)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress.Say("%d of %d clusters compared; %s: owner %d of %d", t.done, t.clusters, cluster, done+1, of)
}

func (t *tally) finished() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	if t.clusters > 1 {
		t.progress.Say("%d of %d clusters compared", t.done, t.clusters)
	}
}
