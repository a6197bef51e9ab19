package report

import (
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// DriftReport is the machine-readable result of a scan, one item a finding.
type DriftReport struct {
	metav1.TypeMeta `json:",inline"`
	Items           []Item `json:"items"`
	// ByHand are the releases that somebody else than Flux changed, as with Helm.
	ByHand []Remark `json:"byHand,omitempty"`
	// Errors are the owners and objects that could not be checked.
	Errors []Error `json:"errors,omitempty"`
	// Elsewhere are owners of other clusters that apply objects to this one.
	Elsewhere []Elsewhere `json:"elsewhere,omitempty"`
	// Unlisted are the kinds among whose objects orphans could not be looked for.
	Unlisted []Unlisted `json:"unlisted,omitempty"`
}

// Elsewhere counts the objects that an owner of another cluster applies to this one.
type Elsewhere struct {
	Cluster string   `json:"cluster,omitempty"`
	Owner   OwnerRef `json:"owner"`
	Objects int      `json:"objects"`
}

// Unlisted is a kind whose objects could not be listed, and why.
type Unlisted struct {
	Cluster string `json:"cluster,omitempty"`
	Group   string `json:"group,omitempty"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
	// Namespaces are those in which they could be listed all the same.
	Namespaces []string `json:"namespaces,omitempty"`
}

// Remark is about an owner.
type Remark struct {
	Cluster string   `json:"cluster,omitempty"`
	Owner   OwnerRef `json:"owner"`
	Message string   `json:"message"`
}

// Item is one difference between git and a cluster. Desired and Live are JSON values, absent where the field is;
// values of Secrets are masked.
type Item struct {
	Cluster     string       `json:"cluster,omitempty"`
	Object      ObjectRef    `json:"object"`
	Owner       OwnerRef     `json:"owner"`
	Revision    string       `json:"revision"`
	Kind        string       `json:"kind"`
	Path        string       `json:"path,omitempty"`
	Desired     any          `json:"desired,omitempty"`
	Live        any          `json:"live,omitempty"`
	User        string       `json:"user,omitempty"`
	Manager     string       `json:"manager,omitempty"`
	Subresource string       `json:"subresource,omitempty"`
	Time        *metav1.Time `json:"time,omitempty"`
	Verdict     string       `json:"verdict"`
	Holder      string       `json:"holder,omitempty"`
	Reason      string       `json:"reason,omitempty"`
	Origin      *Origin      `json:"origin,omitempty"`
	// Failure is why Flux failed to reconcile the owner last, so that Desired is not what it applies now.
	Failure string `json:"failure,omitempty"`
}

// ObjectRef names an object.
type ObjectRef struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// OwnerRef names the Kustomization or HelmRelease that manages an object; without a name, all of its kind.
type OwnerRef struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
}

// Origin is the place in git. Line counts from 1, and is left out where only the file is known.
type Origin struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
}

// Error says what could not be checked, and why: an object, a whole owner, or a whole cluster.
type Error struct {
	Cluster string     `json:"cluster,omitempty"`
	Owner   *OwnerRef  `json:"owner,omitempty"`
	Object  *ObjectRef `json:"object,omitempty"`
	Message string     `json:"message"`
}

// NewDriftReport makes the list of scans.
func NewDriftReport(scans ...Scan) *DriftReport {
	out := &DriftReport{
		TypeMeta: metav1.TypeMeta{APIVersion: "gitops-drift.dev/v1alpha1", Kind: "DriftReport"},
		Items:    []Item{},
	}
	for _, scan := range scans {
		out.add(scan)
	}
	return out
}

func (r *DriftReport) add(scan Scan) {
	if scan.Err != nil {
		r.Errors = append(r.Errors, Error{Cluster: scan.Cluster, Message: scan.Err.Error()})
	}
	if scan.Value == nil {
		return
	}
	for _, owner := range scan.Value.Owners {
		for _, f := range owner.Findings {
			i := item(scan.Cluster, f)
			i.Failure = owner.Failure
			r.Items = append(r.Items, i)
		}
		ref := ownerRef(owner.Owner)
		if owner.ByHand != "" {
			r.ByHand = append(r.ByHand, Remark{Cluster: scan.Cluster, Owner: ref, Message: owner.ByHand})
		}
		if owner.Err != nil {
			r.Errors = append(r.Errors, Error{Cluster: scan.Cluster, Owner: &ref, Message: owner.Err.Error()})
		}
		for _, e := range owner.Unproven {
			object := objectRef(e.Object)
			r.Errors = append(r.Errors, Error{Cluster: scan.Cluster, Owner: &ref, Object: &object, Message: e.Err.Error()})
		}
	}
	for _, e := range scan.Value.Elsewhere {
		r.Elsewhere = append(r.Elsewhere, Elsewhere{Cluster: scan.Cluster, Owner: ownerRef(e.Owner), Objects: e.Objects})
	}
	for _, e := range scan.Value.Unlisted {
		r.Unlisted = append(r.Unlisted, Unlisted{Cluster: scan.Cluster, Group: e.Kind.Group, Kind: e.Kind.Kind, Message: e.Err.Error(), Namespaces: e.Namespaces})
	}
}

// WriteJSON writes the list as indented JSON.
func (r *DriftReport) WriteJSON(w io.Writer) error { return WriteJSON(w, r) }

// WriteYAML writes the list as YAML.
func (r *DriftReport) WriteYAML(w io.Writer) error { return WriteYAML(w, r) }

func item(cluster string, f drift.Finding) Item {
	i := Item{
		Cluster: cluster, Object: objectRef(f.Object), Owner: ownerRef(f.Owner), Revision: f.Revision,
		Kind: string(f.Kind), Path: fields.Name(f.Path), Desired: f.Desired, Live: f.Live,
		User: f.User, Manager: f.Manager, Subresource: f.Subresource, Time: timestamp(f.Time), Verdict: string(f.Verdict), Holder: f.Holder, Reason: f.Reason,
	}
	if f.Origin.File != "" {
		i.Origin = &Origin{File: f.Origin.File, Line: f.Origin.Line}
	}
	return i
}

func timestamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}

func objectRef(o drift.Object) ObjectRef {
	return ObjectRef{Group: o.Group, Version: o.Version, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}

func ownerRef(o ownership.Owner) OwnerRef {
	return OwnerRef{Kind: string(o.Kind), Namespace: o.Namespace, Name: o.Name}
}
