package sealdoc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// Sealer seals with one certificate. It may be used concurrently for different documents.
type Sealer struct {
	Certificate *sealkey.Certificate
	// Namespace is for manifests that do not say theirs; empty: unknown. One that contradicts a manifest is an error.
	Namespace string
}

// errBroken says that the record of a SealedSecret was not true any more before it was changed, so that it was left as it was: a
// record that is written anew would vouch for what something else has changed.
var errBroken = errors.New("it was changed by something else since it was sealed; check goes on saying so until all of them are sealed anew")

// Set seals a value into one item of a SealedSecret, in the SealedSecret's own scope, and adds it if it is not there. It
// returns a remark for people, empty if there is none.
func (s *Sealer) Set(d *yamledit.Document, key string, value []byte) (remark string, err error) {
	if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
		return "", fmt.Errorf("%q cannot be a key of a Secret: %s", key, strings.Join(problems, "; "))
	}
	sealed, target, err := s.read(d)
	if err != nil {
		return "", err
	}
	others := maps.Clone(sealed.Spec.EncryptedData)
	delete(others, key)
	if err := tooLarge(target.Namespace, sealed.Name, seal.ValuesOf(others)+len(value)); err != nil {
		return "", err
	}
	return s.change(d, sealed, len(others) == 0, func() error {
		item, err := seal.Item(s.Certificate.Key, target, value)
		if err != nil {
			return err
		}
		return write(d, sealed, map[string]string{key: item})
	})
}

// Unset removes one item of a SealedSecret. That it is not there is an error.
func (s *Sealer) Unset(d *yamledit.Document, key string) (remark string, err error) {
	sealed, err := Read(d)
	if err != nil {
		return "", err
	}
	if _, ok := sealed.Spec.EncryptedData[key]; !ok {
		return "", fmt.Errorf("SealedSecret %s has no item %s; it has %s", name(sealed.Namespace, sealed.Name), key, list(sorted(sealed.Spec.EncryptedData)))
	}
	return s.change(d, sealed, false, func() error { return d.Delete("spec", "encryptedData", key) })
}

// read reads a document and what its items are sealed for.
func (s *Sealer) read(d *yamledit.Document) (*ssv1alpha1.SealedSecret, seal.Target, error) {
	sealed, err := Read(d)
	if err != nil {
		return nil, seal.Target{}, err
	}
	target, err := TargetOf(sealed, s.Namespace)
	return sealed, target, err
}

// change makes a change and keeps the record true; only says that the changed item is the only one, or all are.
func (s *Sealer) change(d *yamledit.Document, before *ssv1alpha1.SealedSecret, only bool, change func() error) (string, error) {
	state := Recorded(before)
	if err := change(); err != nil {
		return "", err
	}
	fingerprints := seal.Fingerprints(before.Annotations[seal.CertificateAnnotation])
	if s.Certificate != nil {
		fingerprints = append([]string{s.Certificate.Fingerprint}, without(fingerprints, s.Certificate.Fingerprint)...)
	}
	switch {
	case only:
		return "", record(d, s.Certificate.Fingerprint)
	case state == Intact && len(fingerprints) > 0:
		return "", record(d, fingerprints...)
	case state == Broken:
		return errBroken.Error(), nil
	}
	return "", nil
}

// write puts ciphertexts in the places of items' old ones, in their styles.
func write(d *yamledit.Document, before *ssv1alpha1.SealedSecret, items map[string]string) error {
	texts := map[string]string{}
	for key, item := range items {
		n := d.Get("spec", "encryptedData", key)
		if n != nil && n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && strings.HasSuffix(before.Spec.EncryptedData[key], "\n") {
			item += "\n" // which the controller does not mind, and which leaves the line above as it is
		}
		texts[key] = item
	}
	return d.SetEach(texts, "spec", "encryptedData")
}

// Items opens all items of a SealedSecret. The error names every item that does not open, and why, but no values.
func Items(s *ssv1alpha1.SealedSecret, target seal.Target, keys sealkey.Keyring) (map[string][]byte, error) {
	values := map[string][]byte{}
	var errs []error
	foreign := 0
	for _, key := range sorted(s.Spec.EncryptedData) {
		value, err := seal.Open(keys, target, s.Spec.EncryptedData[key])
		if err != nil {
			errs = append(errs, fmt.Errorf("SealedSecret %s: item %s %w", name(s.Namespace, s.Name), key, err))
			if errors.Is(err, seal.ErrNotOpened) {
				foreign++
			}
			continue
		}
		values[key] = value
	}
	recorded := seal.Fingerprints(s.Annotations[seal.CertificateAnnotation])
	if len(errs) > 0 && foreign == len(s.Spec.EncryptedData) && len(recorded) > 0 && !slices.ContainsFunc(recorded, keys.Has) {
		return nil, fmt.Errorf("SealedSecret %s: no item opens: it says that it was sealed with key %s, and the private key given is that of %s",
			name(s.Namespace, s.Name), list(recorded), list(keys.Fingerprints()))
	}
	return values, errors.Join(errs...)
}

// SetAll makes the items of a SealedSecret those of values: what is new or differs is sealed, what is missing is removed, and
// what has the value that it had keeps its ciphertext. Keys are those that open the old items. It returns the keys of items
// that were sealed or removed, sorted.
func (s *Sealer) SetAll(d *yamledit.Document, keys sealkey.Keyring, values map[string][]byte) ([]string, error) {
	sealed, target, err := s.read(d)
	if err != nil {
		return nil, err
	}
	if err := tooLarge(target.Namespace, sealed.Name, valueBytes(values)); err != nil {
		return nil, err
	}
	var changed []string
	items := map[string]string{} // that are sealed anew
	kept := map[string]string{}  // fingerprints of the keys that kept items are sealed with, by item
	for _, key := range sorted(sealed.Spec.EncryptedData) {
		if _, wanted := values[key]; !wanted {
			if err := d.Delete("spec", "encryptedData", key); err != nil {
				return nil, err
			}
			changed = append(changed, key)
		}
	}
	for _, key := range sorted(values) {
		if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
			return nil, fmt.Errorf("%q cannot be a key of a Secret: %s", key, strings.Join(problems, "; "))
		}
		old, there := sealed.Spec.EncryptedData[key]
		if by, value, err := openWith(keys, target, old); there && err == nil && string(value) == string(values[key]) {
			kept[key] = by
			continue
		}
		item, err := seal.Item(s.Certificate.Key, target, values[key])
		if err != nil {
			return nil, err
		}
		items[key] = item
		changed = append(changed, key)
	}
	if err := write(d, sealed, items); err != nil {
		return nil, err
	}
	slices.Sort(changed)
	if len(changed) == 0 && Recorded(sealed) != NoRecord {
		return nil, nil
	}
	fingerprints := slices.Collect(maps.Values(kept))
	if len(kept) < len(values) || len(values) == 0 {
		fingerprints = append([]string{s.Certificate.Fingerprint}, without(fingerprints, s.Certificate.Fingerprint)...)
	}
	if len(changed) == 0 {
		return nil, nil
	}
	return changed, record(d, fingerprints...)
}

// openWith opens an item and says with which key.
func openWith(keys sealkey.Keyring, target seal.Target, item string) (fingerprint string, value []byte, err error) {
	err = seal.ErrNotOpened
	for _, fingerprint := range keys.Fingerprints() {
		one := sealkey.Keyring{fingerprint: keys[fingerprint]}
		if value, err = seal.Open(one, target, item); err == nil {
			return fingerprint, value, nil
		}
	}
	return "", nil, err
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func without(all []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == one })
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
