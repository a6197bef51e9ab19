package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Decision is what happened to an edit.
// +kubebuilder:validation:Enum=Denied;Warned;Recorded;Exempted;BreakGlass
type Decision string

// The decisions that leave a record.
const (
	// Denied edits were refused.
	Denied Decision = "Denied"
	// Warned edits were admitted with a warning.
	Warned Decision = "Warned"
	// Recorded edits were admitted silently.
	Recorded Decision = "Recorded"
	// Exempted edits were admitted because the policy exempts the editor.
	Exempted Decision = "Exempted"
	// UnderBreakGlass edits were admitted because a BreakGlass was active.
	UnderBreakGlass Decision = "BreakGlass"
)

// FluxVerdict is what Flux does about an edit that was admitted, as far as it is known.
// +kubebuilder:validation:Enum=Reverts;Persists;Held
type FluxVerdict string

// The verdicts.
const (
	// Reverts: Flux's next apply undoes the edit.
	Reverts FluxVerdict = "Reverts"
	// Persists: Flux does not see the edit and never undoes it.
	Persists FluxVerdict = "Persists"
	// Held: the edit stays while something holds Flux off.
	Held FluxVerdict = "Held"
)

// Folding says that a record stands for edits that would each have had a record of their own, had their user not made so
// many different ones.
// +kubebuilder:validation:Enum=Fields;Objects
type Folding string

// The foldings.
const (
	// FoldedFields: the record stands for edits of other fields of the object, too.
	FoldedFields Folding = "Fields"
	// FoldedObjects: the record stands for edits of other objects, too.
	FoldedObjects Folding = "Objects"
)

// EditRecord is the evidence of an edit of an object that Flux manages: who did what, when, and how often. Edits of the
// same object and fields by the same user with the same decision are one record with a count. The controller writes
// and removes records; nothing reads them but people and `kubectl gitops-drift`.
//
// A record says what was decided about a request. Whether the API server then carried an admitted request out is in its
// audit log: another webhook, or a conflict, may have stopped it.
//
// It is cluster-scoped, so that it outlives the namespace that an edit was made in. Values of Secrets are masked.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=editrec,categories=gitops-drift
// +kubebuilder:selectablefield:JSONPath=`.spec.object.kind`
// +kubebuilder:selectablefield:JSONPath=`.spec.object.namespace`
// +kubebuilder:selectablefield:JSONPath=`.spec.object.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.user.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.decision`
// +kubebuilder:printcolumn:name="Kind",type=string,JSONPath=`.spec.object.kind`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.spec.object.namespace`
// +kubebuilder:printcolumn:name="Name",type=string,JSONPath=`.spec.object.name`
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.user.name`
// +kubebuilder:printcolumn:name="Decision",type=string,JSONPath=`.spec.decision`
// +kubebuilder:printcolumn:name="Fields",type=string,JSONPath=`.spec.fields[*].path`,priority=1
// +kubebuilder:printcolumn:name="Count",type=integer,JSONPath=`.spec.count`
// +kubebuilder:printcolumn:name="Last",type=date,JSONPath=`.spec.lastTime`
type EditRecord struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec EditRecordSpec `json:"spec"`
}

// EditRecordSpec is what is known of the edits that a record counts. Object, user, operation, subresource, decision,
// break-glass and the kinds and paths of the fields are the same for all of them, unless Folded says otherwise; the rest
// is that of the last edit.
// +kubebuilder:validation:XValidation:rule="self.firstTime <= self.lastTime",message="firstTime is after lastTime"
type EditRecordSpec struct {
	// Object is what was edited.
	// +required
	Object ObjectReference `json:"object"`

	// Owner is the Kustomization or HelmRelease that manages the object, as Kind/namespace/name; empty for edits
	// of what no owner manages, such as the Pods of Flux itself.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Owner string `json:"owner"`

	// Revision is what Flux had applied at the last edit; empty where it is not known.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Revision string `json:"revision,omitempty"`

	// User is who made the edits, as the API server authenticated them.
	// +required
	User RecordedUser `json:"user"`

	// Operation is CREATE, UPDATE, DELETE or CONNECT.
	// +required
	// +kubebuilder:validation:Enum=CREATE;UPDATE;DELETE;CONNECT
	Operation string `json:"operation"`

	// Subresource is empty for the object itself.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Subresource string `json:"subresource,omitempty"`

	// Manager is the field manager that the editor named; empty where it cannot be told.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Manager string `json:"manager,omitempty"`

	// Decision is what happened to the edits.
	// +required
	Decision Decision `json:"decision"`

	// Policy is the EditPolicy that decided; empty for none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Policy string `json:"policy,omitempty"`

	// BreakGlass is the one that admitted the edits; empty for none.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	BreakGlass string `json:"breakGlass,omitempty"`

	// FluxWill is what Flux does about the edits; empty where it is not known or they were refused.
	// +optional
	FluxWill FluxVerdict `json:"fluxWill,omitempty"`

	// Fields is what the edits did, with the values of the last one. It is empty for edits of the whole object.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Fields []RecordedField `json:"fields,omitempty"`

	// MoreFields counts the fields that did not fit into Fields.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MoreFields int32 `json:"moreFields,omitempty"`

	// Folded is set where the user made so many different edits that the record stands for others, too; object,
	// operation and fields are then those of the last one.
	// +optional
	Folded Folding `json:"folded,omitempty"`

	// Count is how many edits this record stands for.
	// +required
	// +kubebuilder:validation:Minimum=1
	Count int64 `json:"count"`

	// FirstTime is when the first of the edits was made.
	// +required
	FirstTime metav1.Time `json:"firstTime"`

	// LastTime is when the last of the edits was made.
	// +required
	LastTime metav1.Time `json:"lastTime"`
}

// ObjectReference names an object in any version of its API.
type ObjectReference struct {
	// Group is empty for the core group.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`

	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// Namespace is empty for cluster-scoped objects.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// RecordedUser is a user as the API server authenticated them.
type RecordedUser struct {
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Name string `json:"name"`

	// Groups are shortened where there are more than 64 of them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`
}

// RecordedField is one thing that an edit did.
type RecordedField struct {
	// Kind is what was done to the field, such as Changed, Removed or Added.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// Path is the field as people write it, such as spec.template.spec.containers[name=api].image. It is empty
	// where the edit is about the whole object.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Path string `json:"path,omitempty"`

	// Old is the value before the edit, shortened; empty for none. Values of Secrets are masked.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Old string `json:"old,omitempty"`

	// New is the value after the edit, shortened; empty for none. Values of Secrets are masked.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	New string `json:"new,omitempty"`

	// Note says it in words, where path and values do not.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Note string `json:"note,omitempty"`
}

// EditRecordList is a list of EditRecords.
// +kubebuilder:object:root=true
type EditRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EditRecord `json:"items"`
}
