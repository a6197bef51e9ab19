package drift

import (
	"iter"
	"maps"
	"sync"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// known is what a scan has learnt before it looks for orphans. It may be added to concurrently.
type known struct {
	mu sync.Mutex
	// objects are in some owner's inventory or desired state.
	objects map[desired.Key]bool
	// built are the owners whose desired state is known.
	built map[ownership.Owner]bool
	// released are the revisions of the HelmReleases' releases that objects are known of.
	released map[ownership.Owner]int
	// files are those of HelmReleases in git.
	files map[ownership.Owner]string
}

func (k *known) add(keys iter.Seq[desired.Key]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key := range keys {
		k.objects[key] = true
	}
}

// state adds a desired state; applied says that it is what Flux applied.
func (k *known) state(state *desired.State, applied bool) {
	k.add(keysOf(state))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.built[state.Owner] = applied
	maps.Copy(k.files, releasesIn(state))
}

// release adds what a release holds of the revision that is noted in hr.
func (k *known) release(state *desired.State, hr *helmv2.HelmRelease) error {
	inventory, err := releaseInventory(hr)
	if err != nil {
		return err
	}
	k.add(maps.Keys(inventory))
	k.add(keysOf(state))
	k.mu.Lock()
	defer k.mu.Unlock()
	if state.ByHand == "" {
		k.released[state.Owner] = desired.Released(hr).Version
	}
	return nil
}

func keysOf(state *desired.State) iter.Seq[desired.Key] {
	return func(yield func(desired.Key) bool) {
		for _, object := range state.Objects {
			if !yield(desired.KeyOf(object.Unstructured)) {
				return
			}
		}
	}
}
