package ownership

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Kind is the kind of a Flux object that owns others.
type Kind string

// The kinds of owner.
const (
	Kustomization Kind = "Kustomization"
	HelmRelease   Kind = "HelmRelease"
)

// The API groups of Flux, which prefix its labels and annotations, and the field managers of its controllers.
const (
	KustomizeGroup   = "kustomize.toolkit.fluxcd.io"
	HelmGroup        = "helm.toolkit.fluxcd.io"
	KustomizeManager = "kustomize-controller"
	HelmManager      = "helm-controller"
)

// Group returns the API group of this kind.
func (k Kind) Group() string {
	if k == HelmRelease {
		return HelmGroup
	}
	return KustomizeGroup
}

// Manager returns the field manager with which Flux applies what this kind of owner declares.
func (k Kind) Manager() string {
	if k == HelmRelease {
		return HelmManager
	}
	return KustomizeManager
}

// Owner names the Kustomization or HelmRelease that manages an object.
type Owner struct {
	Kind      Kind
	Namespace string
	Name      string
}

// String returns Kind/namespace/name, the form that users write on the command line and in policies. An Owner without a
// name stands for all of its kind: Kustomizations, HelmReleases.
func (o Owner) String() string {
	if o.Name == "" {
		return string(o.Kind) + "s"
	}
	return fmt.Sprintf("%s/%s/%s", o.Kind, o.Namespace, o.Name)
}

// NameLabel is the label that carries the owner's name.
func (k Kind) NameLabel() string { return k.Group() + "/name" }

// NamespaceLabel is the label that carries the owner's namespace.
func (k Kind) NamespaceLabel() string { return k.Group() + "/namespace" }

// ParseOwner reads Kind/namespace/name; the kind's short names ks and hr and any case are accepted.
func ParseOwner(s string) (Owner, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return Owner{}, fmt.Errorf("%q is not an owner: write Kustomization/NAMESPACE/NAME or HelmRelease/NAMESPACE/NAME", s)
	}
	switch strings.ToLower(parts[0]) {
	case "kustomization", "kustomizations", "ks":
		return Owner{Kustomization, parts[1], parts[2]}, nil
	case "helmrelease", "helmreleases", "hr":
		return Owner{HelmRelease, parts[1], parts[2]}, nil
	}
	return Owner{}, fmt.Errorf("%q is not an owner: its kind must be Kustomization or HelmRelease", s)
}

// Claimed returns the owner that the object's labels name, and whether they name one. A claim is no proof: see Proven.
// Of a Kustomization and a HelmRelease it is the Kustomization.
func Claimed(object metav1.Object) (Owner, bool) {
	if claims := Claims(object); len(claims) > 0 {
		return claims[0], true
	}
	return Owner{}, false
}

// Claims returns every owner that the object's labels name. There are two where an object moves between a Kustomization
// and a HelmRelease, for each applies its own labels and leaves the other's.
func Claims(object metav1.Object) []Owner {
	var claims []Owner
	labels := object.GetLabels()
	for _, kind := range []Kind{Kustomization, HelmRelease} {
		owner := Owner{Kind: kind, Namespace: labels[kind.NamespaceLabel()], Name: labels[kind.NameLabel()]}
		if owner.Name != "" && owner.Namespace != "" {
			claims = append(claims, owner)
		}
	}
	return claims
}

// Proven returns the owner that the labels claim if the object's managedFields show that this owner's controller
// wrote it. It is false for objects that only copied the labels and for objects whose managedFields were wiped:
// for those, ask the owner's inventory.
func Proven(object metav1.Object) (Owner, bool) {
	if owner, ok := Claimed(object); ok && wrote(object, owner.Kind.Manager()) {
		return owner, true
	}
	return Owner{}, false
}

// ProvenAs is Proven for owners of one kind: an object that moved between a Kustomization and a HelmRelease has two.
func ProvenAs(object metav1.Object, kind Kind) (Owner, bool) {
	for _, owner := range Claims(object) {
		if owner.Kind == kind {
			return owner, wrote(object, kind.Manager())
		}
	}
	return Owner{}, false
}

// wrote reports whether object has a managedFields entry of manager that is not about a subresource.
func wrote(object metav1.Object, manager string) bool {
	// The conversion that Unstructured.GetManagedFields does costs far more than all the rest of a proof.
	if u, ok := object.(*unstructured.Unstructured); ok {
		list, err := entries(u)
		return err == nil && slices.ContainsFunc(list, func(entry map[string]any) bool {
			return text(entry, "manager") == manager && text(entry, "subresource") == ""
		})
	}
	return slices.ContainsFunc(object.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == manager && entry.Subresource == ""
	})
}
