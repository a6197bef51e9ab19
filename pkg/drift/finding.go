package drift

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/origin"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// Kind says in what way a field or an object differs from git.
type Kind string

// The kinds of finding.
const (
	Changed Kind = "Changed"
	Removed Kind = "Removed"
	Added   Kind = "Added"
	// Missing is an object that Flux applied and that is not in the cluster.
	Missing Kind = "Missing"
	// Orphaned is an object that Flux applied and then left behind: it carries the labels and the manager of a
	// Kustomization, but is in no inventory.
	Orphaned Kind = "Orphaned"
	// OptedOut is a label or an annotation that makes Flux leave the object alone, whether anything else differs or not.
	OptedOut Kind = "OptedOut"
)

// Verdict says what Flux will do about a finding.
type Verdict string

// The verdicts.
const (
	// Reverts: Flux's next apply undoes it.
	Reverts Verdict = "Reverts"
	// Persists: Flux does not see it and never undoes it.
	Persists Verdict = "Persists"
	// Held: it stays while something holds Flux off; Finding.Holder says what.
	Held Verdict = "Held"
	// Pending: the working tree that the cluster is compared with has it, what Flux applied has not. Flux changes it once
	// git has what the working tree has.
	Pending Verdict = "Pending"
)

// Object names an object of a cluster.
type Object struct {
	schema.GroupVersionKind
	Namespace, Name string
}

// String writes the object as people name it: namespace/kind/name.
func (o Object) String() string {
	name := strings.ToLower(o.Kind) + "/" + o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return name
}

func objectOf(u *unstructured.Unstructured) Object {
	return Object{GroupVersionKind: u.GroupVersionKind(), Namespace: u.GetNamespace(), Name: u.GetName()}
}

// Finding is one difference between git and the cluster.
type Finding struct {
	Object Object
	Owner  ownership.Owner
	// Revision is the revision of the owner's source that Desired comes from.
	Revision string
	Kind     Kind
	// Path is nil for an object as a whole: one that is missing or orphaned, or that a working tree does not have.
	Path fieldpath.Path
	// Desired and Live are JSON values; nil means absent, fields.Null a null. Values of Secrets are masked.
	Desired, Live any
	// Manager is the field manager that wrote the live value, empty where nobody knows. It is what the client
	// called itself. Subresource is set if it wrote through one. Time is when it last changed any of its fields.
	Manager, Subresource string
	Time                 time.Time
	// User is who wrote the live value, or deleted the object, as the API server authenticated them; empty where no
	// record of an edit says so. See Attribute.
	User    string
	Verdict Verdict
	// Holder is what holds Flux off, for Held.
	Holder string
	// Reason says why Flux leaves alone what differs from what it declares, for Persists; empty where nobody declares it.
	Reason string
	// Origin is where git sets the field, or declares the object that is missing. Of a field that git does not have it is
	// the file that declares the object; zero where nothing is known.
	Origin origin.Origin
}

// Drift reports whether the cluster differs from git by it. Where git itself holds Flux off an object, it does not.
func (f Finding) Drift() bool {
	return f.Kind != OptedOut || f.Desired == nil || f.Live != nil && !fields.Equal(f.Desired, f.Live)
}

// newFinding is the finding for one change from the live state to what Flux would make of it.
func newFinding(live *unstructured.Unstructured, path fieldpath.Path, liveValue, desiredValue any) Finding {
	f := Finding{Object: objectOf(live), Path: path, Kind: Changed, Verdict: Reverts}
	switch {
	case liveValue == nil:
		f.Kind = Removed
	case desiredValue == nil:
		f.Kind = Added
	}
	f.Desired, f.Live = redact.Change(f.Object.GroupKind(), path, desiredValue, liveValue)
	return f
}

// attribute names the manager that wrote what is live on an object of an owner of this kind. A removed field has no manager left, so nobody is named.
func (f *Finding) attribute(kind ownership.Kind, managers []ownership.Manager) {
	if f.Kind == Removed {
		return
	}
	m, ok := ownership.Last(managers, kind, f.Path)
	if !ok && f.Object.GroupKind() == (schema.GroupKind{Kind: "Secret"}) && len(f.Path) == 2 && fields.Name(f.Path[:1]) == "data" {
		// Who applied stringData is noted as the owner of that, not of the data that it became.
		stringData := fieldpath.MakePathOrDie("stringData", *f.Path[1].FieldName)
		m, ok = ownership.Last(managers, kind, stringData)
	}
	if ok {
		f.Manager, f.Subresource, f.Time = m.Name, m.Subresource, m.Time
	}
}

// requests is the prefix of the annotations with which people ask Flux to reconcile now. They are on every
// Kustomization that was ever asked, and no state that anybody desires.
const requests = "reconcile.fluxcd.io/"

// compared is the part of an object that desired state speaks of: all but status, what the API server keeps, and
// requests to Flux.
func compared(object *unstructured.Unstructured) map[string]any {
	out := make(map[string]any, len(object.Object))
	for k, v := range object.Object {
		if k != "status" {
			out[k] = v
		}
	}
	metadata, _ := out["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, field := range []string{"labels", "annotations", "finalizers", "ownerReferences"} {
		if v, ok := metadata[field]; ok {
			kept[field] = v
		}
	}
	if annotations, ok := kept["annotations"].(map[string]any); ok {
		if left := spoken(object, annotations); len(left) > 0 {
			kept["annotations"] = left
		} else {
			delete(kept, "annotations")
		}
	}
	out["metadata"] = kept
	return out
}

// spoken leaves out the annotations with which people ask Flux to reconcile, and those that the API server makes.
func spoken(object *unstructured.Unstructured, annotations map[string]any) map[string]any {
	out := make(map[string]any, len(annotations))
	for k, v := range annotations {
		if !strings.HasPrefix(k, requests) && !slices.Contains(serverAnnotations[object.GetKind()], k) {
			out[k] = v
		}
	}
	return out
}

// serverAnnotations are annotations, by kind, that the API server makes of other fields whatever anybody writes: a count
// of template changes, and parts of the status in version 1 of autoscalers.
var serverAnnotations = map[string][]string{
	"DaemonSet":               {"deprecated.daemonset.template.generation"},
	"HorizontalPodAutoscaler": {"autoscaling.alpha.kubernetes.io/conditions", "autoscaling.alpha.kubernetes.io/current-metrics"},
}

func diff(live, next *unstructured.Unstructured, shape *fields.Shape) []fields.Change {
	before, after := compared(live), compared(next)
	if serverAnnotations[live.GetKind()] != nil {
		// The map is there for what the API server writes: only single annotations come and go.
		for _, side := range []map[string]any{before, after} {
			if metadata, ok := side["metadata"].(map[string]any); ok && metadata["annotations"] == nil {
				metadata["annotations"] = map[string]any{}
			}
		}
	}
	changes := fields.DiffNulls(before, after, shape)
	for i := range changes { // a value that becomes null, or the other way round
		change := &changes[i]
		if change.Before == nil {
			change.Before, _ = fields.Lookup(before, change.Path)
		}
		if change.After == nil {
			change.After, _ = fields.Lookup(after, change.Path)
		}
	}
	return changes
}
