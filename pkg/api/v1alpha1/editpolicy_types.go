package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Action is what happens to an edit that a policy applies to.
// +kubebuilder:validation:Enum=Deny;Warn;Record
type Action string

// The actions, from the strictest.
const (
	// Deny refuses the edit.
	Deny Action = "Deny"
	// Warn admits the edit, with a warning on the editor's terminal.
	Warn Action = "Warn"
	// Record admits the edit silently. What all actions write down, this one writes down too.
	Record Action = "Record"
)

// EditPolicy says what happens to imperative edits of objects that Flux manages. Of the policies that match an
// object only one applies: that of the highest priority, among equals the strictest action, then the first by name.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=editpol,categories=gitops-drift
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.action`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`
// +kubebuilder:printcolumn:name="Restore",type=boolean,JSONPath=`.spec.restore`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type EditPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec EditPolicySpec `json:"spec"`
}

// EditPolicySpec is the rule of an EditPolicy.
type EditPolicySpec struct {
	// Priority decides between policies that match the same object: the highest applies.
	// +optional
	Priority int32 `json:"priority,omitempty"`

	// Action is what happens to an edit: Deny refuses it, Warn admits it with a warning, Record only writes it down.
	// +required
	Action Action `json:"action"`

	// Match limits the policy to some objects. Without it the policy applies to every object that Flux manages.
	// +optional
	Match Match `json:"match,omitempty"`

	// Exempt names those whose edits are always admitted. Their edits are written down.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Exempt []Subject `json:"exempt,omitempty"`

	// Restore lets the controller put objects back that differ from what Flux applied.
	// +optional
	Restore bool `json:"restore,omitempty"`
}

// Match selects objects. An object matches when every list that is not empty has an entry for it.
type Match struct {
	// Namespaces are names or shell patterns such as "team-*". A Namespace object counts as in itself; other
	// cluster-scoped objects are in namespace "", which only a pattern such as "*" matches.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// Kinds are Kind, or Kind.group as in "Deployment.apps".
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[A-Z][A-Za-z0-9]*(\.[a-z0-9.-]+)?$`
	Kinds []string `json:"kinds,omitempty"`

	// Owners are Kustomization/NAMESPACE/NAME or HelmRelease/NAMESPACE/NAME; each part may be a shell pattern.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[^/]+/[^/]+/[^/]+$`
	Owners []string `json:"owners,omitempty"`
}

// SubjectKind is the kind of a Subject.
// +kubebuilder:validation:Enum=User;Group;ServiceAccount
type SubjectKind string

// The kinds of subject.
const (
	User           SubjectKind = "User"
	Group          SubjectKind = "Group"
	ServiceAccount SubjectKind = "ServiceAccount"
)

// Subject names who an exemption is for, as the API server authenticates them.
// +kubebuilder:validation:XValidation:rule="(self.kind == 'ServiceAccount') == (has(self.__namespace__) && size(self.__namespace__) > 0)",message="a ServiceAccount needs a namespace, a User or Group has none"
type Subject struct {
	// +required
	Kind SubjectKind `json:"kind"`

	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// Namespace is that of a ServiceAccount.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// EditPolicyList is a list of EditPolicies.
// +kubebuilder:object:root=true
type EditPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EditPolicy `json:"items"`
}
