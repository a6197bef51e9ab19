package drift

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Elsewhere counts the objects that carry the labels of an owner whose very namespace is not in the cluster: an owner of
// another cluster applies them (spec.kubeConfig), and there their desired state is known.
type Elsewhere struct {
	Owner   ownership.Owner
	Objects int
}

// KindError says why the objects of a kind could not be listed, so that orphans of this kind may be there.
type KindError struct {
	Kind schema.GroupKind
	Err  error
	// Namespaces are those in which they could be listed all the same.
	Namespaces []string
}

// orphans finds the objects that carry the labels of an owner and a managedFields entry of its controller, and that no
// owner has in its inventory or desired state: Flux left them behind, and prunes them no more. Of every kind that the
// cluster serves only metadata is listed, by label.
func (s *Scanner) orphans(ctx context.Context, result *Result, known *known, searches []search, served func() ([]servedKind, error), selection Selection) error {
	kinds, err := served()
	if err != nil {
		return err
	}
	byOwner := map[ownership.Owner][]Object{}
	unlisted := map[schema.GroupKind]KindError{}
	var namespaces []string
	for _, search := range searches {
		namespaces = append(namespaces, search.live.namespaces()...)
	}
	namespaces = slices.Compact(slices.Sorted(slices.Values(namespaces)))
	claims, failed := make([][]claimed, len(searches)), make([][]KindError, len(searches))
	var all sync.WaitGroup
	for i, search := range searches {
		all.Go(func() { claims[i], failed[i] = s.claims(ctx, kinds, namespaces, known, search, selection) })
	}
	all.Wait()
	for i := range searches {
		for _, e := range failed[i] {
			unlisted[e.Kind] = e
		}
		for _, c := range claims[i] {
			if !known.objects[c.object.desiredKey()] && (selection.Object == nil || selection.Object(c.object)) {
				byOwner[c.owner] = append(byOwner[c.owner], c.object)
			}
		}
	}
	for _, e := range unlisted {
		result.Unlisted = append(result.Unlisted, e)
	}
	sort.Slice(result.Unlisted, func(i, j int) bool { return result.Unlisted[i].Kind.String() < result.Unlisted[j].Kind.String() })
	for owner, objects := range byOwner {
		s.left(ctx, owner, objects, result, known)
	}
	sort.Slice(result.Elsewhere, func(i, j int) bool {
		return result.Elsewhere[i].Owner.String() < result.Elsewhere[j].Owner.String()
	})
	return nil
}

// left puts the findings about objects that claim owner to it. It looks again, at the owner as it is now: what Flux
// applied while the scan was under way is in no inventory that the scan has read, and while Flux reconciles, or fails to,
// it notes what it applied only at the end. Where that cannot be read, the owner says so.
func (s *Scanner) left(ctx context.Context, owner ownership.Owner, objects []Object, result *Result, known *known) {
	inventory, sure, err := s.noted(ctx, owner, known)
	gone := apierrors.IsNotFound(err) || apimeta.IsNoMatchError(err) // the latter once all of its kind are
	switch {
	case gone:
		if s.elsewhere(ctx, owner.Namespace) {
			result.Elsewhere = append(result.Elsewhere, Elsewhere{Owner: owner, Objects: len(objects)})
			return
		}
	case err != nil:
		result.of(owner).Err = fmt.Errorf("%s of it here cannot be compared, for it cannot be read: %w", those(len(objects)), err)
		return
	case !sure:
		return
	}
	for _, object := range objects {
		if _, noted := inventory[object.desiredKey()]; noted {
			continue
		}
		claims, err := s.stillClaims(ctx, object, owner)
		switch {
		case err != nil:
			of := result.of(owner)
			of.Unproven = append(of.Unproven, ObjectError{Object: object, Err: err})
		case claims:
			of := result.of(owner)
			of.Gone = gone
			of.orphan(object)
			order(of.Findings)
		}
	}
}

