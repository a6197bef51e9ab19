package desired

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/fluxcd/pkg/apis/meta"
)

// checkouts are the trees that a Builder has unpacked or copied: artifacts by digest, working trees by name.
type checkouts struct {
	mu    sync.Mutex
	trees map[string]*checkout
}

// checkout is an unpacked artifact or a copied working tree. A build writes into it and undoes that, so it is held by one at a time.
type checkout struct {
	mu   sync.Mutex
	root string
}

// Sharing returns a Builder that unpacks each artifact once, however many Kustomizations build from it, and a
// function that removes what it unpacked; the Builder must not be used any more then.
func (b *Builder) Sharing() (*Builder, func() error) {
	shared := &checkouts{trees: map[string]*checkout{}}
	out := *b
	out.shared = shared
	return &out, shared.remove
}

func (c *checkouts) remove() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, tree := range c.trees {
		if tree.root != "" {
			errs = append(errs, os.RemoveAll(tree.root))
		}
	}
	return errors.Join(errs...)
}

func (c *checkouts) tree(digest string) *checkout {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trees[digest] == nil {
		c.trees[digest] = &checkout{}
	}
	return c.trees[digest]
}

// checkout returns a folder with the content of the artifact, and what gives it back.
func (b *Builder) checkout(ctx context.Context, artifact *meta.Artifact, source string) (root string, release func() error, err error) {
	return b.tree(artifact.Digest, func() (string, error) { return b.unpack(ctx, artifact, source) })
}

// tree returns the folder that unpack makes, which is made once for a key where folders are shared, and what gives it
// back.
func (b *Builder) tree(key string, unpack func() (string, error)) (root string, release func() error, err error) {
	if b.shared == nil {
		root, err = unpack()
		return root, func() error { return os.RemoveAll(root) }, err
	}
	tree := b.shared.tree(key)
	tree.mu.Lock()
	if tree.root == "" {
		if tree.root, err = unpack(); err != nil {
			tree.mu.Unlock()
			return "", nil, err
		}
	}
	return tree.root, func() error { tree.mu.Unlock(); return nil }, nil
}

func (b *Builder) unpack(ctx context.Context, artifact *meta.Artifact, source string) (string, error) {
	root, err := os.MkdirTemp("", "gitops-drift-build-")
	if err != nil {
		return "", err
	}
	if err := b.fetcher.Fetch(ctx, artifact, root); err != nil {
		return "", errors.Join(fmt.Errorf("the artifact of %s cannot be fetched: %w", source, err), os.RemoveAll(root))
	}
	return root, nil
}
