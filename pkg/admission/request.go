package admission

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Request is one edit as the API server puts it to a webhook.
type Request struct {
	Operation admissionv1.Operation
	// Object is what the edit is about; for a scale subresource that is the scaled object, not the Scale.
	Object desired.Key
	// Subresource is empty for the object itself.
	Subresource string
	User        authenticationv1.UserInfo
	DryRun      bool
	// Old is nil on create, New is nil on delete. They must not be changed; they share what is the same in both.
	Old, New *unstructured.Unstructured
	// before and after are the decoded managedFields of Old and New once decoded is true.
	before, after []ownership.Manager
	decoded       bool
}

// managers returns the managedFields of Old and New. Not for concurrent use.
func (r *Request) managers() (before, after []ownership.Manager, err error) {
	if r.decoded {
		return r.before, r.after, nil
	}
	if r.Old != nil {
		if before, err = ownership.Managers(r.Old); err != nil {
			return nil, nil, fmt.Errorf("old object: %w", err)
		}
	}
	if r.New != nil {
		if after, err = ownership.Managers(r.New, before...); err != nil {
			return nil, nil, fmt.Errorf("new object: %w", err)
		}
	}
	r.before, r.after, r.decoded = before, after, true
	return before, after, nil
}

// scale reports whether Old and New are autoscaling/v1 Scales.
func (r *Request) scale() bool { return r.Subresource == "scale" }

// KindOf finds the kind that an API resource holds; see meta.RESTMapper.KindFor.
type KindOf func(schema.GroupVersionResource) (schema.GroupVersionKind, error)

// NewRequest decodes the API server's request. Its errors never carry a value of the object.
func NewRequest(in *admissionv1.AdmissionRequest, kindOf KindOf) (*Request, error) {
	r := &Request{
		Operation:   in.Operation,
		Object:      desired.Key{Group: in.Kind.Group, Kind: in.Kind.Kind, Namespace: in.Namespace, Name: in.Name},
		Subresource: in.SubResource,
		User:        in.UserInfo,
		DryRun:      in.DryRun != nil && *in.DryRun,
	}
	var err error
	if r.Old, r.New, err = decode(in.OldObject.Raw, in.Object.Raw); err != nil {
		return nil, fmt.Errorf("an object of the request cannot be decoded: %w", err)
	}
	switch {
	case r.Operation == admissionv1.Delete && r.Old == nil,
		r.Operation == admissionv1.Create && r.New == nil,
		r.Operation == admissionv1.Update && (r.Old == nil || r.New == nil):
		return nil, fmt.Errorf("the request is a %s without its object", r.Operation)
	}
	if !slices.Contains([]admissionv1.Operation{admissionv1.Create, admissionv1.Update, admissionv1.Delete, admissionv1.Connect}, r.Operation) {
		return nil, fmt.Errorf("the operation %q is none that Kubernetes has", r.Operation)
	}
	// A deletecollection comes as one delete an object, with no name in the request.
	if r.Object.Name == "" && r.Old != nil {
		r.Object.Name = r.Old.GetName()
	}
	// A Namespace's own name is in the request's namespace; the object has none.
	if in.Resource.Group == "" && in.Resource.Resource == "namespaces" {
		r.Object.Namespace = ""
	}
	// A TokenRequest is about a service account.
	if r.Subresource == "token" && in.Resource.Group == "" && in.Resource.Resource == "serviceaccounts" {
		r.Object.Group, r.Object.Kind = serviceAccountKind.Group, serviceAccountKind.Kind
	}
	if r.scale() {
		gvk, err := kindOf(schema.GroupVersionResource(in.Resource))
		if err != nil {
			return nil, fmt.Errorf("the kind of %s is not known: %w", in.Resource.Resource, err)
		}
		r.Object.Group, r.Object.Kind = gvk.Group, gvk.Kind
	}
	return r, nil
}
