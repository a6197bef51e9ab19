package follow

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/fluxcd/cli-utils/pkg/object"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/gitops-drift/gitops-drift/pkg/admission"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Holdings counts what every owner manages, by namespace and by kind, so that a request is answered without a walk through
// the inventories. The zero Holdings is empty and ready; it may be used concurrently.
type Holdings struct {
	mu     sync.RWMutex
	owners map[ownership.Owner]*holding
}

// holding is what one owner manages.
type holding struct {
	// inventory is what it was counted from; a status that only reports does not change it.
	inventory []string
	// somewhere are the namespaces of objects that no inventory names.
	somewhere  []string
	total      tally
	namespaces map[string]tally
	kinds      map[schema.GroupKind]tally
	// source is what the owner applies from.
	source desired.Key
	prunes bool
	// storage is the namespace of Helm's records, releases are the names that the release has had.
	storage  string
	releases []string
}

type tally struct {
	count   int
	example desired.Key
}

func (t tally) of(owner ownership.Owner, prunes bool) admission.Holding {
	return admission.Holding{Owner: owner, Count: t.count, Example: t.example, Prunes: prunes}
}

// Handler keeps the holdings up to date with an informer of Kustomizations or HelmReleases.
func (h *Holdings) Handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    h.Set,
		UpdateFunc: func(_, object any) { h.Set(object) },
		DeleteFunc: h.Delete,
	}
}

// Set counts what a Kustomization or HelmRelease manages.
func (h *Holdings) Set(owner any) {
	switch o := owner.(type) {
	case *kustomizev1.Kustomization:
		h.setKustomization(o)
	case *helmv2.HelmRelease:
		h.setHelmRelease(o)
	}
}

