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
// +kubebuilder:printcolumn:name="Held",type=string,JSONPath=`.status.conditions[?(@.type=="Held")].status`
// +kubebuilder:printcolumn:name="Ended",type=string,JSONPath=`.status.endedBy`
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

// ConditionHeld says whether Flux is held off the object.
const ConditionHeld = "Held"

// EndCause says what ended a BreakGlass.
// +kubebuilder:validation:Enum=Expired;Closed;Deleted
type EndCause string

// The causes.
const (
	// Expired: its time, or that which the policy allows, was over.
	Expired EndCause = "Expired"
	// Closed: somebody closed it.
	Closed EndCause = "Closed"
	// Deleted: somebody deleted it.
	Deleted EndCause = "Deleted"
)

// BreakGlassStatus is what came of it. The controller writes it.
type BreakGlassStatus struct {
	// Conditions: Held says whether Flux is held off the object, and if not, why.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Expires is when its time is over, by its duration and by what the policy allows.
	// +optional
	Expires *metav1.Time `json:"expires,omitempty"`

	// Ended is when the controller found that it is over.
	// +optional
	Ended *metav1.Time `json:"ended,omitempty"`

	// EndedBy is what ended it.
	// +optional
	EndedBy EndCause `json:"endedBy,omitempty"`

	// Drift is how the object differed from git when it ended. Values of Secrets are masked.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Drift []DriftedField `json:"drift,omitempty"`

	// MoreDrift counts the fields that did not fit into Drift.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MoreDrift int32 `json:"moreDrift,omitempty"`

	// DriftSource says where Drift comes from: Comparison with git, or the EditRecords of edits under this BreakGlass where
	// what git wants is not known to the controller.
	// +optional
	// +kubebuilder:validation:Enum=Comparison;Records
	DriftSource string `json:"driftSource,omitempty"`
}

// The sources of BreakGlassStatus.Drift.
const (
	FromComparison = "Comparison"
	FromRecords    = "Records"
)

// DriftedField is one field that differed from git, and who changed it.
type DriftedField struct {
	// Path is the field as people write it; empty for the whole object, which was missing.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Path string `json:"path,omitempty"`
	// Git and Live are the values, cut to 120 characters; empty for none.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Git string `json:"git,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Live string `json:"live,omitempty"`
	// User is who changed it, as the API server authenticated them; empty where no record of an edit says so.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	User string `json:"user,omitempty"`
	// Manager is the field manager that wrote the value; empty where nobody knows.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Manager string `json:"manager,omitempty"`
}

// Ends returns when the time of a BreakGlass is over, unless it is closed before.
func (b *BreakGlass) Ends() time.Time { return b.CreationTimestamp.Add(b.Spec.Duration.Duration) }

// Active reports whether it is in force at now. What was found to be over is so for good, whatever a clock says.
func (b *BreakGlass) Active(now time.Time) bool {
	return !b.Spec.Closed && b.DeletionTimestamp.IsZero() && b.Status.Ended == nil && now.Before(b.Ends())
}

// BreakGlassList is a list of BreakGlasses.
// +kubebuilder:object:root=true
type BreakGlassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BreakGlass `json:"items"`
}
