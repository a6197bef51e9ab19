package desired

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/types"
)

// CheckoutRevision is the revision of a state that was built from the working tree at dir.
func CheckoutRevision(dir string) string { return "checkout " + dir }

// BuildCheckout returns the state that Flux would apply for ks if its source had the content of the working tree at dir,
// the root of the repository, changes that are not committed included. The tree is copied as source-controller would
// pack it: without what .sourceignore files and the source's spec.ignore leave out, without .git and symbolic links, with
// what spec.include puts into it. Nothing is written into it.
func (b *Builder) BuildCheckout(ctx context.Context, ks *kustomizev1.Kustomization, dir string) (*State, error) {
	if ks.Spec.KubeConfig != nil {
		return nil, ErrElsewhere
	}
	// A folder's name is no digest.
	root, release, err := b.tree("checkout "+sourceName(ks)+" "+dir, func() (string, error) { return b.copyCheckout(ctx, ks, dir) })
	if err != nil {
		return nil, err
	}
	return b.build(ctx, ks, CheckoutRevision(dir), root, release)
}

// packing is what the source of a Kustomization says about the content of its artifacts.
type packing struct {
	ignore *string
	// sparse are the folders that are checked out; all if there are none.
	sparse   []string
	includes []sourcev1.GitRepositoryInclude
	// included are the artifacts that source-controller included last, one for each of includes.
	included []*meta.Artifact
}

func (b *Builder) packing(ctx context.Context, ks *kustomizev1.Kustomization) (packing, error) {
	source, err := b.source(ctx, ks)
	if err != nil {
		return packing{}, err
	}
	switch source := source.(type) {
	case *sourcev1.GitRepository:
		return packing{source.Spec.Ignore, source.Spec.SparseCheckout, source.Spec.Include, source.Status.IncludedArtifacts}, nil
	case *sourcev1.OCIRepository:
		return packing{ignore: source.Spec.Ignore}, nil
	case *sourcev1.Bucket:
		return packing{ignore: source.Spec.Ignore}, nil
	}
	return packing{}, nil
}

func (b *Builder) copyCheckout(ctx context.Context, ks *kustomizev1.Kustomization, dir string) (root string, err error) {
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(from); err != nil {
		return "", fmt.Errorf("the checkout cannot be read: %w", err)
	} else if !info.IsDir() {
		return "", fmt.Errorf("the checkout %s is no folder", dir)
	}
	packing, err := b.packing(ctx, ks)
	if err != nil {
		return "", err
	}
	if root, err = os.MkdirTemp("", "gitops-drift-build-"); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("the checkout %s cannot be read: %w", dir, err), os.RemoveAll(root))
		}
	}()
	// The names that patterns are relative to.
	domain := []string{"checkout"}
	patterns, err := sourceignore.LoadIgnorePatterns(from, domain)
	if err != nil {
		return "", err
	}
	included, err := b.fetchIncluded(ctx, ks, packing)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, included.remove()) }()
	for _, i := range included {
		more, err := sourceignore.LoadIgnorePatterns(i.dir, append(slices.Clone(domain), strings.Split(i.to, "/")...))
		if err != nil {
			return "", err
		}
		patterns = append(patterns, more...)
	}
	if packing.ignore != nil {
		patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(*packing.ignore), domain)...)
	}
	copier := treeCopier{to: root, domain: domain, matcher: sourceignore.NewDefaultMatcher(patterns, domain), left: maxUntarBytes}
	if err := copier.copy(ctx, from, ".", packing.sparse); err != nil {
		return "", err
	}
	for _, i := range included {
		if err := copier.copy(ctx, i.dir, i.to, nil); err != nil {
			return "", err
		}
	}
	return root, nil
}

// includes are the folders of other repositories that a source includes.
type includes []include

type include struct {
	// tree is what is to be removed, dir the folder of it that is included, to its slash-separated place.
	tree, dir, to string
}

func (i includes) remove() error {
	var errs []error
	for _, one := range i {
		errs = append(errs, os.RemoveAll(one.tree))
	}
	return errors.Join(errs...)
}

// fetchIncluded fetches what the source of ks includes, as source-controller did last.
func (b *Builder) fetchIncluded(ctx context.Context, ks *kustomizev1.Kustomization, packing packing) (out includes, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, out.remove())
		}
	}()
	for n, spec := range packing.includes {
		var artifact *meta.Artifact
		if n < len(packing.included) {
			artifact = packing.included[n]
		}
		if artifact == nil {
			var repository sourcev1.GitRepository
			key := types.NamespacedName{Namespace: sourceKey(ks).Namespace, Name: spec.GitRepositoryRef.Name}
			if err := b.client.Get(ctx, key, &repository); err != nil {
				return out, fmt.Errorf("GitRepository %s, which %s includes, cannot be read: %w", key, sourceName(ks), err)
			}
			if artifact = repository.Status.Artifact; artifact == nil {
				return out, fmt.Errorf("GitRepository %s, which %s includes, has no artifact yet", key, sourceName(ks))
			}
		}
		tree, err := b.unpack(ctx, artifact, "GitRepository "+spec.GitRepositoryRef.Name)
		if err != nil {
			return out, err
		}
		dir, err := securejoin.SecureJoin(tree, spec.GetFromPath())
		if err != nil {
			return out, errors.Join(err, os.RemoveAll(tree))
		}
		to := path.Clean("/" + filepath.ToSlash(spec.GetToPath()))[1:] // stays below the root
		out = append(out, include{tree: tree, dir: dir, to: to})
	}
	return out, nil
}

// treeCopier copies trees as source-controller packs them.
type treeCopier struct {
	to      string
	domain  []string
	matcher gitignore.Matcher
	// left is how many bytes may still be copied.
	left int64
}

// copy copies the tree at from to the slash-separated place at below the copier's root; of sparse trees only what is below one of
// the folders.
func (c *treeCopier) copy(ctx context.Context, from, at string, sparse []string) (err error) {
	source, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	return fs.WalkDir(source.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if entry.Name() == ".git" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() || !within(name, sparse) {
			return nil
		}
		place := path.Join(at, name)
		if c.matcher.Match(append(slices.Clone(c.domain), strings.Split(place, "/")...), false) {
			return nil
		}
		return c.file(source, name, place)
	})
}

func (c *treeCopier) file(source *os.Root, name, place string) (err error) {
	in, err := source.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	to := filepath.Join(c.to, filepath.FromSlash(place))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	n, err := io.Copy(out, io.LimitReader(in, c.left+1))
	if c.left -= n; err == nil && c.left < 0 {
		err = fmt.Errorf("it has more than %d bytes of files that are not ignored; leave some out with .sourceignore", int64(maxUntarBytes))
	}
	return err
}

// within reports whether a sparse checkout of these folders has the file.
func within(name string, sparse []string) bool {
	return len(sparse) == 0 || slices.ContainsFunc(sparse, func(folder string) bool {
		return strings.HasPrefix(name, path.Clean(strings.TrimPrefix(folder, "/")))
	})
}