// Delete forgets a Kustomization or HelmRelease.
func (h *Holdings) Delete(owner any) {
	if unknown, ok := owner.(toolscache.DeletedFinalStateUnknown); ok {
		owner = unknown.Obj
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch o := owner.(type) {
	case *kustomizev1.Kustomization:
		delete(h.owners, ownership.Owner{Kind: ownership.Kustomization, Namespace: o.Namespace, Name: o.Name})
	case *helmv2.HelmRelease:
		delete(h.owners, ownership.Owner{Kind: ownership.HelmRelease, Namespace: o.Namespace, Name: o.Name})
	}
}

func (h *Holdings) setKustomization(ks *kustomizev1.Kustomization) {
	owner := ownership.Owner{Kind: ownership.Kustomization, Namespace: ks.Namespace, Name: ks.Name}
	next := &holding{prunes: ks.Spec.Prune, source: desired.Key{
		Group: sourcev1.GroupVersion.Group, Kind: ks.Spec.SourceRef.Kind, Namespace: cmp.Or(ks.Spec.SourceRef.Namespace, ks.Namespace), Name: ks.Spec.SourceRef.Name,
	}}
	// What it applies to another cluster is not to be found in this one.
	if ks.Status.Inventory != nil && ks.Spec.KubeConfig == nil {
		for _, entry := range ks.Status.Inventory.Entries {
			next.inventory = append(next.inventory, entry.ID)
		}
	}
	h.set(owner, next)
}

func (h *Holdings) setHelmRelease(hr *helmv2.HelmRelease) {
	owner := ownership.Owner{Kind: ownership.HelmRelease, Namespace: hr.Namespace, Name: hr.Name}
	next := &holding{prunes: true, source: chartSource(hr)}
	if hr.Spec.KubeConfig == nil {
		if hr.Status.Inventory != nil {
			for _, entry := range hr.Status.Inventory.Entries {
				next.inventory = append(next.inventory, entry.ID)
			}
		}
		if len(next.inventory) == 0 && len(hr.Status.History) > 0 {
			// Before Flux 2.8 a HelmRelease keeps no inventory.
			next.somewhere = []string{hr.GetReleaseNamespace()}
		}
		next.storage = cmp.Or(hr.Status.StorageNamespace, hr.GetStorageNamespace())
		next.releases = []string{hr.GetReleaseName()}
		for _, snapshot := range hr.Status.History {
			if !slices.Contains(next.releases, snapshot.Name) {
				next.releases = append(next.releases, snapshot.Name)
			}
		}
	}
	h.set(owner, next)
}

// chartSource returns what a HelmRelease takes its chart from.
func chartSource(hr *helmv2.HelmRelease) desired.Key {
	switch {
	case hr.Spec.ChartRef != nil:
		ref := hr.Spec.ChartRef
		return desired.Key{Group: sourcev1.GroupVersion.Group, Kind: ref.Kind, Namespace: cmp.Or(ref.Namespace, hr.Namespace), Name: ref.Name}
	case hr.Spec.Chart != nil:
		ref := hr.Spec.Chart.Spec.SourceRef
		return desired.Key{Group: sourcev1.GroupVersion.Group, Kind: ref.Kind, Namespace: cmp.Or(ref.Namespace, hr.Namespace), Name: ref.Name}
	}
	return desired.Key{}
}

// set counts next's inventory, unless it is the one that was counted before.
func (h *Holdings) set(owner ownership.Owner, next *holding) {
	h.mu.RLock()
	before := h.owners[owner]
	h.mu.RUnlock()
	if before != nil && slices.Equal(before.inventory, next.inventory) && slices.Equal(before.somewhere, next.somewhere) {
		next.inventory, next.total, next.namespaces, next.kinds = before.inventory, before.total, before.namespaces, before.kinds
	} else {
		next.count()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.owners == nil {
		h.owners = map[ownership.Owner]*holding{}
	}
	h.owners[owner] = next
}

func (n *holding) count() {
	n.namespaces, n.kinds = map[string]tally{}, map[schema.GroupKind]tally{}
	add := func(t tally, key desired.Key) tally {
		if t.count++; t.count == 1 {
			t.example = key
		}
		return t
	}
	for _, namespace := range n.somewhere {
		n.namespaces[namespace] = tally{}
	}
	for _, id := range n.inventory {
		o, err := object.ParseObjMetadata(id)
		if err != nil {
			continue
		}
		key := desired.Key{Group: o.GroupKind.Group, Kind: o.GroupKind.Kind, Namespace: o.Namespace, Name: o.Name}
		n.total, n.kinds[o.GroupKind] = add(n.total, key), add(n.kinds[o.GroupKind], key)
		if o.Namespace != "" {
			n.namespaces[o.Namespace] = add(n.namespaces[o.Namespace], key)
		}
	}
}

// Within implements admission.Surroundings. An owner in the namespace goes with it, and takes along what it manages.
func (h *Holdings) Within(namespace string) []admission.Holding {
	return h.list(func(owner ownership.Owner, held *holding) (admission.Holding, bool) {
		if t, ok := held.namespaces[namespace]; ok {
			return t.of(owner, held.prunes), true
		}
		return one(owner, held, keyOf(owner)), owner.Namespace == namespace && held.steers()
	})
}

// OfKind implements admission.Surroundings. What Flux applies from counts, too: Kustomizations, HelmReleases, sources.
func (h *Holdings) OfKind(kind schema.GroupKind) []admission.Holding {
	return h.list(func(owner ownership.Owner, held *holding) (admission.Holding, bool) {
		if t, ok := held.kinds[kind]; ok {
			return t.of(owner, held.prunes), true
		}
		if self := keyOf(owner); kind == self.GroupKind() {
			return one(owner, held, self), true
		}
		return one(owner, held, held.source), kind == held.source.GroupKind()
	})
}

// one is the holding of a single object.
func one(owner ownership.Owner, held *holding, key desired.Key) admission.Holding {
	return tally{1, key}.of(owner, held.prunes)
}

func keyOf(owner ownership.Owner) desired.Key {
	return desired.Key{Group: owner.Kind.Group(), Kind: string(owner.Kind), Namespace: owner.Namespace, Name: owner.Name}
}

// steers reports whether something was applied.
func (n *holding) steers() bool { return n.total.count > 0 || len(n.somewhere) > 0 }

// Steered implements admission.Surroundings. A HelmRelease whose inventory is not known steers something once it has
// released it.
func (h *Holdings) Steered(key desired.Key) []admission.Holding {
	return h.list(func(owner ownership.Owner, held *holding) (admission.Holding, bool) {
		self := key == keyOf(owner)
		return held.total.of(owner, held.prunes && self), held.steers() && (self || key == held.source)
	})
}

// Release implements admission.Surroundings.
func (h *Holdings) Release(namespace, name string) (ownership.Owner, bool) {
	found := h.list(func(owner ownership.Owner, held *holding) (admission.Holding, bool) {
		return admission.Holding{Owner: owner}, held.storage == namespace && slices.Contains(held.releases, name)
	})
	if len(found) == 0 {
		return ownership.Owner{}, false
	}
	return found[0].Owner, true
}

// Kinds returns every kind of which something is managed.
func (h *Holdings) Kinds() []schema.GroupKind {
	h.mu.RLock()
	defer h.mu.RUnlock()
	seen := map[schema.GroupKind]bool{}
	for _, held := range h.owners {
		for kind := range held.kinds {
			seen[kind] = true
		}
	}
	out := make([]schema.GroupKind, 0, len(seen))
	for kind := range seen {
		out = append(out, kind)
	}
	return out
}

// list returns the holdings that match accepts, ordered by owner.
func (h *Holdings) list(match func(ownership.Owner, *holding) (admission.Holding, bool)) []admission.Holding {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []admission.Holding
	for owner, held := range h.owners {
		if found, ok := match(owner, held); ok {
			out = append(out, found)
		}
	}
	slices.SortFunc(out, func(a, b admission.Holding) int { return strings.Compare(a.Owner.String(), b.Owner.String()) })
	return out
}
