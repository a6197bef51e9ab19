package report

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
)

// StatusReport is the machine-readable status of clusters, one item a cluster.
type StatusReport struct {
	metav1.TypeMeta `json:",inline"`
	Items           []ClusterStatus `json:"items"`
}

// ClusterStatus is how one cluster is.
type ClusterStatus struct {
	Cluster string `json:"cluster,omitempty"`
	// Error says why nothing more is known.
	Error string `json:"error,omitempty"`
	// Revision is the one that most of the owners have applied.
	Revision string        `json:"revision,omitempty"`
	Owners   []OwnerStatus `json:"owners"`
	// Holds are the objects that Flux is held off for a BreakGlass.
	Holds []HoldStatus `json:"holds,omitempty"`
}

// HoldStatus is one active BreakGlass.
type HoldStatus struct {
	BreakGlass  string                   `json:"breakGlass"`
	Object      v1alpha1.ObjectReference `json:"object"`
	RequestedBy string                   `json:"requestedBy"`
	Reason      string                   `json:"reason"`
	Until       metav1.Time              `json:"until"`
}

// OwnerStatus is how one owner is.
type OwnerStatus struct {
	Owner    OwnerRef `json:"owner"`
	Revision string   `json:"revision,omitempty"`
	// Reconciled is when the last reconciliation ended, absent if none has.
	Reconciled *metav1.Time    `json:"reconciled,omitempty"`
	Interval   metav1.Duration `json:"interval"`
	Stale      bool            `json:"stale"`
	Suspended  bool            `json:"suspended"`
	// Gone owners are not in the cluster any more, but some of what they applied is.
	Gone bool `json:"gone,omitempty"`
	// SuspendedSince is when it was suspended; without SuspendedBy the latest that it can have been.
	SuspendedSince *metav1.Time `json:"suspendedSince,omitempty"`
	// SuspendedBy is the user who suspended it, SuspendedWith the field manager.
	SuspendedBy   string `json:"suspendedBy,omitempty"`
	SuspendedWith string `json:"suspendedWith,omitempty"`
	// Failure is Flux's message where the last reconciliation failed.
	Failure string `json:"failure,omitempty"`
	// Drift is absent where objects were not compared.
	Drift *DriftCount `json:"drift,omitempty"`
	// Error says why they could not be.
	Error string `json:"error,omitempty"`
}

// DriftCount says how many objects of an owner were compared, how many of them differ from git or are missing, how many
// Flux is held off, and how many could not be checked.
type DriftCount struct {
	Compared  int `json:"compared"`
	Drifted   int `json:"drifted"`
	Held      int `json:"held"`
	Unchecked int `json:"unchecked"`
}

// Report makes the machine-readable status of scans.
func (s Status) Report(scans ...Scan) *StatusReport {
	out := &StatusReport{
		TypeMeta: metav1.TypeMeta{APIVersion: "gitops-drift.dev/v1alpha1", Kind: "StatusReport"},
		Items:    []ClusterStatus{},
	}
	for _, scan := range scans {
		item := ClusterStatus{Cluster: scan.Cluster, Owners: []OwnerStatus{}}
		if scan.Err != nil {
			item.Error = scan.Err.Error()
		}
		if scan.Value != nil {
			item.Revision = s.sum(scan.Value).commonest()
			for _, g := range s.holds(scan.Value) {
				item.Holds = append(item.Holds, HoldStatus{
					BreakGlass: g.Name, Object: g.Spec.Object, RequestedBy: g.Spec.RequestedBy, Reason: g.Spec.Reason, Until: metav1.NewTime(expires(g).UTC()),
				})
			}
			for i := range scan.Value.Owners {
				item.Owners = append(item.Owners, s.ownerStatus(&scan.Value.Owners[i]))
			}
		}
		out.Items = append(out.Items, item)
	}
	return out
}

func (s Status) ownerStatus(owner *drift.OwnerResult) OwnerStatus {
	_, stale := owner.Stale(s.Now, s.Stale)
	out := OwnerStatus{
		Owner: ownerRef(owner.Owner), Revision: owner.Revision, Reconciled: timestamp(owner.Reconciled),
		Interval: metav1.Duration{Duration: owner.Interval}, Stale: stale, Suspended: owner.Suspended, Gone: owner.Gone, Failure: owner.Failure,
	}
	if owner.Suspended {
		by := owner.Suspension
		out.SuspendedSince, out.SuspendedBy, out.SuspendedWith = timestamp(by.Since), by.User, by.Manager
	}
	switch {
	case owner.Err != nil:
		out.Error = owner.Err.Error()
	case s.Compared:
		drifted, held := touched(owner)
		out.Drift = &DriftCount{Compared: owner.Checked, Drifted: drifted, Held: held, Unchecked: len(owner.Unproven)}
	}
	return out
}

// Wrong reports whether anything is to be seen to: drift, an owner that fails, or one that is stale.
func (s Status) Wrong(scans ...Scan) bool {
	for _, scan := range scans {
		if scan.Value == nil {
			continue
		}
		for i := range scan.Value.Owners {
			owner := &scan.Value.Owners[i]
			if _, stale := owner.Stale(s.Now, s.Stale); stale || owner.Failure != "" {
				return true
			}
		}
	}
	return Count(scans...).Findings > 0
}
