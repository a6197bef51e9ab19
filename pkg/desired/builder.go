package desired

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	securejoin "github.com/cyphar/filepath-securejoin"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/kustomize"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"github.com/opencontainers/go-digest"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/resource"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// Builder builds what Flux applied for a Kustomization. It may be used concurrently; kustomize itself runs one build
// at a time in a process.
type Builder struct {
	client  client.Client
	fetcher Fetcher
	// shared keeps artifacts from one build to the next; nil if none are kept.
	shared *checkouts
	cache  *Cache
}

// NewBuilder returns a Builder that reads sources and substitution variables with reader and artifacts with fetcher.
func NewBuilder(reader client.Client, fetcher Fetcher) *Builder {
	return &Builder{client: reader, fetcher: fetcher}
}

// ErrElsewhere is returned for a Kustomization whose spec.kubeConfig applies it to another cluster.
var ErrElsewhere = errors.New("it is applied to another cluster (spec.kubeConfig); ask for drift there")

// RevisionError says that the desired state that Flux applied cannot be fetched any more, or not yet.
type RevisionError struct {
	// Applied is the revision that Flux applied last, empty if none; Available is what the source offers.
	Applied, Available string
}

// Error implements error.
func (e *RevisionError) Error() string {
	if e.Applied == "" {
		return fmt.Sprintf("Flux has not applied any revision yet; the source offers %s", e.Available)
	}
	return fmt.Sprintf("Flux last applied %s, but the source now offers %s", e.Applied, e.Available)
}

// Build returns the state that Flux last applied for ks: the artifact of its source, which must still be the revision
// in ks.Status.LastAppliedRevision (else a *RevisionError), built with the present spec and variables. Everything
// that it writes to disk is gone when it returns (see Sharing). Remote bases are refused, as is whatever
// kustomize-controller refuses.
func (b *Builder) Build(ctx context.Context, ks *kustomizev1.Kustomization) (*State, error) {
	if ks.Spec.KubeConfig != nil {
		return nil, ErrElsewhere
	}
	artifact, err := b.artifact(ctx, ks)
	if err != nil {
		return nil, err
	}
	if artifact.Revision != ks.Status.LastAppliedRevision {
		return nil, &RevisionError{Applied: ks.Status.LastAppliedRevision, Available: artifact.Revision}
	}
	return b.buildArtifact(ctx, ks, artifact)
}

// BuildOffered returns the state that Flux would apply for ks if it could: that of the artifact which the source offers
// now, whatever Flux applied last. Else it is Build.
func (b *Builder) BuildOffered(ctx context.Context, ks *kustomizev1.Kustomization) (*State, error) {
	if ks.Spec.KubeConfig != nil {
		return nil, ErrElsewhere
	}
	artifact, err := b.artifact(ctx, ks)
	if err != nil {
		return nil, err
	}
	return b.buildArtifact(ctx, ks, artifact)
}

func (b *Builder) buildArtifact(ctx context.Context, ks *kustomizev1.Kustomization, artifact *meta.Artifact) (*State, error) {
	key, err := b.cacheKey(ctx, ks, artifact)
	if err != nil {
		return nil, err
	}
	if key != "" {
		if state := b.cache.load(key, ks, artifact); state != nil {
			return state, b.scopes(state)
		}
	}
	root, release, err := b.checkout(ctx, artifact, sourceName(ks))
	if err != nil {
		return nil, err
	}
	state, err := b.build(ctx, ks, artifact.Revision, root, release)
	if err == nil && key != "" {
		// What cannot be kept is built again.
		_ = b.cache.save(key, state)
	}
	return state, err
}

// build builds ks from the tree at root, which it gives back.
func (b *Builder) build(ctx context.Context, ks *kustomizev1.Kustomization, revision, root string, release func() error) (state *State, err error) {
	defer func() { err = errors.Join(err, release()) }()
	state = &State{
		Owner:      ownership.Owner{Kind: ownership.Kustomization, Namespace: ks.Namespace, Name: ks.Name},
		Revision:   revision,
		Generation: ks.Generation,
		Hidden:     &redact.Values{},
	}
	ctx = kustomize.ContextWithSecretVarsCollector(ctx, func(variables map[string]string) {
		for _, value := range variables {
			state.Hidden.Add(value)
		}
	})
	if err := b.render(ctx, ks, root, state); err != nil {
		if _, specErr := hideSpec(ks, root, state.Hidden); specErr != nil {
			return nil, specErr
		}
		return nil, hide(err, root, state.Hidden)
	}
	return state, nil
}

