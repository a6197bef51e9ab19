package sealcheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/sealhealth"
)

// renderer builds what the Kustomizations of a repository apply. It works on a copy in which the ciphertexts are marks, which
// take no time and tell where each item comes from, wherever patches take it.
type renderer struct {
	*Repository
	dir string
	// builders are those that do not build just now; each has a copy of the files of its own.
	builders chan *desired.Builder
	// origins are the items by their marks, and by their ciphertexts where those were written in a way that no mark could
	// take the place of.
	origins map[string]origin
	// reached are by path what builds may read.
	reached map[string]reach
	// copied says that the files are there.
	copied bool
}

type origin struct {
	sealed *Sealed
	text   string
}

// Render builds every Kustomization of Flux that applies SealedSecrets and whose path is in the repository, and fills in
// Applied. What cannot be built is in Errors.
func (r *Repository) Render(ctx context.Context) (err error) {
	if len(r.Sealed) == 0 || len(r.fluxes) == 0 {
		return nil
	}
	dir, err := os.MkdirTemp("", "gitops-drift-check-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &renderer{Repository: r, dir: dir, builders: make(chan *desired.Builder, atOnce()), origins: map[string]origin{}, reached: map[string]reach{}}
	for range cap(w.builders) {
		builder, release := desired.NewBuilder(&offline{repository: r}, nil).Sharing()
		defer func() { err = errors.Join(err, release()) }()
		w.builders <- builder
	}
	if err := w.resolve(ctx); err != nil {
		return err
	}
	return w.render(ctx)
}

// atOnce is how many builds are under way at a time. More are no faster: of each, kustomize's own part waits for that of all
// others.
func atOnce() int { return min(goruntime.GOMAXPROCS(0), 3) }

// reach returns what a build of f may read; ok is false if its path is not in the repository, but in another one.
func (w *renderer) reach(f *flux) (out reach, ok bool) {
	dir := strings.TrimPrefix(path.Clean("/"+f.object.Spec.Path), "/")
	if dir == "" {
		dir = "."
	}
	if !w.hasFolder(dir) {
		return reach{}, false
	}
	key := dir + "\n" + f.object.Spec.TargetNamespace + "\n" + strings.Join(f.object.Spec.Components, "\n")
	if _, known := w.reached[key]; !known {
		w.reached[key] = w.reachOf(dir, f.object.Spec.TargetNamespace, f.object.Spec.Components)
	}
	return w.reached[key], true
}

// hasFolder reports whether the repository has files in a folder.
func (r *Repository) hasFolder(dir string) bool {
	if dir == "." {
		return len(r.files) > 0
	}
	at, _ := slices.BinarySearch(r.files, dir+"/")
	return at < len(r.files) && strings.HasPrefix(r.files[at], dir+"/")
}

// plain reports whether f changes nothing of what its build reads but namespaces.
func plain(f *flux, what reach) bool {
	spec := f.object.Spec
	for _, patch := range spec.Patches {
		if patch.Target == nil && !otherKinds(patch.Patch) || patch.Target != nil && (!kindName.MatchString(patch.Target.Kind) || matters[patch.Target.Kind]) {
			return false
		}
	}
	return what.plain && spec.NamePrefix == "" && spec.NameSuffix == "" && spec.PostBuild == nil &&
		(spec.CommonMetadata == nil || len(spec.CommonMetadata.Annotations) == 0)
}

// resolve puts Kustomizations as others apply them in the place of those that files declare.
func (w *renderer) resolve(ctx context.Context) error {
	byFile := map[string][]*flux{}
	for _, f := range w.fluxes {
		byFile[f.file] = append(byFile[f.file], f)
	}
	superseded, seen := map[*flux]bool{}, map[string]bool{}
	out := slices.Clone(w.fluxes)
	for i := 0; i < len(out); i++ {
		what, ok := w.reach(out[i])
		applies := false
		for file := range byFile {
			applies = applies || what.mentioned[file]
		}
		if !ok || !applies || plain(out[i], what) {
			continue
		}
		built, err := w.build(ctx, out[i])
		if err != nil {
			return err
		}
		if built.failure != nil {
			w.fail(out[i], built.failure)
		}
		for _, object := range built.objects {
			if object.GroupVersionKind().GroupKind() != fluxKind {
				continue
			}
			raw := declaring(byFile[object.File], object.GetNamespace(), object.GetName())
			ks := &kustomizev1.Kustomization{}
			if raw == nil || runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, ks) != nil {
				continue
			}
			superseded[raw] = true
			if key := raw.file + strconv.Itoa(raw.line) + identity(ks); !seen[key] {
				seen[key] = true
				out = append(out, &flux{file: raw.file, line: raw.line, object: ks, node: raw.node})
			}
		}
	}
	w.fluxes = slices.DeleteFunc(out, func(f *flux) bool { return superseded[f] })
	return nil
}

var fluxKind = kustomizev1.GroupVersion.WithKind(kustomizev1.KustomizationKind).GroupKind()

// identity tells Kustomizations apart that do not apply the same.
func identity(ks *kustomizev1.Kustomization) string {
	text, err := json.Marshal([]any{ks.Namespace, ks.Name, ks.Spec})
	if err != nil {
		panic(err) // it was read from JSON
	}
	return string(text)
}

