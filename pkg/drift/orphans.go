package drift

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"sync"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
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

// unordered are kinds that nobody puts into git and clusters are full of. Listing them costs the API server the most.
var unordered = []schema.GroupKind{
	{Kind: "Event"}, {Kind: "ComponentStatus"}, {Group: "events.k8s.io", Kind: "Event"}, {Group: "coordination.k8s.io", Kind: "Lease"},
}

// claimed is an object that carries an owner's labels, with proof that Flux applied it.
type claimed struct {
	object Object
	owner  ownership.Owner
}

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

// search looks for the orphans of one kind of owner among objects that are listed by its label.
type search struct {
	owners ownership.Kind
	live   *liveObjects
}

// orphans finds the objects that carry the labels of an owner and a managedFields entry of its controller, and that no
// owner has in its inventory or desired state: Flux left them behind, and prunes them no more. Of every kind that the
// cluster serves only metadata is listed, by label.
func (s *Scanner) orphans(ctx context.Context, result *Result, known *known, searches []search, selection Selection) error {
	kinds, err := s.kinds(selection)
	if err != nil {
		return err
	}
	byOwner := map[ownership.Owner][]Object{}
	unlisted := map[schema.GroupKind]KindError{}
	for _, search := range searches {
		claims, failed := s.claims(ctx, kinds, known, search, selection)
		for _, e := range failed {
			unlisted[e.Kind] = e
		}
		for _, c := range claims {
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

// claims lists the objects of these kinds that carry the labels of an owner of the search's kind with proof.
func (s *Scanner) claims(ctx context.Context, kinds []servedKind, known *known, search search, selection Selection) (claims []claimed, unlisted []KindError) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(max(s.Concurrency, 1))
	namespaces := search.live.namespaces()
	for _, kind := range kinds {
		group.Go(func() error {
			found, err := s.claimsIn(ctx, place{kind: kind.GroupVersionKind, namespace: selection.Namespace}, known, search, selection)
			var readable []string
			if apierrors.IsForbidden(err) && kind.namespaced && selection.Namespace == "" {
				for _, namespace := range namespaces {
					more, err := s.claimsIn(ctx, place{kind.GroupVersionKind, namespace}, known, search, selection)
					if err == nil {
						found, readable = append(found, more...), append(readable, namespace)
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			claims = append(claims, found...)
			if err != nil && !apimeta.IsNoMatchError(err) && !apierrors.IsNotFound(err) && !apierrors.IsMethodNotSupported(err) {
				unlisted = append(unlisted, KindError{Kind: kind.GroupKind(), Err: err, Namespaces: readable})
			}
			return nil
		})
	}
	_ = group.Wait() // Errors are kept by kind.
	sort.Slice(claims, func(i, j int) bool { return claims[i].object.sortKey() < claims[j].object.sortKey() })
	return claims, unlisted
}

// claimsIn are the claims at a place, of which the objects may have been listed already.
func (s *Scanner) claimsIn(ctx context.Context, at place, known *known, search search, selection Selection) ([]claimed, error) {
	for _, listed := range []map[desired.Key]listedObject{search.live.listed(place{kind: at.kind}), search.live.listed(at)} {
		if listed != nil {
			return search.among(listed, known, selection)
		}
	}
	return s.claimsOf(ctx, at, search, selection)
}

// hook is the annotation of a chart's hooks, which are no part of a release.
const hook = "helm.sh/hook"

// unreleased are the kinds that helm-controller writes or that Helm never takes away: the chart's source, and CRDs.
var unreleased = []schema.GroupKind{
	{Group: "source.toolkit.fluxcd.io", Kind: "HelmChart"}, {Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"},
}

// claim adds an object to the claims if it is one. What is no part of a release is none.
func (s search) claim(claims []claimed, kind schema.GroupVersionKind, object metav1.Object) []claimed {
	owner, ok := ownership.ProvenAs(object, s.owners)
	if !ok || object.GetDeletionTimestamp() != nil {
		return claims
	}
	if s.owners == ownership.HelmRelease && (slices.Contains(unreleased, kind.GroupKind()) || object.GetAnnotations()[hook] != "") {
		return claims
	}
	return append(claims, claimed{Object{GroupVersionKind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}, owner})
}

// among are the claims among the labelled objects of a kind, those that are known left out.
func (s search) among(listed map[desired.Key]listedObject, known *known, selection Selection) (claims []claimed, err error) {
	for key, text := range listed {
		if known.objects[key] || selection.Namespace != "" && key.Namespace != selection.Namespace {
			continue
		}
		object, err := text.object()
		if err != nil {
			return nil, err
		}
		claims = s.claim(claims, text.kind, object)
	}
	if selection.Owner.Name != "" {
		claims = slices.DeleteFunc(claims, func(c claimed) bool { return c.owner != selection.Owner })
	}
	return claims, nil
}

func (s *Scanner) claimsOf(ctx context.Context, at place, search search, selection Selection) ([]claimed, error) {
	var selector client.ListOption = client.HasLabels{search.owners.NameLabel()}
	if owner := selection.Owner; owner.Name != "" {
		selector = client.MatchingLabels{owner.Kind.NameLabel(): owner.Name, owner.Kind.NamespaceLabel(): owner.Namespace}
	}
	var out []claimed
	next := ""
	for {
		page := &metav1.PartialObjectMetadataList{}
		page.SetGroupVersionKind(at.kind.GroupVersion().WithKind(at.kind.Kind + "List"))
		err := s.Lister.List(ctx, page, selector, client.InNamespace(at.namespace), client.Limit(pageSize), client.Continue(next))
		if next != "" && apierrors.IsResourceExpired(err) {
			return s.claimsOf(ctx, at, search, selection)
		}
		if err != nil {
			return out, err
		}
		for i := range page.Items {
			out = search.claim(out, at.kind, &page.Items[i])
		}
		if next = page.GetContinue(); next == "" {
			return out, nil
		}
	}
}

// left puts the findings about objects that claim owner to it. It looks again, at the owner as it is now: what Flux
// applied while the scan was under way is in no inventory that the scan has read, and while Flux reconciles, or fails to,
// it notes what it applied only at the end. Where that cannot be read, the owner says so.
func (s *Scanner) left(ctx context.Context, owner ownership.Owner, objects []Object, result *Result, known *known) {
	inventory, sure, err := s.noted(ctx, owner, known)
	gone := apierrors.IsNotFound(err)
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
