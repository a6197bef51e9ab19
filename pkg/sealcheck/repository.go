package sealcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/konfig"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealhealth"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// Repository is what a repository has that matters for secrets. It must not be used concurrently.
type Repository struct {
	// Sealed are its SealedSecrets, in the order of files and lines.
	Sealed []*Sealed
	// Errors say what could not be read or built.
	Errors []Error

	source Source
	root   string
	files  []string
	// texts are those of the files that manifests were read of.
	texts   map[string][]byte
	secrets []node
	// makers are generators of Secrets that are objects of their own.
	makers []node
	fluxes []*flux
	// kustomizations are the files of kustomize, by their folders.
	kustomizations map[string]string
	others         map[schema.GroupKind][]*document
}

// Sealed is a SealedSecret of a file.
type Sealed struct {
	// File is slash-separated and relative to the root; Line is the one that it begins at.
	File string
	Line int
	// Object is as the file has it.
	Object *v1alpha1.SealedSecret
	// Applied are the ways in which Flux applies it, once they were rendered; none if no Kustomization does.
	Applied []Applied

	node node
}

// Applied is a SealedSecret as a Kustomization of Flux applies it.
type Applied struct {
	// Kustomization is namespace/name of the one that does, as File and Line declare it.
	Kustomization string
	File          string
	Line          int
	// Object is what it applies; its items may come from several files.
	Object *v1alpha1.SealedSecret
}

// flux is a Kustomization of Flux, as a file has it or as another one applies it.
type flux struct {
	file   string
	line   int
	object *kustomizev1.Kustomization
	// node is where it is declared.
	node node
	// applied are the SealedSecrets that it applies.
	applied []sealhealth.Object
}

func (f *flux) name() string { return f.object.Namespace + "/" + f.object.Name }

// Read reads a repository. Its root is the folder that errors name.
func Read(ctx context.Context, root string, source Source) (*Repository, error) {
	files, err := source.Files(ctx)
	if err != nil {
		return nil, err
	}
	r := &Repository{
		source: source, root: root, files: files, texts: map[string][]byte{}, kustomizations: map[string]string{}, others: map[schema.GroupKind][]*document{},
	}
	templates := chartTemplates(files)
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if base := path.Base(file); slices.Contains(konfig.RecognizedKustomizationFileNames(), base) {
			r.kustomizations[path.Dir(file)] = file
		}
		if !manifest(file) {
			continue
		}
		text, err := source.ReadFile(file)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				r.Errors = append(r.Errors, Error{File: file, Err: err})
			}
			continue
		}
		if !telling.Match(text) {
			continue
		}
		if slices.ContainsFunc(templates, func(dir string) bool { return strings.HasPrefix(file, dir) }) && bytes.Contains(text, []byte("{{")) {
			continue
		}
		r.texts[file] = text
		for _, part := range parts(text) {
			if telling.Match(part.text) {
				r.document(file, part)
			}
		}
	}
	return r, nil
}

// document reads one document of a file.
func (r *Repository) document(file string, part part) {
	doc, err := read(file, part)
	if err != nil {
		out := Error{File: file, Err: err}
		if syntax := (*yamledit.SyntaxError)(nil); errors.As(err, &syntax) && syntax.Line > 0 {
			out.Line, out.Err = syntax.Line, errors.New(syntax.Reason)
		}
		r.Errors = append(r.Errors, out)
		return
	}
	if doc != nil {
		r.object(node{doc, doc.root}, doc.json)
	}
}

// heading is what all objects have; a list has items.
type heading struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Items      []json.RawMessage `json:"items"`
}

// object takes what matters from an object of a document.
func (r *Repository) object(n node, content []byte) {
	var head heading
	if json.Unmarshal(content, &head) != nil {
		return // no object
	}
	version, err := schema.ParseGroupVersion(head.APIVersion)
	if err != nil {
		return
	}
	if strings.HasSuffix(head.Kind, "List") {
		_, items := entry(n.at, "items")
		for i, item := range head.Items {
			if items != nil && items.Kind == yaml.SequenceNode && i < len(items.Content) {
				r.object(node{n.document, items.Content[i]}, item)
			}
		}
		return
	}
	switch kind := version.WithKind(head.Kind).GroupKind(); kind {
	case schema.GroupKind{Kind: "Secret"}:
		r.secrets = append(r.secrets, node{&document{file: n.file, above: n.above, root: n.root, json: content}, n.at})
	case schema.GroupKind{Kind: "SecretGenerator"}:
		r.makers = append(r.makers, n)
	case schema.GroupKind{Group: v1alpha1.GroupName, Kind: sealhealth.Kind}:
		sealed := &Sealed{File: n.file, Line: n.above + n.at.Line, Object: &v1alpha1.SealedSecret{}, node: n}
		if err := json.Unmarshal(content, sealed.Object); err != nil {
			r.Errors = append(r.Errors, Error{File: n.file, Line: sealed.Line, Err: errors.New("is no SealedSecret: a field has another type")})
			return
		}
		r.Sealed = append(r.Sealed, sealed)
	case schema.GroupKind{Group: kustomizev1.GroupVersion.Group, Kind: kustomizev1.KustomizationKind}:
		ks := &kustomizev1.Kustomization{}
		if err := json.Unmarshal(content, ks); err != nil {
			r.Errors = append(r.Errors, Error{File: n.file, Line: n.above + n.at.Line, Err: errors.New("is no Kustomization of Flux: a field has another type")})
			return
		}
		r.fluxes = append(r.fluxes, &flux{file: n.file, line: n.above + n.at.Line, object: ks, node: n})
	case schema.GroupKind{Kind: "ConfigMap"}, sourceKind(sourcev1.GitRepositoryKind), sourceKind(sourcev1.OCIRepositoryKind), sourceKind(sourcev1.BucketKind), sourceKind(sourcev1.ExternalArtifactKind):
		r.others[kind] = append(r.others[kind], &document{file: n.file, json: content})
	}
}

func sourceKind(kind string) schema.GroupKind {
	return schema.GroupKind{Group: sourcev1.GroupVersion.Group, Kind: kind}
}

// find returns an object of the repository that is as a file has it.
func (r *Repository) find(kind schema.GroupKind, key client.ObjectKey, into any) bool {
	for _, doc := range r.others[kind] {
		var head struct {
			Metadata struct{ Namespace, Name string } `json:"metadata"`
		}
		if json.Unmarshal(doc.json, &head) != nil || head.Metadata.Name != key.Name {
			continue
		}
		// Without a namespace it is somebody's default.
		if (head.Metadata.Namespace == key.Namespace || head.Metadata.Namespace == "") && json.Unmarshal(doc.json, into) == nil {
			return true
		}
	}
	return false
}

// Name is the namespace, as far as it is known, and the name that a SealedSecret has in its file.
func (s *Sealed) Name() string {
	if t := s.For(""); t.Namespace != "" {
		return t.Namespace + "/" + s.Object.Name
	}
	return s.Object.Name
}

// For is what the items of a SealedSecret were sealed for, as far as its file tells: kubeseal and this program write the
// name and namespace into the template as well, where nobody changes them by mistake. Namespace is that of a rule for its
// folder, empty if there is none.
func (s *Sealed) For(namespace string) seal.Target {
	target := seal.TargetOf(s.Object)
	if template := s.Object.Spec.Template; template.Name != "" {
		target.Name = template.Name
	}
	switch template := s.Object.Spec.Template; {
	case template.Namespace != "":
		target.Namespace = template.Namespace
	case target.Namespace == "":
		target.Namespace = namespace
	}
	return target
}
