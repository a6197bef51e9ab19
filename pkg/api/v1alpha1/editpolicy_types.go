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

// Scope is which edits a policy's action counts for.
// +kubebuilder:validation:Enum=Drift;Declared;All
type Scope string

// The scopes.
const (
	// Drift counts what Declared counts, and what people add by hand: fields added by managers that Flux takes over
	// from, whether or not Flux then does. A `kubectl rollout restart` is written down, and its editor told what Flux
	// makes of it.
	Drift Scope = "Drift"
	// Declared counts what git declares: fields changed or removed, objects deleted, Flux's labels and controls
	// touched, whether or not Flux would undo it.
	Declared Scope = "Declared"
	// All counts every change by a writer who is not exempt: restarts, fields that Flux leaves alone or is told to
	// ignore, and the status where a person writes it. Controllers that write to managed objects need an exemption,
	// those of Kubernetes and Flux excepted.
	All Scope = "All"
)

// EditPolicy says what happens to imperative edits of objects that Flux manages. Of the policies that match an
// object only one applies: that of the highest priority, among equals the strictest action, then the first by name.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=editpol,categories=gitops-drift
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.action`
// +kubebuilder:printcolumn:name="Scope",type=string,JSONPath=`.spec.scope`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`
// +kubebuilder:printcolumn:name="Restore",type=boolean,JSONPath=`.spec.restore`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type EditPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec EditPolicySpec `json:"spec"`
	// +optional
	Status EditPolicyStatus `json:"status,omitempty"`
}

// EditPolicySpec is the rule of an EditPolicy.
type EditPolicySpec struct {
	// Priority decides between policies that match the same object: the highest applies.
	// +optional
	Priority int32 `json:"priority,omitempty"`

	// Action is what happens to an edit: Deny refuses it, Warn admits it with a warning, Record only writes it down.
	// +required
	Action Action `json:"action"`

	// Scope says which edits the action is for; all others are admitted. Edits outside of the scope that still change
	// what git declares, or that Flux would undo, are written down.
	// +optional
	// +kubebuilder:default=Drift
	Scope Scope `json:"scope,omitempty"`

	// Match limits the policy to some objects. Without it the policy applies to every object that Flux manages.
	// +optional
	Match Match `json:"match,omitempty"`

	// Exempt names those whose edits are always admitted. Their edits are written down.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Exempt []Subject `json:"exempt,omitempty"`

	// Flux names the identities under which Flux arrives from another cluster (hub and spoke: the user of the
	// kubeconfig that spec.kubeConfig of the Kustomizations and HelmReleases there refers to, or the service account
	// that their spec.serviceAccountName names). Their edits of objects that the policy matches are Flux's own: they
	// are never judged. Who holds such a kubeconfig, or may impersonate its user, is Flux.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Flux []Subject `json:"flux,omitempty"`

	// BreakGlass says who may open a BreakGlass for the objects that the policy matches, and edit under it. Without it
	// nobody may.
	// +optional
	BreakGlass *BreakGlassRule `json:"breakGlass,omitempty"`

	// Restore lets the controller put objects back that differ from what Flux applied.
	// +optional
	Restore bool `json:"restore,omitempty"`
}

// BreakGlassRule limits who may open a BreakGlass, and for how long.
type BreakGlassRule struct {
	// Allowed are those who may open one.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Allowed []Subject `json:"allowed"`

	// MaxDuration is the longest that one may last.
	// +optional
	// +kubebuilder:default="4h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:XValidation:rule="self > duration('0s')",message="the duration must be positive"
	MaxDuration metav1.Duration `json:"maxDuration,omitempty"`
}

// ConditionAccepted is true where every pattern and selector of a policy can be read. What cannot be read is named in its
// message; such a pattern matches nothing but its own text, and such a selector nothing at all.
const ConditionAccepted = "Accepted"

// EditPolicyStatus is what the controller makes of a policy.
type EditPolicyStatus struct {
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Match selects objects. An object matches when every list that is not empty has an entry for it, and the selector, if
// there is one, selects its namespace.
type Match struct {
	// Namespaces are names or shell patterns such as "team-*". A Namespace object counts as in itself; other
	// cluster-scoped objects are in namespace "", which only a pattern such as "*" matches.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// NamespaceSelector selects namespaces by their labels; objects that are in no namespace never match it. A Namespace
	// object is selected by the labels that it has before it is edited. Who may label namespaces chooses their policies.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

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

// Subject names a user, the members of a group, or a service account, as the API server authenticates them.
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
