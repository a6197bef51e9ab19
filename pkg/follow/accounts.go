package follow

import (
	"sync"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Accounts remembers the service accounts that owners named before. Flux may be in the middle of a reconciliation when
// the owner is given another account; it ends it in the name of the former one, and only then observes the generation
// that named the new one. The zero Accounts is empty and ready; it may be used concurrently.
type Accounts struct {
	mu     sync.Mutex
	former map[ownership.Owner][]formerAccount
}

// formerAccount is in use until Flux has observed the generation that replaced it.
type formerAccount struct {
	name     string
	replaced int64
}

// named is what matters of an owner.
type named struct {
	owner                ownership.Owner
	account              string
	generation, observed int64
}

// Handler learns from an informer of Kustomizations or HelmReleases.
func (a *Accounts) Handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{UpdateFunc: a.update, DeleteFunc: a.forget}
}

func (a *Accounts) update(before, after any) {
	old, ok := accountOf(before)
	if !ok {
		return
	}
	now, ok := accountOf(after)
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var kept []formerAccount
	for _, f := range a.former[now.owner] {
		if now.observed < f.replaced {
			kept = append(kept, f)
		}
	}
	if old.account != now.account && now.observed < now.generation {
		kept = append(kept, formerAccount{name: old.account, replaced: now.generation})
	}
	if len(kept) == 0 {
		delete(a.former, now.owner)
		return
	}
	if a.former == nil {
		a.former = map[ownership.Owner][]formerAccount{}
	}
	a.former[now.owner] = kept
}

func (a *Accounts) forget(owner any) {
	if gone, ok := owner.(toolscache.DeletedFinalStateUnknown); ok {
		owner = gone.Obj
	}
	if n, ok := accountOf(owner); ok {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.former, n.owner)
	}
}

// Former returns the accounts that Flux may still be at work with for the owner, beside the one that it names now.
func (a *Accounts) Former(owner ownership.Owner) []string {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, f := range a.former[owner] {
		out = append(out, f.name)
	}
	return out
}

func accountOf(object any) (named, bool) {
	switch o := object.(type) {
	case *kustomizev1.Kustomization:
		owner := ownership.Owner{Kind: ownership.Kustomization, Namespace: o.Namespace, Name: o.Name}
		return named{owner, o.Spec.ServiceAccountName, o.Generation, o.Status.ObservedGeneration}, true
	case *helmv2.HelmRelease:
		owner := ownership.Owner{Kind: ownership.HelmRelease, Namespace: o.Namespace, Name: o.Name}
		return named{owner, o.Spec.ServiceAccountName, o.Generation, o.Status.ObservedGeneration}, true
	}
	return named{}, false
}
