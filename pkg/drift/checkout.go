package drift

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"golang.org/x/sync/errgroup"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Checkout is a working tree to compare with, in place of what a source offers.
type Checkout struct {
	// Dir is the root of the repository.
	Dir string
	// Source is the source that Dir is a working tree of, as Kind/namespace/name; empty: the only one that the selected
	// owners have.
	Source string
}

// select returns the owners that build from the checkout's source.
func (c *Checkout) owners(list []kustomizev1.Kustomization) ([]kustomizev1.Kustomization, error) {
	bySource := map[string][]kustomizev1.Kustomization{}
	var sources []string
	for _, ks := range list {
		source := desired.SourceOf(&ks)
		if bySource[source] == nil {
			sources = append(sources, source)
		}
		bySource[source] = append(bySource[source], ks)
	}
	sort.Strings(sources)
	switch {
	case c.Source == "" && len(sources) > 1:
		return nil, fmt.Errorf("the Kustomizations have several sources, %s; name the one that the checkout is of with --source, or an owner with --owner",
			strings.Join(sources, ", "))
	case c.Source != "" && bySource[c.Source] == nil:
		return nil, fmt.Errorf("no Kustomization has the source %s; they have %s", c.Source, strings.Join(sources, ", "))
	case c.Source == "":
		return list, nil
	}
	return bySource[c.Source], nil
}

// pending turns verdicts into Pending where they are about what the working tree has and Flux has not applied. Flux's next
// apply is one of what it applied, so a field that this has otherwise is not reverted to what the working tree has.
// found are the findings by the index of their objects in state.
func (s *Scanner) pending(ctx context.Context, builder *desired.Builder, ks *kustomizev1.Kustomization, state *desired.State, live *liveObjects, found [][]Finding) {
	reverts := func(f Finding) bool { return f.Verdict == Reverts }
	applied := map[desired.Key]desired.Object{}
	before, err := builder.Build(ctx, ks)
	if err == nil { // else it cannot be told, and Pending holds all the same
		for _, object := range before.Objects {
			applied[desired.KeyOf(object.Unstructured)] = object
		}
	}
	checker := NewChecker(s.Client)
	policy := PolicyOf(ks, s.OverrideManagers)
	policy.Vouched = live.vouched
	var group errgroup.Group
	group.SetLimit(max(s.Concurrency, 1))
	for i, object := range state.Objects {
		if !slices.ContainsFunc(found[i], reverts) {
			continue
		}
		group.Go(func() error {
			var now []Finding
			if want, ok := applied[desired.KeyOf(object.Unstructured)]; ok {
				if current, err := live.get(ctx, object.Unstructured); err == nil {
					now, _ = checker.Check(ctx, before, want, current, policy) // what cannot be proven is Pending
				}
			}
			for n, f := range found[i] {
				same := func(other Finding) bool {
					return other.Kind == f.Kind && other.Path.Equals(f.Path) && fields.Equal(other.Desired, f.Desired)
				}
				if reverts(f) && !slices.ContainsFunc(now, same) {
					found[i][n].Verdict = Pending
				}
			}
			return nil
		})
	}
	_ = group.Wait() // Nothing fails.
}

// dropped are the objects that Flux has applied and that the working tree does not have any more.
func (s *Scanner) dropped(ctx context.Context, ks *kustomizev1.Kustomization, state *desired.State, inventory inventory, live *liveObjects, selected func(Object) bool) (found []Finding, failed []ObjectError) {
	kept := map[desired.Key]bool{}
	for _, object := range state.Objects {
		kept[desired.KeyOf(object.Unstructured)] = true
	}
	for key, version := range inventory {
		want := placeholder(key, version)
		o := objectOf(want)
		if kept[key] || selected != nil && !selected(o) {
			continue
		}
		object, err := live.get(ctx, want)
		if err != nil {
			failed = append(failed, ObjectError{Object: o, Err: err})
			continue
		}
		if object == nil {
			continue
		}
		f := Finding{Object: o, Owner: state.Owner, Revision: state.Revision, Kind: Added, Verdict: Pending}
		switch {
		case ks.Spec.Suspend:
			f.Verdict, f.Holder = Held, suspended
		case !ks.Spec.Prune || ownership.Has(object, ownership.Prune, ownership.Disabled):
			f.Verdict = Persists
		}
		found = append(found, f)
	}
	return found, failed
}