// declaring returns the Kustomization of a file that is applied under a name, which may have got a prefix and a suffix.
func declaring(candidates []*flux, namespace, name string) *flux {
	for _, f := range candidates {
		if f.object.Name == name && (f.object.Namespace == namespace || f.object.Namespace == "") {
			return f
		}
	}
	for _, f := range candidates {
		if strings.Contains(name, f.object.Name) {
			return f
		}
	}
	return nil
}

// render finds what each Kustomization applies of the repository's SealedSecrets.
func (w *renderer) render(ctx context.Context) error {
	builds := make([]build, len(w.fluxes))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(cap(w.builders))
	for i, f := range w.fluxes {
		what, ok := w.reach(f)
		if !ok || len(w.sealedIn(what)) == 0 || plain(f, what) {
			continue
		}
		if err := w.copy(ctx); err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() (err error) {
			builds[i], err = w.build(within, f)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, f := range w.fluxes {
		if what, ok := w.reach(f); ok && plain(f, what) {
			w.applyPlainly(f, what)
			continue
		}
		if builds[i].failure != nil {
			w.fail(f, builds[i].failure)
		}
		w.applyBuilt(f, builds[i].objects)
	}
	return nil
}

// sealedIn are the SealedSecrets that a build may read.
func (w *renderer) sealedIn(what reach) []*Sealed {
	return slices.DeleteFunc(slices.Clone(w.Sealed), func(s *Sealed) bool { return !what.mentioned[s.File] })
}

// applyPlainly notes what f applies without any change but of namespaces.
func (w *renderer) applyPlainly(f *flux, what reach) {
	for _, s := range w.sealedIn(what) {
		for _, namespace := range what.namespaces(s.File) {
			object := s.Object.DeepCopy()
			if namespace != "" {
				object.Namespace = namespace
			}
			w.apply(f, object, s)
		}
	}
}

// applyBuilt notes what f applies of the SealedSecrets among the objects that were built for it.
func (w *renderer) applyBuilt(f *flux, objects []desired.Object) {
	for _, object := range objects {
		if object.GroupVersionKind().GroupKind() != sealedKind {
			continue
		}
		applied := &v1alpha1.SealedSecret{}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, applied) != nil {
			continue // said of its file
		}
		if strings.Contains(applied.Namespace+applied.Name, "${") {
			w.fail(f, fmt.Errorf("the name of SealedSecret %s/%s has variables that the repository does not know", applied.Namespace, applied.Name))
			continue
		}
		var from []*Sealed
		for item, text := range applied.Spec.EncryptedData {
			if origin, ok := w.origins[text]; ok {
				applied.Spec.EncryptedData[item] = origin.text
				if !slices.Contains(from, origin.sealed) {
					from = append(from, origin.sealed)
				}
			}
		}
		w.apply(f, applied, from...)
	}
}

var sealedKind = v1alpha1.SchemeGroupVersion.WithKind(sealhealth.Kind).GroupKind()

// apply notes that f applies an object whose items are those of SealedSecrets of files.
func (w *renderer) apply(f *flux, object *v1alpha1.SealedSecret, from ...*Sealed) {
	f.applied = append(f.applied, sealhealth.Object{Namespace: object.Namespace, Name: object.Name})
	for _, s := range from {
		s.Applied = append(s.Applied, Applied{Kustomization: f.name(), File: f.file, Line: f.line, Object: object})
	}
}

// build is what became of building a Kustomization: objects, or why there are none.
type build struct {
	objects []desired.Object
	failure error
}

// build returns what f applies. It may be called concurrently once the files are copied. The error is that of ctx, or that
// nothing can be built.
func (w *renderer) build(ctx context.Context, f *flux) (build, error) {
	if err := w.copy(ctx); err != nil {
		return build{}, err
	}
	ks := f.object.DeepCopy()
	// Where it is applied does not matter, nor which program is named as the builder.
	ks.Spec.KubeConfig, ks.Spec.BuildMetadata = nil, nil
	for i := range ks.Spec.Patches {
		inline := &yaml.Node{Value: ks.Spec.Patches[i].Patch}
		maskInline(inline)
		ks.Spec.Patches[i].Patch = inline.Value
	}
	builder := <-w.builders
	defer func() { w.builders <- builder }()
	state, err := builder.BuildCheckout(ctx, ks, w.dir)
	if err != nil && ks.Spec.PostBuild != nil {
		// The cluster may know variables that the repository does not. Where they decide about a name is seen in it.
		ks.Spec.PostBuild = nil
		state, err = builder.BuildCheckout(ctx, ks, w.dir)
	}
	switch {
	case ctx.Err() != nil:
		return build{}, ctx.Err()
	case err != nil:
		return build{failure: fmt.Errorf("what it applies cannot be built: %s", strings.ReplaceAll(err.Error(), w.dir, w.root))}, nil
	}
	return build{objects: state.Objects}, nil
}

// fail notes what cannot be told of f.
func (w *renderer) fail(f *flux, err error) {
	w.Errors = append(w.Errors, Error{File: f.file, Line: f.line, Err: fmt.Errorf("Kustomization %s: %w", f.name(), err)})
}
