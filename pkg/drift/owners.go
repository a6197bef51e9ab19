package drift

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// owners are the owners that a scan is about.
type owners struct {
	kustomizations []kustomizev1.Kustomization
	releases       []helmv2.HelmRelease
	// unlisted has a result for each kind that could not be listed.
	unlisted []OwnerResult
	// withoutReleases says that the cluster does not serve HelmReleases.
	withoutReleases bool
}

// owners reads the selected owners. A kind that the cluster does not serve has none. That a kind cannot be listed is an
// error only if there is nothing else to compare.
func (s *Scanner) owners(ctx context.Context, selection Selection) (owners, error) {
	var out owners
	if one := selection.Owner; one.Name != "" {
		var err error
		if one.Kind == ownership.HelmRelease {
			out.releases = make([]helmv2.HelmRelease, 1)
			err = s.read(ctx, one, &out.releases[0])
		} else {
			out.kustomizations = make([]kustomizev1.Kustomization, 1)
			err = s.read(ctx, one, &out.kustomizations[0])
		}
		return out, err
	}
	var kustomizations kustomizev1.KustomizationList
	var releases helmv2.HelmReleaseList
	var failed []error
	for _, kind := range []struct {
		kind ownership.Kind
		list client.ObjectList
		gv   schema.GroupVersion
	}{
		{ownership.Kustomization, &kustomizations, kustomizev1.GroupVersion},
		{ownership.HelmRelease, &releases, helmv2.GroupVersion},
	} {
		err := s.list(ctx, kind.gv.WithKind(string(kind.kind)), kind.list)
		if err != nil {
			failed = append(failed, err)
		}
		if errors.Is(err, errNotServed) && kind.kind == ownership.HelmRelease {
			out.withoutReleases = true
		}
		if err != nil && !errors.Is(err, errNotServed) {
			out.unlisted = append(out.unlisted, OwnerResult{Owner: ownership.Owner{Kind: kind.kind}, Err: err})
		}
	}
	out.kustomizations, out.releases = kustomizations.Items, releases.Items
	switch {
	case len(failed) < 2 || len(out.kustomizations)+len(out.releases) > 0:
		return out, nil
	case len(out.unlisted) == 0:
		return owners{}, ErrNoFlux
	}
	err := fmt.Errorf("%s: %w", out.unlisted[0].Owner, out.unlisted[0].Err)
	for _, kind := range out.unlisted[1:] {
		err = fmt.Errorf("%w; %s: %s", err, kind.Owner, kind.Err.Error())
	}
	return owners{}, err
}

// errNotServed is about a kind that the cluster does not serve.
var errNotServed = errors.New("the cluster does not serve this kind")

// read reads a single owner, for which less is needed than for a list.
func (s *Scanner) read(ctx context.Context, owner ownership.Owner, into client.Object) error {
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}, into)
	switch {
	case apimeta.IsNoMatchError(err):
		return fmt.Errorf("%s is not in this cluster: Flux's %s is not installed here, or its version is not known", owner, owner.Kind.Manager())
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s is not in this cluster", owner)
	case err != nil:
		return fmt.Errorf("%s cannot be read: %w", owner, err)
	}
	return nil
}

// list lists the owners of a kind. Where one may list those of some namespaces alone, into has these, and the error says so.
func (s *Scanner) list(ctx context.Context, kind schema.GroupVersionKind, into client.ObjectList) error {
	err := s.Client.List(ctx, into)
	switch {
	case apimeta.IsNoMatchError(err), apierrors.IsNotFound(err): // Who has cached what the server offers is told so by the list.
		return s.notServed(kind)
	case apierrors.IsForbidden(err):
		if readable := s.listIn(ctx, into); len(readable) > 0 {
			return fmt.Errorf("only those in %s can be listed, and others may manage objects too; ask for the right to list them in every namespace: %w",
				strings.Join(readable, ", "), err)
		}
		return fmt.Errorf("they cannot be listed; ask for the right to list them, or name one that you may read with --owner: %w", err)
	case err != nil:
		return fmt.Errorf("they cannot be listed: %w", err)
	}
	return nil
}

// listIn lists into those of each namespace where one may, and returns these namespaces.
func (s *Scanner) listIn(ctx context.Context, into client.ObjectList) (readable []string) {
	namespaces := s.namespaces(ctx)
	found := make([][]runtime.Object, len(namespaces))
	listed := make([]bool, len(namespaces))
	var group errgroup.Group
	group.SetLimit(max(s.Concurrency, 1))
	for i, namespace := range namespaces {
		group.Go(func() error {
			page, ok := into.DeepCopyObject().(client.ObjectList)
			if !ok || s.Client.List(ctx, page, client.InNamespace(namespace)) != nil {
				return nil
			}
			var err error
			found[i], err = apimeta.ExtractList(page)
			listed[i] = err == nil
			return nil
		})
	}
	_ = group.Wait() // Who may not list them has none.
	var items []runtime.Object
	for i, namespace := range namespaces {
		if listed[i] {
			items, readable = append(items, found[i]...), append(readable, namespace)
		}
	}
	if apimeta.SetList(into, items) != nil {
		return nil
	}
	return readable
}

// namespaces are those of the cluster or, where one may not list them, the likely ones.
func (s *Scanner) namespaces(ctx context.Context) []string {
	all := &metav1.PartialObjectMetadataList{}
	all.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "NamespaceList"})
	if s.Lister == nil || s.Lister.List(ctx, all) != nil {
		return slices.Compact(slices.Sorted(slices.Values(s.Namespaces)))
	}
	out := make([]string, 0, len(all.Items))
	for i := range all.Items {
		out = append(out, all.Items[i].Name)
	}
	return out
}

// notServed tells a kind that is not there from one that an old Flux serves in other versions.
func (s *Scanner) notServed(kind schema.GroupVersionKind) error {
	mappings, err := s.Client.RESTMapper().RESTMappings(kind.GroupKind())
	if err != nil && !apimeta.IsNoMatchError(err) {
		return fmt.Errorf("they cannot be listed: %w", err)
	}
	for _, mapping := range mappings {
		if version := mapping.GroupVersionKind.Version; version != kind.Version {
			return fmt.Errorf("the cluster serves them in %s, but not in %s, which Flux does since 2.3; they were not compared", version, kind.Version)
		}
	}
	return errNotServed
}
