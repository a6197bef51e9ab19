package docs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	goyaml "go.yaml.in/yaml/v3"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
)

// provider and alert are notification-controller's kinds, as far as the documentation uses them:
// https://github.com/fluxcd/notification-controller/tree/main/api/v1beta3.
type (
	named struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   map[string]string `json:"metadata"`
	}
	pointed struct {
		Kind      string `json:"kind,omitempty"`
		Name      string `json:"name"`
		Namespace string `json:"namespace,omitempty"`
	}
	provider struct {
		named
		Spec struct {
			Type      string  `json:"type"`
			SecretRef pointed `json:"secretRef"`
		} `json:"spec"`
	}
	alerting struct {
		ProviderRef   pointed           `json:"providerRef"`
		EventSeverity string            `json:"eventSeverity"`
		EventMetadata map[string]string `json:"eventMetadata"`
		EventSources  []pointed         `json:"eventSources"`
		InclusionList []string          `json:"inclusionList"`
	}
	alert struct {
		named
		Spec alerting `json:"spec"`
	}
)

// checker decodes objects as strictly as the API server does.
type checker struct {
	decoder runtime.Decoder
	schemas map[string]*spec.Schema
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, v1alpha1.AddToScheme, kustomizev1.AddToScheme, sourcev1.AddToScheme, helmv2.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := &checker{decoder: serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer(), schemas: map[string]*spec.Schema{}}
	for _, pattern := range []string{"../manifests/crds/gitops-drift.dev_*.yaml", "../test/harness/crds/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			c.learn(t, file)
		}
	}
	return c
}

// learn reads the schemas of a CRD.
func (c *checker) learn(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, crd); err != nil {
		t.Fatal(err)
	}
	for _, version := range crd.Spec.Versions {
		text, err := json.Marshal(version.Schema.OpenAPIV3Schema)
		if err != nil {
			t.Fatal(err)
		}
		schema := &spec.Schema{}
		if err := json.Unmarshal(text, schema); err != nil {
			t.Fatal(err)
		}
		c.schemas[crd.Spec.Group+"/"+version.Name+" "+crd.Spec.Names.Kind] = schema
	}
}

// check says what is wrong with a document.
func (c *checker) check(document []byte) error {
	head := named{}
	if err := yaml.Unmarshal(document, &struct {
		APIVersion *string `json:"apiVersion"`
		Kind       *string `json:"kind"`
	}{&head.APIVersion, &head.Kind}); err != nil {
		return err
	}
	switch head.APIVersion + " " + head.Kind {
	case "kustomize.config.k8s.io/v1beta1 Kustomization":
		return yaml.UnmarshalStrict(document, &types.Kustomization{})
	case "gitops-drift.dev/v1alpha1 SealConfig":
		_, err := sealconfig.Parse(document, ".")
		return err
	case "notification.toolkit.fluxcd.io/v1beta3 Provider":
		p := &provider{}
		return errors.Join(yaml.UnmarshalStrict(document, p), needed(p.Spec.Type, p.Spec.SecretRef.Name))
	case "notification.toolkit.fluxcd.io/v1beta3 Alert":
		a := &alert{}
		if err := yaml.UnmarshalStrict(document, a); err != nil || len(a.Spec.EventSources) == 0 {
			return errors.Join(err, needed(""))
		}
		return needed(a.Spec.ProviderRef.Name, a.Spec.EventSources[0].Kind)
	}
	object, _, err := c.decoder.Decode(document, nil, nil)
	if err != nil {
		return err
	}
	if p, ok := object.(*v1alpha1.EditPolicy); ok {
		if problems := policy.Unreadable(p); len(problems) > 0 {
			return errors.New(strings.Join(problems, "; "))
		}
		if p.Spec.Restore && len(p.Spec.Exempt) > 0 {
			return errors.New("the restore loop undoes what the exempt are allowed to do")
		}
	}
	if schema := c.schemas[head.APIVersion+" "+head.Kind]; schema != nil {
		var content map[string]any
		if err := yaml.Unmarshal(document, &content); err != nil {
			return err
		}
		return validate.NewSchemaValidator(schema, nil, "", strfmt.Default).Validate(content).AsError()
	}
	return nil
}

func needed(values ...string) error {
	for _, value := range values {
		if value == "" {
			return errors.New("a required field is missing")
		}
	}
	return nil
}

// fragment accepts a part of an object, which is to be read as one of those that the page is about.
func fragment(document []byte) error {
	var failed []error
	for _, into := range []any{
		&struct {
			Spec v1alpha1.EditPolicySpec `json:"spec"`
		}{},
		&v1alpha1.EditPolicySpec{},
		&struct {
			Spec kustomizev1.KustomizationSpec `json:"spec"`
		}{},
		&alerting{},
	} {
		err := yaml.UnmarshalStrict(document, into)
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	decoder := goyaml.NewDecoder(bytes.NewReader(document))
	decoder.KnownFields(true)
	if decoder.Decode(&sealconfig.Config{}) == nil {
		return nil
	}
	return errors.Join(failed...)
}

func TestYAMLIsWhatTheAPIServerTakes(t *testing.T) {
	c := newChecker(t)
	whole, parts := 0, 0
	for _, p := range written(t) {
		code, _ := p.blocks()
		for _, b := range code {
			if b.language != "yaml" || p.path == "docs/azure-pipelines.md" {
				continue
			}
			documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(b.text)))
			for {
				document, err := documents.Read()
				if err != nil {
					break
				}
				if bytes.Contains(document, []byte("\nkind:")) || bytes.HasPrefix(document, []byte("kind:")) {
					whole++
					err = c.check(document)
				} else {
					parts++
					err = fragment(document)
				}
				if err != nil {
					t.Errorf("%s: %v\n%s", p.path, err, document)
				}
			}
		}
	}
	if whole < 10 || parts < 5 {
		t.Errorf("only %d objects and %d parts were found", whole, parts)
	}
}

func TestWrongYAMLIsFound(t *testing.T) {
	c := newChecker(t)
	for document, ok := range map[string]bool{
		"apiVersion: gitops-drift.dev/v1alpha1\nkind: EditPolicy\nmetadata: {name: a}\nspec: {action: Deny}":                                                 true,
		"apiVersion: gitops-drift.dev/v1alpha1\nkind: EditPolicy\nmetadata: {name: a}\nspec: {action: Refuse}":                                               false,
		"apiVersion: gitops-drift.dev/v1alpha1\nkind: EditPolicy\nmetadata: {name: a}\nspec: {action: Deny, exemption: []}":                                  false,
		"apiVersion: gitops-drift.dev/v1alpha1\nkind: EditPolicy\nmetadata: {name: a}\nspec: {action: Deny, restore: true, exempt: [{kind: User, name: a}]}": false,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replica: 1}":                                                                     false,
	} {
		if err := c.check([]byte(document)); (err == nil) != ok {
			t.Errorf("%s\n%v", document, err)
		}
	}
	if fragment([]byte("actions: Deny")) == nil {
		t.Error("a fragment of nothing is taken")
	}
}
