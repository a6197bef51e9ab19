package sealdoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/redact"
	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// Scope is what a Secret is sealed in.
type Scope struct {
	seal.Scope
	// Forced: the scope counts though the Secret says another one in its annotations.
	Forced bool
}

// Remarks of Seal.
const (
	// RemarkComment: a comment quoted a value and was taken out.
	RemarkComment = "a comment quoted one of the values; it is left out"
	// RemarkMoved: comments stood where the SealedSecret has no place for them.
	RemarkMoved = "comments that have no place in a SealedSecret stand at its top"
	// RemarkRewritten: the document was written anew.
	RemarkRewritten = "it is written in a way that cannot be kept, so it was written anew"
	// RemarkUncertain: what in the document are comments cannot be told.
	RemarkUncertain = "whether comments of it are lost cannot be told; compare it with what it was"
)

// Seal makes a SealedSecret of a document that is a Secret. Comments, order and style stay; what only the server sets, and copies
// of the whole object in annotations, goes. It returns remarks for people. Errors quote no values, and leave the document as it is.
func (s *Sealer) Seal(d *yamledit.Document, scope Scope) ([]string, error) {
	secret, err := ReadSecret(d)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(secret, scope); err != nil {
		return nil, lineError(d, "%w", err)
	}
	want, err := s.sealed(secret)
	if err != nil {
		return nil, lineError(d, "Secret %s: %w", name(secret.Namespace, secret.Name), err)
	}
	return s.become(d, want, secret.Data)
}

// prepare completes a Secret to what is sealed, and checks that it can be.
func (s *Sealer) prepare(secret *corev1.Secret, scope Scope) error {
	if secret.Name == "" {
		if secret.GenerateName != "" {
			return errors.New("the Secret has a generateName; what is sealed needs a name")
		}
		return errors.New("the Secret has no metadata.name")
	}
	switch {
	case secret.Namespace == "":
		secret.Namespace = s.Namespace
	case s.Namespace != "" && s.Namespace != secret.Namespace:
		return fmt.Errorf("Secret %s is in namespace %s, but should be in %s", secret.Name, secret.Namespace, s.Namespace)
	}
	own := ssv1alpha1.SecretScope(secret)
	if scope.Forced || own == seal.Strict {
		own = scope.Scope
	}
	secret.Annotations = ssv1alpha1.UpdateScopeAnnotations(secret.Annotations, own)
	if secret.Namespace == "" && own != seal.ClusterWide {
		return fmt.Errorf("Secret %s has no namespace; give it with -n, or in a rule of .gitops-seal.yaml", secret.Name)
	}
	if len(secret.Data)+len(secret.StringData) == 0 {
		return fmt.Errorf("Secret %s has no data; there is nothing to seal", name(secret.Namespace, secret.Name))
	}
	data := map[string][]byte{}
	maps.Copy(data, secret.Data)
	for key, value := range secret.StringData { // as the API server does
		data[key] = []byte(value)
	}
	secret.Data, secret.StringData = data, nil
	if err := tooLarge(secret.Namespace, secret.Name, valueBytes(data)); err != nil {
		return err
	}
	for _, key := range sorted(data) {
		if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
			return fmt.Errorf("Secret %s: %q cannot be a key of a Secret: %s", name(secret.Namespace, secret.Name), key, strings.Join(problems, "; "))
		}
	}
	return nil
}

// sealed is the SealedSecret of a prepared Secret, with its record.
func (s *Sealer) sealed(secret *corev1.Secret) (*ssv1alpha1.SealedSecret, error) {
	target := seal.Target{Namespace: secret.Namespace, Name: secret.Name, Scope: ssv1alpha1.SecretScope(secret)}
	out := &ssv1alpha1.SealedSecret{
		TypeMeta:   metav1.TypeMeta{APIVersion: ssv1alpha1.SchemeGroupVersion.String(), Kind: SealedSecretKind.Kind},
		ObjectMeta: metav1.ObjectMeta{Name: secret.Name, Namespace: secret.Namespace},
		Spec: ssv1alpha1.SealedSecretSpec{
			EncryptedData: ssv1alpha1.SealedSecretEncryptedData{},
			Template: ssv1alpha1.SecretTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: secret.Labels, Finalizers: secret.Finalizers},
				Type:       secret.Type, Immutable: secret.Immutable,
			},
		},
	}
	for key, value := range secret.Annotations {
		if !redact.IsCopy(key) && key != "kubecfg.ksonnet.io/last-applied-configuration" {
			metav1.SetMetaDataAnnotation(&out.Spec.Template.ObjectMeta, key, value)
		}
	}
	for key, value := range secret.Data {
		item, err := seal.Item(s.Certificate.Key, target, value)
		if err != nil {
			return nil, err
		}
		out.Spec.EncryptedData[key] = item
	}
	out.Annotations = ssv1alpha1.UpdateScopeAnnotations(nil, target.Scope)
	out.Annotations[seal.CertificateAnnotation] = s.Certificate.Fingerprint
	out.Annotations[seal.DigestAnnotation] = seal.Digest(seal.TargetOf(out), out.Spec.EncryptedData)
	return out, nil
}

