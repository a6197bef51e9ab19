package desired

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/kustomize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitops-drift/gitops-drift/pkg/origin"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// Cache keeps built states in a folder, so that the same artifact, spec and variables need not be fetched and built
// again. States that hold values of Secrets are not kept, nor is anything that they are built from; nor are those for which more
// had to be read from the cluster than variables. What cannot be read
// or written is built as without a cache. Any number of processes may share a folder.
type Cache struct {
	// Dir is made where it is missing, for its owner alone.
	Dir string
	// Program tells apart the programs that build: what one has built is not for another.
	Program string
}

const (
	// cacheLife is how long a state is kept that nobody asks for.
	cacheLife = 7 * 24 * time.Hour
	// touched is how old the note of the last use may become.
	touched = time.Hour
	suffix  = ".state"
)

// cached is a State as it is written. The names of what it is for are in its key.
type cached struct {
	Digest  string
	Objects []cachedObject
	Sources []byte
}

type cachedObject struct {
	File      string
	Encrypted bool
	Text      []byte
}

// WithCache returns a Builder that looks into cache before it builds what a source offers, and otherwise is b.
func (b *Builder) WithCache(cache *Cache) *Builder {
	out := *b
	out.cache = cache
	return &out
}

// cacheKey is what the state of ks is built from, as one word; empty where it must not be kept.
func (b *Builder) cacheKey(ctx context.Context, ks *kustomizev1.Kustomization, artifact *meta.Artifact) (string, error) {
	if b.cache == nil || artifact.Digest == "" {
		return "", nil
	}
	variables := map[string]string{}
	if build := ks.Spec.PostBuild; build != nil {
		for _, from := range build.SubstituteFrom {
			if from.Kind == "Secret" {
				return "", nil
			}
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ks)
		if err != nil {
			return "", err
		}
		if variables, err = kustomize.LoadVariables(ctx, b.client, unstructured.Unstructured{Object: content}); err != nil {
			return "", nil // Building says what is wrong with them.
		}
	}
	text, err := json.Marshal([]any{b.cache.Program, ks.Namespace, ks.Name, ks.Spec, artifact.Revision, artifact.Digest, variables})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// load returns what save kept; nil if there is nothing.
func (c *Cache) load(key string, ks *kustomizev1.Kustomization, artifact *meta.Artifact) *State {
	file := filepath.Join(c.Dir, key+suffix)
	text, err := os.ReadFile(file) //nolint:gosec // The user's own cache.
	if err != nil || len(text) < sha256.Size {
		return nil
	}
	if sum := sha256.Sum256(text[sha256.Size:]); !bytes.Equal(sum[:], text[:sha256.Size]) {
		return nil
	}
	var in cached
	if err := gob.NewDecoder(bytes.NewReader(text[sha256.Size:])).Decode(&in); err != nil {
		return nil
	}
	state := &State{
		Owner:    ownership.Owner{Kind: ownership.Kustomization, Namespace: ks.Namespace, Name: ks.Name},
		Revision: artifact.Revision, Generation: ks.Generation, Digest: in.Digest, Hidden: &redact.Values{}, Sources: &origin.Sources{},
	}
	if err := state.Sources.UnmarshalBinary(in.Sources); err != nil {
		return nil
	}
	for _, object := range in.Objects {
		content, err := decodeObject(object.Text)
		if err != nil {
			return nil
		}
		state.Objects = append(state.Objects, Object{Unstructured: content, File: object.File, Encrypted: object.Encrypted})
	}
	if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > touched {
		now := time.Now()
		_ = os.Chtimes(file, now, now) // At worst it is built again.
	}
	return state
}

// save keeps a state that holds no values of Secrets, and nothing but what was built.
func (c *Cache) save(key string, state *State) error {
	if state.learned || !state.Hidden.Empty() || holdsSecrets(state) {
		return nil
	}
	out := cached{Digest: state.Digest}
	var err error
	if out.Sources, err = state.Sources.MarshalBinary(); err != nil {
		return err
	}
	for _, object := range state.Objects {
		packed, err := pack(object)
		if err != nil {
			return err
		}
		out.Objects = append(out.Objects, cachedObject{File: packed.file, Encrypted: packed.encrypted, Text: packed.text})
	}
	text := bytes.NewBuffer(make([]byte, sha256.Size))
	if err := gob.NewEncoder(text).Encode(out); err != nil {
		return err
	}
	sum := sha256.Sum256(text.Bytes()[sha256.Size:])
	copy(text.Bytes(), sum[:])
	return c.write(key, text.Bytes())
}

// write puts a file into the folder, whole or not at all, and removes what has not been used for long.
func (c *Cache) write(key string, text []byte) (err error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	c.prune()
	file, err := os.CreateTemp(c.Dir, key+".*") // For its owner alone.
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if _, err := file.Write(text); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(c.Dir, key+suffix))
}

func (c *Cache) prune() {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > cacheLife {
			_ = os.Remove(filepath.Join(c.Dir, entry.Name())) // Another process may have been faster.
		}
	}
}
