package drift

import (
	"context"
	"slices"
	"sort"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// claimed is an object that carries an owner's labels, with proof that Flux applied it.
type claimed struct {
	object Object
	owner  ownership.Owner
}

// claims lists the objects of these kinds that carry the labels of an owner of the search's kind with proof, in these
// namespaces where they cannot be listed in the whole cluster.
func (s *Scanner) claims(ctx context.Context, kinds []servedKind, namespaces []string, known *known, search search, selection Selection) (claims []claimed, unlisted []KindError) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(max(s.Concurrency, 1))
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
	if claims, ok := search.ahead.at(at); ok {
		return claims, nil
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
