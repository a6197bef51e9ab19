package sealdoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// Kinds of documents.
var (
	SecretKind       = corev1.SchemeGroupVersion.WithKind("Secret")
	ListKind         = corev1.SchemeGroupVersion.WithKind("List")
	SealedSecretKind = ssv1alpha1.SchemeGroupVersion.WithKind("SealedSecret")
)

// Kind is what a document says to be; it is empty for what is no manifest.
func Kind(d *yamledit.Document) schema.GroupVersionKind {
	text := func(key string) string {
		if n := d.Get(key); n != nil && n.ShortTag() == "!!str" {
			return n.Value
		}
		return ""
	}
	return schema.FromAPIVersionAndKind(text("apiVersion"), text("kind"))
}

// Encrypted reports whether a document is encrypted with SOPS, so that its values are no plain ones.
func Encrypted(d *yamledit.Document) bool { return d.Get("sops") != nil }

// Read reads a SealedSecret. It demands more than the controller does, which leaves out items that are no text.
func Read(d *yamledit.Document) (*ssv1alpha1.SealedSecret, error) {
	text, err := d.JSON()
	if err != nil {
		return nil, err
	}
	if kind := Kind(d); kind != SealedSecretKind {
		return nil, lineError(d, "is no SealedSecret of %s but %s", ssv1alpha1.SchemeGroupVersion, describe(kind))
	}
	var items struct {
		Spec struct {
			Data          any            `json:"data"`
			EncryptedData map[string]any `json:"encryptedData"`
		} `json:"spec"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &items); err != nil {
		return nil, lineError(d, "is no valid SealedSecret: %s", typeProblem(err))
	}
	if items.Spec.Data != nil {
		return nil, lineError(d, "has spec.data, which controllers do not open any more; seal it again")
	}
	s := &ssv1alpha1.SealedSecret{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, s); err != nil {
		return nil, lineError(d, "is no valid SealedSecret: %s", typeProblem(err))
	}
	if s.Name == "" {
		return nil, lineError(d, "the SealedSecret has no metadata.name")
	}
	for _, key := range slices.Sorted(maps.Keys(items.Spec.EncryptedData)) {
		if _, ok := items.Spec.EncryptedData[key].(string); !ok {
			return nil, fmt.Errorf("line %d: SealedSecret %s: item %s is no text", itemLine(d, key), name(s.Namespace, s.Name), key)
		}
	}
	return s, nil
}

// ReadSecret reads a Secret as strictly as the API server: nothing of it would be lost. Errors quote no values.
func ReadSecret(d *yamledit.Document) (*corev1.Secret, error) {
	text, err := d.JSON()
	if err != nil {
		return nil, err
	}
	s := &corev1.Secret{}
	strict, err := kjson.UnmarshalStrict(text, s)
	if err == nil {
		err = errors.Join(strict...)
	}
	if err != nil {
		return nil, lineError(d, "is no valid Secret: %s", typeProblem(err))
	}
	return s, nil
}

// itemLine is the line of the file at which an item stands.
func itemLine(d *yamledit.Document, key string) int {
	if n := d.Get("spec", "encryptedData", key); n != nil {
		return d.LineOf(n)
	}
	return d.Line()
}

// typeProblem is what may be told of an error of a JSON decoder, which names fields and types but, for base64, not always only
// those.
func typeProblem(err error) string {
	if typed := (*json.UnmarshalTypeError)(nil); errors.As(err, &typed) {
		what, _, _ := strings.Cut(typed.Value, " ") // "number 12" quotes it
		return fmt.Sprintf("%s has to be a %s, not a %s; put it in quotes if it is text", typed.Field, typed.Type, what)
	}
	if strings.Contains(err.Error(), "illegal base64 data") {
		return "values of data have to be base64; plain ones belong into stringData"
	}
	if strings.Contains(err.Error(), "unknown field") || strings.Contains(err.Error(), "duplicate field") {
		return err.Error()
	}
	return "it cannot be decoded"
}

func lineError(d *yamledit.Document, format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{d.Line()}, args...)...)
}

func describe(kind schema.GroupVersionKind) string {
	if kind.Kind == "" {
		return "no manifest at all"
	}
	return kind.GroupVersion().String() + " " + kind.Kind
}

func name(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// TargetOf is what the items of a SealedSecret of a file are sealed for. A manifest need not say its namespace where
// kustomize or Flux sets it: then it is the given one, where that is empty the one that the template remembers. A given
// namespace that contradicts the manifest's is an error.
func TargetOf(s *ssv1alpha1.SealedSecret, namespace string) (seal.Target, error) {
	target := seal.TargetOf(s)
	switch {
	case target.Namespace == "" && namespace != "":
		target.Namespace = namespace
	case target.Namespace == "":
		target.Namespace = s.Spec.Template.Namespace
	case namespace != "" && namespace != target.Namespace:
		return target, fmt.Errorf("SealedSecret %s is in namespace %s, but should be in %s", s.Name, target.Namespace, namespace)
	}
	if err := target.Validate(); err != nil {
		return target, fmt.Errorf("SealedSecret %s: %w; give it with -n, or in a rule of .gitops-seal.yaml", s.Name, err)
	}
	return target, nil
}
