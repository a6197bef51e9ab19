package sealcheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/fluxcd/pkg/sourceignore"
	"go.yaml.in/yaml/v3"
)

// copy writes the files that builds may read below w.dir, once something has to be built, with marks in place of ciphertexts and
// nothing in place of values.
func (w *renderer) copy(ctx context.Context) error {
	if w.copied {
		return nil
	}
	w.copied = true
	if err := w.copyFiles(ctx); err != nil {
		return fmt.Errorf("the repository cannot be copied to build what Flux applies: %w", err)
	}
	return nil
}

func (w *renderer) copyFiles(ctx context.Context) error {
	sealed, secrets := map[string][]*Sealed{}, map[string][]node{}
	for _, s := range w.Sealed {
		sealed[s.File] = append(sealed[s.File], s)
	}
	for _, n := range w.secrets {
		secrets[n.file] = append(secrets[n.file], n)
	}
	values := map[string]bool{} // files that generators make Secrets of
	w.eachGenerator(func(file string, _ int, generator *yaml.Node) {
		for _, input := range inputs(path.Dir(file), generator) {
			values[input.file] = true
		}
	})
	named := w.named()
	for _, file := range w.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !manifest(file) && !named[file] && path.Base(file) != sourceignore.IgnoreFile {
			continue
		}
		text := w.texts[file]
		if text == nil && !values[file] {
			var err error
			if text, err = w.source.ReadFile(file); errors.Is(err, fs.ErrNotExist) {
				continue // deleted meanwhile
			} else if err != nil {
				return err
			}
		}
		to := filepath.Join(w.dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(to, w.mark(text, sealed[file], secrets[file]), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// named are the files that files of kustomize name.
func (r *Repository) named() map[string]bool {
	f := &follower{r, reach{mentioned: map[string]bool{}}, map[string]bool{}}
	for dir := range r.kustomizations {
		f.mention(dir)
	}
	return f.mentioned
}

// mark puts marks in place of the ciphertexts of a file, and leaves no value of a Secret in it, which would stay behind if
// this program were killed.
func (w *renderer) mark(text []byte, sealed []*Sealed, secrets []node) []byte {
	var out []byte
	for _, p := range parts(text) {
		alone := false // a Secret or a SealedSecret is the whole document
		for _, n := range secrets {
			if n.above == p.above && n.at == n.root {
				p.text, alone = append([]byte("---\n"), append(maskedSecret(n.json), '\n')...), true
			}
		}
		for _, s := range sealed {
			if s.node.above != p.above {
				continue
			}
			alone = alone || s.node.at == s.node.root
			for _, item := range slices.Sorted(maps.Keys(s.Object.Spec.EncryptedData)) {
				ciphertext := s.Object.Spec.EncryptedData[item]
				if len(ciphertext) < leastCiphertext {
					continue // it is none, and may stand elsewhere too
				}
				mark := "sealed-item-" + strconv.Itoa(len(w.origins))
				w.origins[mark], w.origins[ciphertext] = origin{s, ciphertext}, origin{s, ciphertext}
				p.text = bytes.ReplaceAll(p.text, []byte(ciphertext), []byte(mark))
			}
		}
		if !alone {
			p.text = masked(p.text)
		}
		out = append(out, p.text...)
	}
	return out
}

// leastCiphertext is shorter than any item: the shortest key has 1024 bits.
const leastCiphertext = 128
