package sealdoc

import (
	"errors"
	"fmt"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// Resealed is what became of one SealedSecret.
type Resealed struct {
	Namespace, Name string
	// Changed: the document is another one now. It was not if it was sealed with the certificate already.
	Changed bool
	// Items is how many items are sealed anew; none where only the record was missing.
	Items int
}

// Reseal seals all items of a SealedSecret anew, with the sealer's certificate in place of whichever key opens them now. A
// document whose record says that it is sealed so already stays as it is, so that what was interrupted can go on. If one item
// does not open, nothing is changed, and the error names all that do not.
func (s *Sealer) Reseal(d *yamledit.Document, keys sealkey.Keyring) (Resealed, error) {
	sealed, target, err := s.read(d)
	if err != nil {
		return Resealed{}, err
	}
	out := Resealed{Namespace: target.Namespace, Name: target.Name}
	if Recorded(sealed) == Intact && sealed.Annotations[seal.CertificateAnnotation] == s.Certificate.Fingerprint {
		return out, nil
	}
	var errs []error
	values := map[string][]byte{} // of those that another key opens
	for _, key := range sorted(sealed.Spec.EncryptedData) {
		by, value, err := openWith(keys, target, sealed.Spec.EncryptedData[key])
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("line %d: SealedSecret %s: item %s %w", itemLine(d, key), name(sealed.Namespace, sealed.Name), key, err))
		case by != s.Certificate.Fingerprint:
			values[key] = value
		}
	}
	if len(errs) > 0 {
		return out, errors.Join(errs...)
	}
	changed, err := yamledit.NewDocument(d.Text())
	if err != nil {
		return out, err
	}
	items := map[string]string{}
	for key := range values {
		item, err := seal.Item(s.Certificate.Key, target, values[key])
		if err != nil {
			return out, err
		}
		items[key] = item
	}
	if err := write(changed, sealed, items); err != nil {
		return out, err
	}
	if err := record(changed, s.Certificate.Fingerprint); err != nil {
		return out, err
	}
	out.Changed, out.Items = true, len(values)
	return out, d.Replace(changed.Text())
}
