package drift

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Result is what a scan of one cluster found out, owner by owner in the order of their names.
type Result struct {
	Owners []OwnerResult
	// Elsewhere are the owners of other clusters that apply objects to this one.
	Elsewhere []Elsewhere
	// Checkout is what was compared with, where that was not what Flux applied; see desired.CheckoutRevision.
	Checkout string
	// Unlisted are the kinds among whose objects orphans could not be looked for.
	Unlisted []KindError
	// Glasses are the cluster's BreakGlasses, whatever became of them. A scan leaves them to whoever wants to show them.
	Glasses []v1alpha1.BreakGlass
}

// OwnerResult is what a scan found out about one owner.
type OwnerResult struct {
	// Owner has no name where Err is about all owners of its kind: they could not be listed.
	Owner ownership.Owner
	// Revision is what Flux last applied, empty if nothing yet: of a HelmRelease the version of the chart.
	Revision string
	// Compared is what the cluster was compared with, where that is not Revision: what git offers while Flux fails to
	// apply it, or is suspended.
	Compared string
	// Reconciled is when Flux's Ready condition last changed or the last reconciliation ended, zero if never.
	Reconciled time.Time
	// Interval is the time between two reconciliations; within it Flux reverts what it will revert.
	Interval time.Duration
	// Suspended owners are not reconciled.
	Suspended bool
	// Gone owners are not in the cluster any more; only what they left behind is found of them.
	Gone bool
	// Suspension is who suspended it, and when, as far as anybody knows.
	Suspension Suspension
	// Failure is Flux's own message where its last reconciliation failed, values of Secrets masked; what was found holds
	// for Revision.
	Failure string
	// Correction is what Flux does about drift of a HelmRelease's objects, empty for Kustomizations.
	Correction Correction
	// ByHand says what somebody else than Flux did to a HelmRelease's release; see desired.State.
	ByHand string
	// Err says why nothing of this owner could be checked.
	Err error
	// Findings are ordered by object and path.
	Findings []Finding
	// Documents are the objects with findings, whole, in the order of the findings.
	Documents []Documents
	// Checked is how many objects were compared.
	Checked int
	// Unproven are the objects that could not be checked.
	Unproven []ObjectError
}

// ObjectError says why an object could not be checked.
type ObjectError struct {
	Object Object
	Err    error
}

// Selection narrows a scan. The zero Selection selects everything.
type Selection struct {
	// OwnersOnly leaves out the comparison: what is known of owners without it costs one request.
	OwnersOnly bool
	// Owner, if its name is set, selects one owner.
	Owner ownership.Owner
	// Object, if not nil, selects the objects for which it returns true. It is called concurrently.
	Object func(Object) bool
	// Namespace and Kinds, where they are not empty, say what Object can select at most, so that orphans need not be
	// looked for in all the cluster.
	Namespace string
	Kinds     []schema.GroupKind
	// Checkout, if not nil, is compared with in place of what Flux applied, and selects the owners that build from it.
	Checkout *Checkout
}

// ErrNoFlux is returned where the cluster serves none of the kinds of owners.
var ErrNoFlux = errors.New("Flux is not installed in this cluster: it serves neither Kustomizations (kustomize.toolkit.fluxcd.io) nor HelmReleases (helm.toolkit.fluxcd.io)")

// Scanner scans a cluster.
type Scanner struct {
	Client  client.Client
	Pages   *Pages
	Builder *desired.Builder
	// OverrideManagers are kustomize-controller's --override-manager values.
	OverrideManagers []string
	// Concurrency is how many objects are checked at a time; at least 1.
	Concurrency int
	// Discovery tells the kinds among which orphans are looked for; nil looks for none. Lister lists their objects' metadata.
	Discovery discovery.ServerResourcesInterface
	Lister    client.Reader
	// Namespaces are where owners are looked for by somebody who may list neither all owners nor namespaces.
	Namespaces []string
	// Progress, if not nil, is told how many owners of how many have been begun.
	Progress func(done, of int)
}

// How many owners are compared at a time: while one Kustomization is built, others are compared; a HelmRelease is built by
// reading it, and what that takes is mostly waiting.
const (
	kustomizationsAtOnce = 4
	releasesAtOnce       = 16
)

// each calls do for each of n owners, of which the first are Kustomizations, some at a time, and returns what it returns.
func (s *Scanner) each(n, kustomizations int, do func(i int) OwnerResult) []OwnerResult {
	out := make([]OwnerResult, n)
	var mu sync.Mutex
	begun := 0
	begin := func() {
		mu.Lock()
		defer mu.Unlock()
		if s.Progress != nil {
			s.Progress(begun, n)
		}
		begun++
	}
	var building, reading errgroup.Group
	building.SetLimit(kustomizationsAtOnce)
	reading.SetLimit(releasesAtOnce)
	all := func(group *errgroup.Group, from, to int) {
		for i := from; i < to; i++ {
			group.Go(func() error {
				begin()
				out[i] = do(i)
				return nil
			})
		}
		_ = group.Wait() // Errors are in the results.
	}
	var both sync.WaitGroup
	both.Go(func() { all(&building, 0, kustomizations) })
	both.Go(func() { all(&reading, kustomizations, n) })
	both.Wait()
	return out
}

