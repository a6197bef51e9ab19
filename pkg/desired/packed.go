package desired

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// Packed is an Object as text, which takes a fraction of the memory that its fields do. It is immutable.
type Packed struct {
	Key       Key
	version   string
	file      string
	encrypted bool
	text      []byte
}

func pack(object Object) (Packed, error) {
	text, err := json.Marshal(object.Object)
	if err != nil {
		return Packed{}, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return Packed{
		Key: KeyOf(object.Unstructured), version: object.GroupVersionKind().Version,
		file: object.File, encrypted: object.Encrypted, text: text,
	}, nil
}

// Kind returns the object's kind, in the version in which Flux applies it.
func (p Packed) Kind() schema.GroupVersionKind { return p.Key.GroupKind().WithVersion(p.version) }

// Object returns the object, which is the caller's own.
func (p Packed) Object() Object {
	object, err := decodeObject(p.text)
	if err != nil {
		// Only pack makes a Packed.
		panic(fmt.Sprintf("%s %s was packed into what cannot be decoded", p.Key.Kind, p.Key.Name))
	}
	return Object{Unstructured: object, File: p.file, Encrypted: p.encrypted}
}

func decodeObject(text []byte) (*unstructured.Unstructured, error) {
	content, err := fields.Decode(text)
	if err != nil {
		return nil, err
	}
	object, ok := content.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("it is a %T", content)
	}
	return &unstructured.Unstructured{Object: object}, nil
}

// Same reports whether both are the same object with the same content.
func (p Packed) Same(other Packed) bool {
	// Maps are written in the order of their keys.
	return p.Key == other.Key && string(p.text) == string(other.text)
}
