package sealcheck

import (
	"fmt"
	"maps"
	"strings"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// judge is what SealedSecrets are held against.
type judge struct {
	config *sealconfig.Config

	// keys are the pinned certificates that were read, by their names.
	keys   map[string]*sealkey.Certificate
	report *Report
}

// object names a SealedSecret for people.
func (s *Sealed) object() string { return "SealedSecret " + s.Name() }

func (j *judge) add(s *Sealed, kind Kind, item, message, advice string, path ...string) {
	j.report.Findings = append(j.report.Findings, Finding{
		Kind: kind, File: s.File, Line: s.node.line(path...), Object: s.object(), Item: item, Message: message, Advice: advice,
	})
}

// key returns the pinned certificate of a name, nil if its file cannot be read, which is an error once.
func (j *judge) key(pinned *sealconfig.Certificate) *sealkey.Certificate {
	key, known := j.keys[pinned.Name]
	if !known {
		var err error
		if key, err = j.config.Read(pinned); err != nil {
			j.report.Errors = append(j.report.Errors, Error{File: sealconfig.FileName, Err: err})
		}
		j.keys[pinned.Name] = key
	}
	return key
}

// sealed judges one SealedSecret by its file.
func (j *judge) sealed(s *Sealed, choice sealconfig.Choice) {
	items := s.items()
	for item, text := range items {
		if _, ok := s.Object.Spec.EncryptedData[item]; !ok || text == "" {
			j.add(s, Edited, item, "is no text, so the controller drops it", "seal it again", "spec", "encryptedData", item)
		}
	}
	if s.Object.Spec.Data != nil {
		j.add(s, Edited, "", "it is in the deprecated form that has one ciphertext for all, spec.data", "seal the Secret again", "spec", "data")
		return
	}
	if len(items) == 0 {
		return // a patch of something else, or a template alone: there is nothing to open
	}
	fingerprints := j.fingerprints(s, choice)
	for item, text := range s.Object.Spec.EncryptedData {
		j.ciphertext(s, item, text, fingerprints)
	}
	if sealdoc.Recorded(s.Object) == sealdoc.Broken {
		j.add(s, Edited, "", "it was changed since it was sealed, an item or the name, namespace or scope that the items are bound to: the digest in its annotations is another",
			"put that back; change items with kubectl gitops-seal set, and seal the Secret again to rename it", "metadata", "annotations", seal.DigestAnnotation)
	}
	if bytes := seal.ValuesOf(s.Object.Spec.EncryptedData); bytes > seal.MaxValues {
		j.add(s, TooLarge, "", fmt.Sprintf("its values have %d bytes, and no API server takes a Secret of more than %d", bytes, seal.MaxValues), "split it", "spec", "encryptedData")
	} else if bytes := seal.StoredBytes(s.Object); bytes > seal.MaxObject {
		j.add(s, TooLarge, "", fmt.Sprintf("it has about %d bytes when it is stored, and API servers store no object of more than %d, unless their etcd is told otherwise", bytes, seal.MaxObject),
			"split it", "spec", "encryptedData")
	}
	j.template(s)
}

// items are the keys of spec.encryptedData as they stand in the file, with their texts, which are empty for what is none.
func (s *Sealed) items() map[string]string {
	_, spec := entry(s.node.at, "spec")
	_, data := entry(spec, "encryptedData")
	out := maps.Clone(map[string]string(s.Object.Spec.EncryptedData))
	if out == nil {
		out = map[string]string{}
	}
	if data != nil {
		for i := 0; i+1 < len(data.Content); i += 2 {
			if key := data.Content[i].Value; out[key] == "" {
				out[key] = ""
			}
		}
	}
	return out
}

// fingerprints judges the annotation that says which key an object was sealed with, and returns the keys that its items
// may have been sealed with; none if that is unknown, or wrong already.
func (j *judge) fingerprints(s *Sealed, choice sealconfig.Choice) []string {
	annotation := s.Object.Annotations[seal.CertificateAnnotation]
	found := seal.Fingerprints(annotation)
	if len(found) == 0 {
		j.add(s, UnknownKey, "", "it does not say which key it was sealed with",
			"seal it with kubectl gitops-seal, or let kubectl gitops-seal reseal note the key", "metadata", "name")
		return []string{choice.Certificate.Fingerprint}
	}
	place := []string{"metadata", "annotations", seal.CertificateAnnotation}
	sound := true
	for _, fingerprint := range found {
		switch pinned := j.config.Pinned(fingerprint); {
		case pinned == nil:
			j.add(s, UnpinnedKey, "", fmt.Sprintf("it was sealed with %s, which %s does not pin", fingerprint, sealconfig.FileName),
				"seal it with the pinned certificate: kubectl gitops-seal reseal", place...)
			sound = false
		case pinned.Name != choice.Certificate.Name && pinned.Retired == "":
			j.add(s, WrongKey, "", fmt.Sprintf("it was sealed with certificate %q, and %s is to be sealed with %q", pinned.Name, folder(choice), choice.Certificate.Name),
				"kubectl gitops-seal reseal", place...)
			sound = false
		}
	}
	if !sound {
		return nil
	}
	return found
}

func folder(choice sealconfig.Choice) string {
	if choice.Rule == "" {
		return "its folder"
	}
	return choice.Rule
}

// ciphertext judges one item by what it shows without a key.
func (j *judge) ciphertext(s *Sealed, item, text string, fingerprints []string) {
	place := []string{"spec", "encryptedData", item}
	if text == "" {
		return // said already
	}
	envelope, err := seal.Inspect(text)
	if err != nil {
		j.add(s, Edited, item, err.Error(), "seal it again: kubectl gitops-seal set", place...)
		return
	}
	var sizes []string
	for _, fingerprint := range fingerprints {
		pinned := j.config.Pinned(fingerprint)
		if pinned == nil {
			return
		}
		key := j.key(pinned)
		if key == nil || !envelope.RulesOut(key.Key) {
			return
		}
		sizes = append(sizes, fmt.Sprintf("%s of %d bits", fingerprint, key.Key.Size()*8))
	}
	if len(sizes) == 0 {
		return
	}
	j.add(s, WrongKey, item, fmt.Sprintf("cannot have been sealed with %s: its key has %d bits%s", strings.Join(sizes, " or "), envelope.KeyBytes*8, sameSize(sizes, envelope)),
		"seal it again: kubectl gitops-seal set", place...)
}

// sameSize explains what the sizes do not.
func sameSize(sizes []string, envelope *seal.Envelope) string {
	for _, size := range sizes {
		if strings.HasSuffix(size, fmt.Sprintf(" of %d bits", envelope.KeyBytes*8)) {
			return ", and another modulus"
		}
	}
	return ""
}

// template judges the parts of a template that nobody may change alone.
func (j *judge) template(s *Sealed) {
	own, template := v1alpha1.SecretScope(s.Object), v1alpha1.SecretScope(&s.Object.Spec.Template)
	if own != template && hasScope(s.Object.Annotations) && hasScope(s.Object.Spec.Template.Annotations) {
		j.add(s, Renamed, "", fmt.Sprintf("its annotations say %s and those of its template %s", own.String(), template.String()),
			"seal it again in the scope that it is to have", "metadata", "annotations")
	}
	for place, annotations := range map[string]map[string]string{"metadata": s.Object.Annotations, "template": s.Object.Spec.Template.Annotations} {
		if strings.Contains(annotations[corev1.LastAppliedConfigAnnotation], `"kind":"Secret"`) {
			j.add(s, Plaintext, "", fmt.Sprintf("the annotation %s in its %s quotes the Secret that it was made of", corev1.LastAppliedConfigAnnotation, place),
				"remove the annotation, and change the values: they are in git's history", "metadata")
		}
	}
}

func hasScope(annotations map[string]string) bool {
	return annotations[v1alpha1.SealedSecretClusterWideAnnotation] != "" || annotations[v1alpha1.SealedSecretNamespaceWideAnnotation] != ""
}

// renamed judges a SealedSecret by how it is applied. The controller opens it as what it is in the cluster.
func (j *judge) renamed(s *Sealed, choice sealconfig.Choice) {
	if len(s.Object.Spec.EncryptedData) == 0 {
		return
	}
	sealedFor := s.For(choice.Namespace)
	own := seal.TargetOf(s.Object)
	if len(s.Applied) == 0 {
		// Nobody but people renames it.
		if own.Namespace != "" && !opensAs(sealedFor, own) || own.Namespace == "" && own.Name != sealedFor.Name && own.Scope == seal.Strict {
			j.add(s, Renamed, "", fmt.Sprintf("it seems to be sealed for %s, as its template says, and is %s", sealedFor, own), advice(own), "metadata", "name")
		}
		return
	}
	if sealedFor.Namespace == "" {
		sealedFor.Namespace = seal.TargetOf(s.Applied[0].Object).Namespace
	}
	said := map[string]bool{}
	for _, applied := range s.Applied {
		target := seal.TargetOf(applied.Object)
		if target.Namespace == "" {
			target.Namespace = sealedFor.Namespace
		}
		if opensAs(sealedFor, target) || said[target.String()] {
			continue
		}
		said[target.String()] = true
		j.add(s, Renamed, "", fmt.Sprintf("it is sealed for %s, and Kustomization %s (%s:%d) applies it as %s", sealedFor, applied.Kustomization, applied.File, applied.Line, target),
			advice(target), "metadata", "name")
	}
}

func advice(target seal.Target) string {
	if target.Scope != seal.Strict {
		return "seal it again for where it is applied"
	}
	return "seal it again for " + target.String() + ", or in a wider scope"
}

// opensAs reports whether what was sealed for one target opens as another one.
func opensAs(sealedFor, target seal.Target) bool {
	switch {
	case sealedFor.Scope != target.Scope:
		return false
	case target.Scope == seal.ClusterWide:
		return true
	case target.Scope == seal.NamespaceWide:
		return sealedFor.Namespace == target.Namespace
	}
	return sealedFor.Namespace == target.Namespace && sealedFor.Name == target.Name
}