// render fills in the objects of state. It follows kustomize-controller 1.9: generate, build, substitute, label, normalise.
func (b *Builder) render(ctx context.Context, ks *kustomizev1.Kustomization, root string, state *State) (err error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ks)
	if err != nil {
		return err
	}
	spec := unstructured.Unstructured{Object: content}
	dir, err := securejoin.SecureJoin(root, ks.Spec.Path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("spec.path %q is not in the artifact", ks.Spec.Path)
	}
	if state.Sources, err = collect(root, dir, ks, content); err != nil {
		return err
	}
	ownOrigins, undo, err := generate(root, dir, spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, undo()) }()
	if err := refuseRemote(root, dir); err != nil {
		return err
	}
	resources, origins, err := b.buildKustomization(root, dir, ownOrigins)
	if err != nil {
		return fmt.Errorf("kustomize build of %q failed: %w", ks.Spec.Path, err)
	}
	if state.learned, err = b.restamp(ctx, ks, resources); err != nil {
		return err
	}
	if err := b.substitute(ctx, ks, spec, resources); err != nil {
		return err
	}
	built, err := asYAML(resources)
	if err != nil {
		return err
	}
	manifests, err := rename(ks, resources, built)
	if err != nil {
		return err
	}
	state.learned = state.learned || !bytes.Equal(manifests, built)
	state.Digest = digest.FromBytes(manifests).String()
	// From here on nothing refers to kustomize's resources, which take more memory than all that follows.
	files := byKey(origins)
	rendered, err := ssautil.ReadObjects(bytes.NewReader(manifests))
	if err != nil {
		return err
	}
	ssa.NewResourceManager(b.client, nil, ssa.Owner{Field: ownership.KustomizeManager, Group: ownership.KustomizeGroup}).
		SetOwnerLabels(rendered, ks.Name, ks.Namespace)
	if err := normalize.UnstructuredList(rendered); err != nil {
		return err
	}
	if common := ks.Spec.CommonMetadata; common != nil {
		ssautil.SetCommonMetadata(rendered, common.Labels, common.Annotations)
	}
	state.Objects = make([]Object, 0, len(rendered))
	for _, object := range rendered {
		file := files[KeyOf(object)]
		ssautil.RemoveCABundleFromCRD(object)
		secret := encrypted(object, ks.Spec.Decryption != nil)
		if secret {
			state.Digest = ""
		}
		state.Objects = append(state.Objects, Object{Unstructured: object, File: file, Encrypted: secret})
	}
	return b.scopes(state)
}

// substitute runs the post-build substitution; variables that are missing are an error, kustomize-controller's default
// since 1.9.
func (b *Builder) substitute(ctx context.Context, ks *kustomizev1.Kustomization, spec unstructured.Unstructured, resources []*resource.Resource) error {
	if ks.Spec.PostBuild == nil {
		return nil
	}
	always := ks.GetSubstituteStrategy() == kustomizev1.SubstituteStrategyAlways
	for _, r := range resources {
		before := coordinates(r)
		out, err := kustomize.SubstituteVariables(ctx, b.client, spec, r,
			kustomize.SubstituteWithStrict(true), kustomize.SubstituteWithAlways(always))
		if err != nil {
			return &objectError{r.GetKind(), r.GetName(), "post-build substitution", err}
		}
		if out == nil || coordinates(r) == before {
			continue
		}
		// kustomize-controller puts each back in the place of the one that is called so.
		for _, other := range resources {
			if other != r && other.CurId().Equals(r.CurId()) {
				return &objectError{r.GetKind(), r.GetName(), "post-build substitution", errors.New("it gets the name of another object")}
			}
		}
	}
	return nil
}

// coordinates are all by which kustomize tells resources apart.
func coordinates(r *resource.Resource) [4]string {
	return [4]string{r.GetApiVersion(), r.GetKind(), r.GetNamespace(), r.GetName()}
}

// namespaced reports whether the API server has the kind, and its objects have a namespace.
func (b *Builder) namespaced(apiVersion, kind string) bool {
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	mapping, err := b.client.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	return err == nil && mapping.Scope.Name() == apimeta.RESTScopeNameNamespace
}

// scopes removes the namespaces that kustomize may have set on objects of cluster-scoped kinds; the API server drops
// them too. A kind that is not installed is left as it is.
func (b *Builder) scopes(state *State) error {
	cluster := map[schema.GroupVersionKind]bool{}
	for _, object := range state.Objects {
		gvk := object.GroupVersionKind()
		root, known := cluster[gvk]
		if !known {
			mapping, err := b.client.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
			if err != nil && !apimeta.IsNoMatchError(err) {
				return fmt.Errorf("look up the scope of %s: %w", gvk.Kind, err)
			}
			root = err == nil && mapping.Scope.Name() == apimeta.RESTScopeNameRoot
			cluster[gvk] = root
		}
		if root {
			object.SetNamespace("")
		}
	}
	return nil
}
