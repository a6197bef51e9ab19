package sealdoc

import (
	"slices"
	"strings"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// RecordState says whether what sealing left in the annotations of a SealedSecret is still true.
type RecordState int

// States of a record.
const (
	// NoRecord: it was sealed by something else than this program, or before there were records.
	NoRecord RecordState = iota
	// Intact: the items are those that were sealed, under the same name, in the same namespace and scope as far as that binds.
	Intact
	// Broken: something else has changed that since.
	Broken
)

// Recorded holds a SealedSecret against its record.
func Recorded(s *ssv1alpha1.SealedSecret) RecordState {
	digest, ok := s.Annotations[seal.DigestAnnotation]
	switch {
	case !ok:
		return NoRecord
	case digest == seal.Digest(seal.TargetOf(s), s.Spec.EncryptedData):
		return Intact
	}
	return Broken
}

// record writes how the items of a document are sealed now: all of them with known keys, by their fingerprints.
func record(d *yamledit.Document, fingerprints ...string) error {
	s, err := Read(d)
	if err != nil {
		return err
	}
	slices.Sort(fingerprints[1:])
	return annotate(d, map[string]string{
		seal.CertificateAnnotation: strings.Join(slices.Compact(fingerprints), ","),
		seal.DigestAnnotation:      seal.Digest(seal.TargetOf(s), s.Spec.EncryptedData),
	}, "metadata")
}

// annotate sets annotations that are not there yet or differ.
func annotate(d *yamledit.Document, annotations map[string]string, metadata ...string) error {
	for _, key := range sorted(annotations) {
		path := append(slices.Clone(metadata), "annotations", key)
		if n := d.Get(path...); n != nil && n.Value == annotations[key] {
			continue
		}
		if err := d.Set(annotations[key], path...); err != nil {
			return err
		}
	}
	return nil
}
