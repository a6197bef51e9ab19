package drift

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// search looks for the orphans of one kind of owner among objects that are listed by its label.
type search struct {
	owners ownership.Kind
	live   *liveObjects
	ahead  *ahead
}

// searches are those that a selection of the owners asks for; live and releases are what Kustomizations and HelmReleases have.
func (o *owners) searches(selection Selection, live, releases *liveObjects) []search {
	var out []search
	if selection.Owner.Kind != ownership.HelmRelease {
		out = append(out, search{ownership.Kustomization, live, &ahead{}})
	}
	if selection.Owner.Kind != ownership.Kustomization && selection.Checkout == nil && !o.withoutReleases {
		out = append(out, search{ownership.HelmRelease, releases, &ahead{}})
	}
	return out
}

// ahead are claims that were listed while objects were still compared.
type ahead struct {
	mu     sync.Mutex
	claims map[place][]claimed
}

func (a *ahead) at(at place) ([]claimed, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	claims, ok := a.claims[at]
	return claims, ok
}

func (a *ahead) put(at place, claims []claimed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.claims == nil {
		a.claims = map[place][]claimed{}
	}
	a.claims[at] = claims
}

// searchAhead begins with what a search for orphans lists, of the kinds that nobody has begun to list for comparing. What is listed
// so early is as good: whatever no owner seems to have is looked at again. What fails is left to the search. The function that
// it returns waits for the end.
func (s *Scanner) searchAhead(ctx context.Context, searches []search, served func() ([]servedKind, error), releases int, selection Selection) func() {
	var all sync.WaitGroup
	for _, search := range searches {
		if search.owners == ownership.HelmRelease && releases > 0 {
			continue // Their kinds are known when they are read.
		}
		all.Go(func() {
			kinds, err := served()
			if err != nil {
				return
			}
			var group errgroup.Group
			group.SetLimit(max(s.Concurrency, 1))
			for _, kind := range kinds {
				at := place{kind: kind.GroupVersionKind, namespace: selection.Namespace}
				if search.live.begun(at) {
					continue
				}
				group.Go(func() error {
					if claims, err := s.claimsOf(ctx, at, search, selection); err == nil {
						search.ahead.put(at, claims)
					}
					return nil
				})
			}
			_ = group.Wait() // Errors are left to the search.
		})
	}
	return all.Wait
}

// unordered are kinds that nobody puts into git and clusters are full of. Listing them costs the API server the most.
var unordered = []schema.GroupKind{
	{Kind: "Event"}, {Kind: "ComponentStatus"}, {Group: "events.k8s.io", Kind: "Event"}, {Group: "coordination.k8s.io", Kind: "Lease"},
}

// servedKind is a kind that the cluster serves.
type servedKind struct {
	schema.GroupVersionKind
	namespaced bool
}

// kinds are the kinds whose objects can be listed, in the versions that the API server prefers.
func (s *Scanner) kinds(selection Selection) ([]servedKind, error) {
	lists, err := s.Discovery.ServerPreferredResources()
	if failed := (*discovery.ErrGroupDiscoveryFailed)(nil); err != nil && !errors.As(err, &failed) {
		return nil, fmt.Errorf("the cluster does not tell which kinds it has: %w", err)
	}
	var out []servedKind
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range list.APIResources {
			kind := version.WithKind(resource.Kind)
			switch {
			case !slices.Contains(resource.Verbs, "list") || slices.Contains(unordered, kind.GroupKind()),
				len(selection.Kinds) > 0 && !slices.Contains(selection.Kinds, kind.GroupKind()),
				selection.Namespace != "" && !resource.Namespaced:
				continue
			}
			out = append(out, servedKind{kind, resource.Namespaced})
		}
	}
	return out, nil
}
