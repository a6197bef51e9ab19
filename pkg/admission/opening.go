package admission

import (
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
)

// Opening is what is known about a BreakGlass that somebody creates.
type Opening struct {
	Glass *v1alpha1.BreakGlass
	// Owner manages the object that it is for; zero where that is not known here.
	Owner ownership.Owner
	// Policies are those that may apply to the object: one, or none, if the owner is known.
	Policies []*v1alpha1.EditPolicy
}

// opens reports whether the request creates a BreakGlass. Later it can only be closed, which the CRD sees to.
func (r *Request) opens() bool {
	return r.Operation == admissionv1.Create && r.Subresource == "" &&
		r.Object.Group == v1alpha1.GroupVersion.Group && r.Object.Kind == "BreakGlass"
}

// opening looks up the policies that may apply to what a BreakGlass is for. The object itself is not read, so that its
// owner is known only from desired states. Where it is not, the verdict is lenient: each edit is checked again.
func opening(r *Request, lookups Lookups) (*Opening, error) {
	glass := &v1alpha1.BreakGlass{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(r.New.Object, glass); err != nil {
		return nil, fmt.Errorf("the BreakGlass cannot be decoded: %w", err)
	}
	o := &Opening{Glass: glass}
	object := policy.Object{Key: breakglass.Object(glass)}
	if _, state, ok := lookups.Desired(object.Key); ok {
		o.Owner, object.Owner = state.Owner, state.Owner
	}
	if namespace := policy.Namespace(object.Key); namespace != "" {
		var err error
		if object.NamespaceLabels, err = lookups.NamespaceLabels(namespace); err != nil {
			return nil, fmt.Errorf("look up namespace %s: %w", namespace, err)
		}
	}
	policies, err := lookups.Policies()
	if err != nil {
		return nil, fmt.Errorf("list EditPolicies: %w", err)
	}
	if o.Owner == (ownership.Owner{}) {
		o.Policies = policy.Candidates(policies, object)
	} else if p, ok := policy.Effective(policies, object); ok {
		o.Policies = []*v1alpha1.EditPolicy{p}
	}
	return o, nil
}

// judge decides whether the user may open it.
func (o *Opening) judge(r *Request, v *Verdict) {
	v.Owner, v.BreakGlass = o.Owner, r.Object.Name
	p, why := breakglass.Refusal(o.Glass, o.Policies, r.User)
	if p != nil {
		v.Policy = p.Name
	}
	if why == "" {
		v.Decision = Allowed
		return
	}
	v.Decision = Denied
	v.refusal = fmt.Sprintf("BreakGlass %s for %s cannot be opened: %s.", r.Object.Name, objectName(breakglass.Object(o.Glass)), why)
}
