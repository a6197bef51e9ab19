package sealdoc

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// Into is what became of a Secret that was sealed into a file.
type Into struct {
	Target seal.Target
	// New: the file had no SealedSecret of that name; the Secret's document has become one, to be appended.
	New bool
	// Changed are the items that were sealed or removed; Kept is how many have the ciphertext that they had.
	Changed []string
	Kept    int
}

func (i Into) String() string {
	switch {
	case i.New:
		return fmt.Sprintf("added %s", i.Target)
	case len(i.Changed) == 0:
		return fmt.Sprintf("%s is what it was", i.Target)
	}
	return fmt.Sprintf("%s: changed %s, kept %d", i.Target, strings.Join(i.Changed, ", "), i.Kept)
}

// SealInto makes the SealedSecret of a file that has the name of a Secret what the Secret says: items, labels, annotations, type,
// immutable. Items that keys open and that have the same value keep their ciphertext. What the Secret does not say is removed
// from the items, and stays in the rest. Where the file has no such SealedSecret, the Secret's own document becomes it.
func (s *Sealer) SealInto(file *yamledit.File, from *yamledit.Document, scope Scope, keys sealkey.Keyring) (Into, []string, error) {
	secret, err := ReadSecret(from)
	if err != nil {
		return Into{}, nil, err
	}
	explicit := scope.Forced || ssv1alpha1.SecretScope(secret) != seal.Strict
	if err := s.prepare(secret, scope); err != nil {
		return Into{}, nil, lineError(from, "%w", err)
	}
	target := seal.Target{Namespace: secret.Namespace, Name: secret.Name, Scope: ssv1alpha1.SecretScope(secret)}
	d, sealed, err := s.find(file, target)
	if err != nil {
		return Into{}, nil, err
	}
	if d == nil {
		remarks, err := s.Seal(from, scope)
		return Into{Target: target, New: true, Changed: sorted(secret.Data)}, remarks, err
	}
	own := seal.TargetOf(sealed).Scope
	if explicit && own != target.Scope {
		return Into{}, nil, fmt.Errorf("SealedSecret %s is sealed in scope %s there, but would be in %s; remove it from the file to change its scope",
			name(target.Namespace, target.Name), own.String(), target.Scope.String())
	}
	target.Scope = own
	changed, err := s.SetAll(d, keys, secret.Data)
	if err != nil {
		return Into{}, nil, err
	}
	kept := 0
	for key := range secret.Data {
		if !slices.Contains(changed, key) {
			kept++
		}
	}
	return Into{Target: target, Changed: changed, Kept: kept}, nil, s.template(d, sealed, secret, target.Scope)
}

// find finds the SealedSecret of a file that a target is.
func (s *Sealer) find(file *yamledit.File, target seal.Target) (*yamledit.Document, *ssv1alpha1.SealedSecret, error) {
	for _, d := range file.Documents() {
		if Kind(d) != SealedSecretKind {
			continue
		}
		sealed, err := Read(d)
		if err != nil {
			return nil, nil, err
		}
		if sealed.Name == target.Name && (sealed.Namespace == target.Namespace || sealed.Namespace == "" && (s.Namespace == target.Namespace || sealed.Spec.Template.Namespace == target.Namespace)) {
			return d, sealed, nil
		}
	}
	return nil, nil, nil
}

// template brings the template up to a Secret.
func (s *Sealer) template(d *yamledit.Document, before *ssv1alpha1.SealedSecret, secret *corev1.Secret, scope seal.Scope) error {
	want, err := s.sealedTemplate(secret, scope)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		key      string
		old, new map[string]string
	}{
		{"labels", before.Spec.Template.Labels, want.Labels},
		{"annotations", before.Spec.Template.Annotations, want.Annotations},
	} {
		for _, key := range sorted(part.new) {
			if old, ok := part.old[key]; !ok || old != part.new[key] {
				if err := d.Set(part.new[key], "spec", "template", "metadata", part.key, key); err != nil {
					return err
				}
			}
		}
	}
	if want.Type != "" && want.Type != before.Spec.Template.Type {
		return d.Set(string(want.Type), "spec", "template", "type")
	}
	if immutable := want.Immutable != nil && *want.Immutable; immutable != (before.Spec.Template.Immutable != nil && *before.Spec.Template.Immutable) {
		return fmt.Errorf("immutable of SealedSecret %s differs; change spec.template.immutable in the file", name(secret.Namespace, secret.Name))
	}
	return nil
}

func (s *Sealer) sealedTemplate(secret *corev1.Secret, scope seal.Scope) (*ssv1alpha1.SecretTemplateSpec, error) {
	copied := secret.DeepCopy()
	copied.Data = nil
	copied.Annotations = ssv1alpha1.UpdateScopeAnnotations(copied.Annotations, scope)
	sealed, err := s.sealed(copied)
	if err != nil {
		return nil, err
	}
	return &sealed.Spec.Template, nil
}

// Append is the text of a file with documents behind its own.
func Append(file *yamledit.File, documents []*yamledit.Document) ([]byte, error) {
	text := string(file.Bytes())
	for _, d := range documents {
		more := d.Text()
		switch {
		case strings.TrimSpace(text) == "":
			text = more
			continue
		case isJSON(d) || strings.HasPrefix(strings.TrimSpace(text), "{"):
			return nil, errors.New("a second document cannot be added to JSON")
		}
		if !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		if !strings.HasPrefix(more, "---") {
			text += "---\n"
		}
		text += more
	}
	if _, err := yamledit.Parse([]byte(text)); err != nil {
		return nil, err
	}
	return []byte(text), nil
}