// noted are the objects that Flux notes now to have applied of an owner, and whether these, with those that are known, are
// all of them.
func (s *Scanner) noted(ctx context.Context, owner ownership.Owner, known *known) (noted inventory, sure bool, err error) {
	key := client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}
	if owner.Kind == ownership.HelmRelease {
		var hr helmv2.HelmRelease
		if err := s.Client.Get(ctx, key, &hr); err != nil {
			return nil, false, err
		}
		noted, err = releaseInventory(&hr)
		return noted, decidedRelease(&hr, known.released[owner]), err
	}
	var ks kustomizev1.Kustomization
	if err := s.Client.Get(ctx, key, &ks); err != nil {
		return nil, false, err
	}
	noted, err = inventoryOf(&ks)
	return noted, decided(&ks, known.built[owner]), err
}

// decidedRelease reports whether the objects of a revision are all that Flux has applied of a release: it made none since,
// and that one succeeded, so that Helm has removed what it does not have.
func decidedRelease(hr *helmv2.HelmRelease, revision int) bool {
	made := desired.Released(hr)
	return made != nil && revision > 0 && made.Version == revision && made.Status == "deployed" &&
		!apimeta.IsStatusConditionTrue(hr.Status.Conditions, meta.ReconcilingCondition)
}

func those(objects int) string {
	if objects == 1 {
		return "the object"
	}
	return fmt.Sprintf("%d objects", objects)
}

// of is the result of owner, made if there is none.
func (r *Result) of(owner ownership.Owner) *OwnerResult {
	at := slices.IndexFunc(r.Owners, func(o OwnerResult) bool { return o.Owner == owner })
	if at < 0 {
		at, r.Owners = len(r.Owners), append(r.Owners, OwnerResult{Owner: owner})
	}
	return &r.Owners[at]
}

// decided reports whether Flux has noted all that it has applied of an owner, or what it is about to note is known.
func decided(ks *kustomizev1.Kustomization, built bool) bool {
	ready := apimeta.FindStatusCondition(ks.Status.Conditions, meta.ReadyCondition)
	switch {
	case ks.Spec.Suspend:
		return true
	case ready == nil || ready.ObservedGeneration != ks.Generation:
		return false
	}
	return ready.Status == metav1.ConditionTrue || ready.Status == metav1.ConditionFalse && built
}

func (s *Scanner) stillClaims(ctx context.Context, object Object, owner ownership.Owner) (bool, error) {
	now := &metav1.PartialObjectMetadata{}
	now.SetGroupVersionKind(object.GroupVersionKind)
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: object.Namespace, Name: object.Name}, now); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	claims, ok := ownership.ProvenAs(now, owner.Kind)
	return ok && claims == owner && now.DeletionTimestamp == nil, nil
}

func (o *OwnerResult) orphan(left Object) {
	o.Findings = append(o.Findings, Finding{Object: left, Owner: o.Owner, Revision: o.Revision, Kind: Orphaned, Verdict: Persists})
	o.Documents = append(o.Documents, named(left))
}

// named are the documents of an object that git does not have. Nothing is told of its content: it may hold what was
// substituted from a Secret that is gone.
func named(o Object) Documents {
	metadata := map[string]any{"name": o.Name}
	if o.Namespace != "" {
		metadata["namespace"] = o.Namespace
	}
	return Documents{Object: o, Live: map[string]any{"apiVersion": o.GroupVersion().String(), "kind": o.Kind, "metadata": metadata}}
}

// elsewhere reports whether an owner that is not in the cluster belongs to another one: not even its namespace is here. One
// whose namespace is here may have been deleted without what it applied. Who may not read namespaces is told of both.
func (s *Scanner) elsewhere(ctx context.Context, namespace string) bool {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
	return apierrors.IsNotFound(s.Client.Get(ctx, client.ObjectKey{Name: namespace}, object))
}
