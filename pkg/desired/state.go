package desired

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/origin"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// Key identifies an object whatever version of its API it is read in.
type Key struct {
	Group, Kind, Namespace, Name string
}

// KeyOf returns the key of an object.
func KeyOf(object *unstructured.Unstructured) Key {
	gvk := object.GroupVersionKind()
	return Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}
}

// GroupKind returns the key's API group and kind.
func (k Key) GroupKind() schema.GroupKind { return schema.GroupKind{Group: k.Group, Kind: k.Kind} }

// Object is one object as Flux would send it to the API server.
type Object struct {
	*unstructured.Unstructured
	// File is the file of the artifact that declares the object, slash-separated and relative to the artifact's
	// root; empty where kustomize cannot tell.
	File string
	// Encrypted says that the object's values are encrypted with SOPS, so that they are not what Flux applies.
	Encrypted bool
}

// State is what Flux would apply for one owner at one revision. A State and its objects are immutable once built, so
// any number of goroutines may read it.
type State struct {
	Owner    ownership.Owner
	Revision string
	// Generation is the owner's metadata.generation whose spec was built.
	Generation int64
	// Digest is that of the build before labels and normalisation, as kustomize-controller writes it into the owner's
	// status.history: where both are equal, this is what Flux applied, variables and all. It is empty where SOPS
	// encrypted something, because Flux builds that with the key. Of a HelmRelease it is that of Helm's record, as
	// helm-controller writes it into status.history.
	Digest string
	// Objects is nil in a State of a Store.
	Objects []Object
	// Hidden are the values of Secrets that were substituted or rendered into objects of any kind. Nil hides nothing.
	Hidden *redact.Values
	// Sources is the text that it was built from; nil knows nothing.
	Sources *origin.Sources
	// learned says that some of the objects is not built, but was read from what Flux has applied.
	learned bool
	// ByHand says what somebody else than Flux did to a HelmRelease's release since Flux made it, as with Helm; empty if
	// nothing. Flux upgrades such a release at its next reconciliation.
	ByHand string
}
