package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BreakGlass lets one user, or a group, edit one object that Flux manages, for a while and for a reason. Its time runs
// from its creation, by the API server's clock. At each edit under it the EditPolicy that applies to the object must let
// the editor break glass, and its maxDuration holds.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,path=breakglasses,singular=breakglass,shortName=glass,categories=gitops-drift
// +kubebuilder:printcolumn:name="Kind",type=string,JSONPath=`.spec.object.kind`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.spec.object.namespace`
// +kubebuilder:printcolumn:name="Name",type=string,JSONPath=`.spec.object.name`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.requestedBy`
// +kubebuilder:printcolumn:name="For",type=string,JSONPath=`.spec.duration`
// +kubebuilder:printcolumn:name="Closed",type=boolean,JSONPath=`.spec.closed`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type BreakGlass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec BreakGlassSpec `json:"spec"`
	// +optional
	Status BreakGlassStatus `json:"status,omitempty"`
}

// BreakGlassSpec says who may edit what, for how long, and why. Only closed can be changed.
// +kubebuilder:validation:XValidation:rule="self.object == oldSelf.object && self.requestedBy == oldSelf.requestedBy && self.reason == oldSelf.reason && self.duration == oldSelf.duration && has(self.group) == has(oldSelf.group) && (!has(self.group) || self.group == oldSelf.group) && has(self.ticket) == has(oldSelf.ticket) && (!has(self.ticket) || self.ticket == oldSelf.ticket)",message="a BreakGlass can only be closed; open another one"
// +kubebuilder:validation:XValidation:rule="!(has(oldSelf.closed) && oldSelf.closed) || has(self.closed) && self.closed",message="a BreakGlass that is closed stays closed; open another one"
type BreakGlassSpec struct {
	// Object is what may be edited.
	// +required
	Object ObjectReference `json:"object"`

	// RequestedBy is who opened it: the name of the user who creates it, as the API server authenticates them.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	RequestedBy string `json:"requestedBy"`

	// Group, of which the requester is a member, may edit the object too, as far as the policy lets its members break
	// glass. Empty for the requester alone.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`

	// Reason is why the edit cannot wait for git.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`\S`
	Reason string `json:"reason"`

	// Ticket is where more is written.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Ticket string `json:"ticket,omitempty"`

	// Duration is how long it lasts from its creation, at most what the policy allows.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:XValidation:rule="self > duration('0s')",message="the duration must be positive"
	Duration metav1.Duration `json:"duration"`

	// Closed ends it before its time. What is closed stays closed.
	// +optional
	Closed bool `json:"closed,omitempty"`
}

// BreakGlassStatus is what came of it.
type BreakGlassStatus struct {
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Ends returns when the time of a BreakGlass is over, unless it is closed before.
func (b *BreakGlass) Ends() time.Time { return b.CreationTimestamp.Add(b.Spec.Duration.Duration) }

// Active reports whether it is in force at now.
func (b *BreakGlass) Active(now time.Time) bool {
	return !b.Spec.Closed && b.DeletionTimestamp.IsZero() && now.Before(b.Ends())
}

// BreakGlassList is a list of BreakGlasses.
// +kubebuilder:object:root=true
type BreakGlassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BreakGlass `json:"items"`
}