// become writes a SealedSecret into the document of its Secret.
func (s *Sealer) become(d *yamledit.Document, want *ssv1alpha1.SealedSecret, values map[string][]byte) ([]string, error) {
	public, err := yaml.Marshal(manifest(want))
	if err != nil {
		return nil, err
	}
	hidden := hide(values, string(public))
	if text, ok := rewrite(d, want); ok {
		clean, found := withoutComments(text, hidden)
		if result, err := yamledit.NewDocument(clean); err == nil && annotate(result, want.Annotations, "metadata") == nil &&
			annotate(result, scopeOf(want), "spec", "template", "metadata") == nil && matches(result, want) {
			return s.replace(d, result, want, hidden, found)
		}
	}
	text, err := fresh(d, want)
	if err != nil {
		return nil, err
	}
	if isJSON(d) {
		return nil, d.Replace(text)
	}
	result, err := yamledit.NewDocument(text)
	if err != nil {
		return nil, err
	}
	remarks, err := s.replace(d, result, want, hidden, false)
	return append([]string{RemarkRewritten}, remarks...), err
}

// replace puts a SealedSecret in the place of its Secret, whose comments that it lacks come to its top, those that quote a value
// apart. Quoted says that some of these were taken out already.
func (s *Sealer) replace(d, result *yamledit.Document, want *ssv1alpha1.SealedSecret, hidden *redact.Values, quoted bool) (remarks []string, err error) {
	before, ok := d.Comments()
	after, okAfter := result.Comments()
	if !ok || !okAfter {
		return []string{RemarkUncertain}, d.Replace(result.Text())
	}
	var lost []string
	for _, comment := range before {
		switch i := slices.Index(after, comment); {
		case i >= 0:
			after = slices.Delete(after, i, i+1)
		case hidden.Text(comment) != comment:
			quoted = true
		default:
			lost = append(lost, comment)
		}
	}
	if quoted {
		remarks = append(remarks, RemarkComment)
	}
	if len(lost) > 0 {
		remarks = append(remarks, RemarkMoved)
		head := ""
		if root, ok := result.Block(); ok {
			head = root.Preamble
		}
		text := head + strings.Join(lost, d.Newline()) + d.Newline() + strings.TrimPrefix(result.Text(), head)
		if result, err = yamledit.NewDocument(text); err != nil {
			return nil, err
		}
		if !matches(result, want) {
			return nil, errors.New("its comments cannot be kept; take those out that are not on lines of their own")
		}
	}
	return remarks, d.Replace(result.Text())
}

// scopeOf are the annotations of a template that say its scope.
func scopeOf(s *ssv1alpha1.SealedSecret) map[string]string {
	return ssv1alpha1.UpdateScopeAnnotations(nil, ssv1alpha1.SecretScope(s))
}

// matches reports whether a document is the SealedSecret that is wanted.
func matches(d *yamledit.Document, want *ssv1alpha1.SealedSecret) bool {
	got, err := Read(d)
	if err != nil {
		return false
	}
	a, errA := json.Marshal(got)
	b, errB := json.Marshal(want)
	return errA == nil && errB == nil && string(a) == string(b)
}

// fresh writes a SealedSecret as new text: JSON where the document is JSON.
func fresh(d *yamledit.Document, want *ssv1alpha1.SealedSecret) (string, error) {
	object := manifest(want)
	if isJSON(d) {
		out, err := json.MarshalIndent(object, "", "  ")
		return string(out) + "\n", err
	}
	out, err := yaml.Marshal(object)
	if err != nil {
		return "", err
	}
	preamble := ""
	if strings.HasPrefix(d.Text(), "---") {
		preamble = "---\n"
	}
	return strings.ReplaceAll(preamble+string(out), "\n", d.Newline()), nil
}

// manifest is a SealedSecret as people write it, without what is empty.
func manifest(s *ssv1alpha1.SealedSecret) map[string]any {
	metadata := map[string]any{"name": s.Name}
	put := func(in map[string]any, key string, value any) {
		if !reflect.ValueOf(value).IsZero() {
			in[key] = value
		}
	}
	put(metadata, "namespace", s.Namespace)
	put(metadata, "labels", s.Labels)
	put(metadata, "annotations", s.Annotations)
	inner, template := map[string]any{}, map[string]any{}
	put(inner, "labels", s.Spec.Template.Labels)
	put(inner, "annotations", s.Spec.Template.Annotations)
	put(inner, "finalizers", s.Spec.Template.Finalizers)
	if len(inner) > 0 {
		template["metadata"] = inner
	}
	put(template, "type", s.Spec.Template.Type)
	put(template, "immutable", s.Spec.Template.Immutable)
	spec := map[string]any{"encryptedData": s.Spec.EncryptedData}
	if len(template) > 0 {
		spec["template"] = template
	}
	return map[string]any{"apiVersion": s.APIVersion, "kind": s.Kind, "metadata": metadata, "spec": spec}
}

func isJSON(d *yamledit.Document) bool { return json.Valid([]byte(d.Text())) }

// hide are values that must not stand in comments. Short ones stand in many texts by chance, and what the manifest says
// elsewhere, a user who is called like the namespace, is no secret.
func hide(values map[string][]byte, public string) *redact.Values {
	const least = 5
	hidden := &redact.Values{}
	for _, value := range values {
		if text := strings.TrimSpace(string(value)); len(text) >= least && !strings.Contains(public, text) {
			hidden.Add(text)
		}
	}
	return hidden
}

// withoutComments takes comments out that quote a hidden value.
func withoutComments(text string, hidden *redact.Values) (string, bool) {
	found := false
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		for at := 0; at < len(line); at++ {
			if line[at] != '#' || at > 0 && line[at-1] != ' ' && line[at-1] != '\t' || hidden.Text(line[at:]) == line[at:] {
				continue
			}
			found = true
			end := line[len(strings.TrimRight(line, "\r\n")):]
			if line = strings.TrimRight(line[:at], " \t"); line != "" {
				line += end
			}
			lines[i] = line
			break
		}
	}
	return strings.Join(lines, ""), found
}