// Scan compares everything selected with the cluster. What went wrong with one owner or object is in the result and
// does not keep the others from being checked; an error means that nothing could be checked at all.
func (s *Scanner) Scan(ctx context.Context, selection Selection) (result *Result, err error) {
	owners, err := s.owners(ctx, selection)
	if err != nil {
		return nil, err
	}
	result = &Result{Owners: owners.unlisted}
	if selection.Checkout != nil {
		// What is released is in charts; of a HelmRelease the working tree has the object alone.
		owners.releases = nil
		if owners.kustomizations, err = selection.Checkout.owners(owners.kustomizations); err != nil {
			return nil, err
		}
		result.Checkout = desired.CheckoutRevision(selection.Checkout.Dir)
	}
	builder, done := s.Builder.Sharing()
	defer func() { err = errors.Join(err, done()) }()
	vouched := vouching(sync.OnceValues(func() ([]v1alpha1.BreakGlass, error) { return breakglass.List(ctx, s.Client) }))
	live := &liveObjects{client: s.Client, pages: s.Pages, label: ownership.Kustomization.NameLabel(), vouched: vouched}
	releases := &liveObjects{client: s.Client, pages: s.Pages, label: ownership.HelmRelease.NameLabel(), vouched: vouched}
	known := &known{objects: map[desired.Key]bool{}, built: map[ownership.Owner]bool{}, released: map[ownership.Owner]int{}, files: map[ownership.Owner]string{}}
	var searches []search
	if s.Discovery != nil && !selection.OwnersOnly {
		searches = owners.searches(selection, live, releases)
	}
	kinds := sync.OnceValues(func() ([]servedKind, error) { return s.kinds(selection) })
	searchedAhead := func() {}
	if !selection.OwnersOnly {
		live.prefetch(ctx, owners.kustomizations, selection)
		searchedAhead = s.searchAhead(ctx, searches, kinds, len(owners.releases), selection)
		defer searchedAhead()
	}
	result.Owners = append(result.Owners, s.each(len(owners.kustomizations)+len(owners.releases), len(owners.kustomizations), func(i int) OwnerResult {
		if n := len(owners.kustomizations); i >= n {
			return s.release(ctx, builder, &owners.releases[i-n], releases, selection, known)
		}
		ks := &owners.kustomizations[i]
		owner := ownership.Owner{Kind: ownership.Kustomization, Namespace: ks.Namespace, Name: ks.Name}
		return s.owner(ctx, builder, ks, owner, live, selection, known)
	})...)
	live.listing.Wait()
	releases.listing.Wait()
	s.locateReleases(ctx, builder, result.Owners, owners.releases, known)
	if len(searches) > 0 {
		searchedAhead()
		// What was found before the time was over is a result.
		if err := s.orphans(ctx, result, known, searches, kinds, selection); err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
	sort.Slice(result.Owners, func(i, j int) bool {
		return result.Owners[i].Owner.String() < result.Owners[j].Owner.String()
	})
	return result, ctx.Err()
}

// comparison is what was found of the objects of a state, by their index.
type comparison struct {
	found   [][]Finding
	whole   []Documents
	failed  []error
	checked int
}

// compare compares the selected objects of state with the cluster.
func (s *Scanner) compare(ctx context.Context, state *desired.State, policy Policy, live *liveObjects, selection Selection) comparison {
	checker := NewChecker(s.Client)
	n := len(state.Objects)
	c := comparison{found: make([][]Finding, n), whole: make([]Documents, n), failed: make([]error, n)}
	var group errgroup.Group
	group.SetLimit(max(s.Concurrency, 1))
	for i, object := range state.Objects {
		if selection.Object != nil && !selection.Object(objectOf(object.Unstructured)) {
			continue
		}
		c.checked++
		group.Go(func() error {
			current, err := live.get(ctx, object.Unstructured)
			if err == nil {
				c.found[i], err = checker.Check(ctx, state, object, current, policy)
				c.whole[i] = documents(object.Unstructured, current, c.found[i], state.Hidden)
			}
			c.failed[i] = err
			return nil
		})
	}
	_ = group.Wait() // Errors are kept by object.
	return c
}

// addTo adds what was found of the objects of state to the result of their owner, and orders that.
func (c comparison) addTo(out *OwnerResult, state *desired.State) {
	out.Checked += c.checked
	for i, object := range state.Objects {
		if len(c.found[i]) > 0 {
			out.Findings = append(out.Findings, c.found[i]...)
			out.Documents = append(out.Documents, c.whole[i])
		}
		if c.failed[i] != nil {
			out.Unproven = append(out.Unproven, ObjectError{Object: objectOf(object.Unstructured), Err: c.failed[i]})
		}
	}
	order(out.Findings)
	sort.SliceStable(out.Documents, func(i, j int) bool {
		return out.Documents[i].Object.sortKey() < out.Documents[j].Object.sortKey()
	})
}

func order(findings []Finding) {
	sort.SliceStable(findings, func(i, j int) bool {
		a, b := findings[i], findings[j]
		if a.Object != b.Object {
			return a.Object.sortKey() < b.Object.sortKey()
		}
		return a.Path.Compare(b.Path) < 0
	})
}

func (o Object) sortKey() string {
	return o.Namespace + "\x00" + o.Kind + "\x00" + o.Group + "\x00" + o.Name
}
