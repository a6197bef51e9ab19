package sealcheck

import (
	"fmt"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealfleet"
)

// Subjects are the SealedSecrets of the files in the paths, all if there are none, as clusters have them: as Flux applies
// them where a Kustomization does, else as their files say. One that is applied in several ways is there once for each. Those
// without items are left out.
func (r *Repository) Subjects(config *sealconfig.Config, paths ...string) ([]sealfleet.Subject, error) {
	var out []sealfleet.Subject
	seen := map[string]bool{}
	add := func(subject sealfleet.Subject) {
		target := seal.TargetOf(subject.Object)
		key := fmt.Sprint(target, seal.Digest(target, subject.Object.Spec.EncryptedData), subject.Object.Spec.Template.Data)
		if !seen[key] {
			seen[key] = true
			out = append(out, subject)
		}
	}
	for _, s := range r.Sealed {
		if !within(s.File, paths) || len(s.Object.Spec.EncryptedData) == 0 {
			continue
		}
		choice, err := config.At(s.File)
		if err != nil {
			return nil, err
		}
		for _, applied := range s.Applied {
			add(subject(s, applied.Object, choice))
		}
		if len(s.Applied) == 0 {
			add(subject(s, s.Object, choice))
		}
	}
	return out, nil
}

// subject is a SealedSecret in the namespace of its folder, if nothing says another one.
func subject(s *Sealed, object *v1alpha1.SealedSecret, choice sealconfig.Choice) sealfleet.Subject {
	object = object.DeepCopy()
	if object.Namespace == "" {
		object.Namespace = s.For(choice.Namespace).Namespace
	}
	return sealfleet.Subject{File: s.File, Line: s.Line, Certificate: choice.Certificate.Name, Object: object}
}
