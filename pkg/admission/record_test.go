package admission

import (
	"slices"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// recording has h record into the list that it returns.
func recording(h *Handler) *[]v1alpha1.EditRecordSpec {
	records := &[]v1alpha1.EditRecordSpec{}
	h.Record = func(spec v1alpha1.EditRecordSpec) { *records = append(*records, spec) }
	return records
}

func TestEditsAreRecorded(t *testing.T) {
	memory := []v1alpha1.RecordedField{{Kind: "Changed", Path: api + ".resources.limits.memory", Old: "512Mi", New: "1Gi"}}
	for name, test := range map[string]struct {
		request string
		action  v1alpha1.Action
		world   func(*world)
		want    v1alpha1.EditRecordSpec
	}{
		"refused": {"memory", v1alpha1.Deny, nil, v1alpha1.EditRecordSpec{
			Decision: v1alpha1.Denied, Operation: "UPDATE", Manager: "kubectl-set", Fields: memory,
		}},
		"admitted": {"memory", v1alpha1.Record, nil, v1alpha1.EditRecordSpec{
			Decision: v1alpha1.Recorded, Operation: "UPDATE", Manager: "kubectl-set", Fields: memory, FluxWill: v1alpha1.Reverts,
		}},
		"admitted while suspended": {"memory", v1alpha1.Warn, func(w *world) { w.owner.Suspended = true }, v1alpha1.EditRecordSpec{
			Decision: v1alpha1.Warned, Operation: "UPDATE", Manager: "kubectl-set", Fields: memory, FluxWill: v1alpha1.Held,
		}},
		"deleted": {"deleted", v1alpha1.Record, nil, v1alpha1.EditRecordSpec{
			Decision: v1alpha1.Recorded, Operation: "DELETE", FluxWill: v1alpha1.Reverts,
		}},
		"added": {"env-added", v1alpha1.Record, nil, v1alpha1.EditRecordSpec{
			Decision: v1alpha1.Recorded, Operation: "UPDATE", Manager: "kubectl-set", FluxWill: v1alpha1.Reverts,
			Fields: []v1alpha1.RecordedField{{Kind: "Added", Path: api + ".env[name=DEBUG]", New: `{"name":"DEBUG","value":"1"}`}},
		}},
		"opted out": {"opted-out", v1alpha1.Record, nil, v1alpha1.EditRecordSpec{
			Decision: v1alpha1.Recorded, Operation: "UPDATE", Manager: "me", FluxWill: v1alpha1.Held,
			Fields: []v1alpha1.RecordedField{{Kind: "OptedOut", Path: `metadata.annotations["kustomize.toolkit.fluxcd.io/reconcile"]`, New: "disabled"}},
		}},
		"scaled": {"scaled", v1alpha1.Record, nil, v1alpha1.EditRecordSpec{
			Decision: v1alpha1.Recorded, Operation: "UPDATE", Subresource: "scale", FluxWill: v1alpha1.Reverts,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.policies[0].Spec.Action = test.action
			if test.world != nil {
				test.world(w)
			}
			h, _ := newHandler(t, w)
			records := recording(h)
			h.Handle(t.Context(), request(real(recorded(t, test.request))))
			if len(*records) != 1 {
				t.Fatalf("%d records", len(*records))
			}
			got := (*records)[0]
			if got.Decision != test.want.Decision || got.Operation != test.want.Operation || got.Subresource != test.want.Subresource ||
				got.Manager != test.want.Manager || got.FluxWill != test.want.FluxWill {
				t.Errorf("got %+v", got)
			}
			if test.want.Fields != nil && !slices.Equal(got.Fields, test.want.Fields) || test.want.Operation == "DELETE" && len(got.Fields) > 0 {
				t.Errorf("fields are %+v", got.Fields)
			}
			if got.User.Name != "oncall@contoso.com" || got.Owner != apps.String() || got.Policy != "enforce" || got.Revision == "" ||
				got.Object.Kind != "Deployment" || got.Object.Namespace != "payments" || got.Object.Name != "payments-api" {
				t.Errorf("got %+v", got)
			}
			if got.Count != 1 || got.FirstTime.IsZero() || !got.FirstTime.Equal(&got.LastTime) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWhatIsNoEditLeavesNoRecord(t *testing.T) {
	h, _ := newHandler(t, newWorld(t))
	records := recording(h)
	h.Handle(t.Context(), request(recorded(t, "memory"))) // a dry-run
	for _, name := range []string{"flux", "deployment-controller", "unmanaged-created", "same-values-applied"} {
		h.Handle(t.Context(), request(real(recorded(t, name))))
	}
	if len(*records) > 0 {
		t.Errorf("got %+v", *records)
	}
}

func TestAnAdditionThatFluxLeavesToItsManagerPersists(t *testing.T) {
	in := real(recorded(t, "env-added-by-another-manager"))
	r, err := NewRequest(in, kindOf)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := gather(r, installation(), newWorld(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	managers, err := ownership.Managers(r.New)
	if err != nil {
		t.Fatal(err)
	}
	v := &Verdict{Owner: apps, Decision: Recorded}
	for _, m := range managers {
		if m.Name != ownership.KustomizeManager {
			for path := range m.Fields.All() {
				v.Findings = append(v.Findings, Finding{Kind: Added, Path: path.Copy()})
			}
		}
	}
	if got := v.fluxWill(r, facts); got != v1alpha1.Persists || len(v.Findings) == 0 {
		t.Errorf("Flux %s %d findings", got, len(v.Findings))
	}
}

func TestBoundedCutsBetweenCharacters(t *testing.T) {
	for _, prefix := range []string{"", "a", "ab"} {
		text := []rune(prefix)
		for len(string(text)) <= maxAudit {
			text = append(text, '→')
		}
		got := bounded(string(text))
		if len(got) > maxAudit || len(got) < maxAudit-4 || got != string([]rune(got)) {
			t.Errorf("%d bytes", len(got))
		}
	}
}
