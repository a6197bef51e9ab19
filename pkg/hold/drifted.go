package hold

import (
	"context"
	"fmt"
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/record"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

const (
	// maxDrift is how many fields a status lists; the rest is counted.
	maxDrift = 20
	// maxValue and maxPath bound, in characters, what it shows of them.
	maxValue, maxPath = 120, 300
)

// compare puts into the status how the object differs from git. Where that cannot be had in time the records of edits
// say what they know; the end does not wait for it.
func (c *Controller) compare(ctx context.Context, g *v1alpha1.BreakGlass, t *target) {
	ctx, cancel := context.WithTimeout(ctx, comparing)
	defer cancel()
	records, err := record.List(ctx, c.Client, t.key.Namespace)
	if err != nil {
		c.Log.Error(err, "Who changed the object is not known", "breakGlass", g.Name)
	}
	records = slices.DeleteFunc(records, func(r v1alpha1.EditRecord) bool { return r.Spec.Object != g.Spec.Object })
	found, known, err := c.findings(ctx, t)
	if err != nil {
		c.Log.Error(redact.Error(t.key.GroupKind(), err), "The object could not be compared with git", "breakGlass", g.Name, "object", t.name())
	}
	if known && err == nil {
		result := &drift.Result{Owners: []drift.OwnerResult{{Owner: t.owner, Findings: found}}}
		drift.Attribute(result, records)
		fill(g, v1alpha1.FromComparison, compared(result.Owners[0].Findings))
		return
	}
	fill(g, v1alpha1.FromRecords, recorded(g.Name, records))
}

// fill puts as many fields into the status as it takes.
func fill(g *v1alpha1.BreakGlass, source string, list []v1alpha1.DriftedField) {
	g.Status.DriftSource, g.Status.Drift, g.Status.MoreDrift = source, list, 0
	if more := len(list) - maxDrift; more > 0 {
		g.Status.Drift, g.Status.MoreDrift = list[:maxDrift], int32(more)
	}
}

func compared(found []drift.Finding) []v1alpha1.DriftedField {
	var out []v1alpha1.DriftedField
	for _, f := range found {
		if !f.Drift() {
			continue
		}
		field := v1alpha1.DriftedField{User: f.User, Manager: f.Manager}
		if f.Path != nil {
			field.Path = fields.Cut(fields.Name(f.Path), maxPath)
		}
		if f.Desired != nil {
			field.Git = fields.Show(f.Desired, maxValue)
		}
		if f.Live != nil {
			field.Live = fields.Show(f.Live, maxValue)
		}
		out = append(out, field)
	}
	return out
}

// recorded are the fields that were edited under a BreakGlass, with the values of the last edit.
func recorded(name string, records []v1alpha1.EditRecord) []v1alpha1.DriftedField {
	var out []v1alpha1.DriftedField
	for _, r := range records { // the newest first
		if r.Spec.BreakGlass != name {
			continue
		}
		if len(r.Spec.Fields) == 0 {
			out = append(out, v1alpha1.DriftedField{User: r.Spec.User.Name, Manager: r.Spec.Manager})
		}
		for _, f := range r.Spec.Fields {
			if slices.ContainsFunc(out, func(known v1alpha1.DriftedField) bool { return known.Path == f.Path }) {
				continue
			}
			out = append(out, v1alpha1.DriftedField{Path: fields.Cut(f.Path, maxPath), Git: f.Old, Live: f.New, User: r.Spec.User.Name, Manager: r.Spec.Manager})
		}
	}
	return out
}

// findings are those of the object, false where what git wants is not known here.
func (c *Controller) findings(ctx context.Context, t *target) ([]drift.Finding, bool, error) {
	want, state, ok := c.desired(t.key)
	if !ok || state.Owner != t.owner || t.owner.Kind != ownership.Kustomization {
		return nil, false, nil
	}
	ks := &kustomizev1.Kustomization{}
	if err := c.Client.Get(ctx, client.ObjectKey{Namespace: t.owner.Namespace, Name: t.owner.Name}, ks); err != nil {
		return nil, false, fmt.Errorf("read %s: %w", t.owner, err)
	}
	var live *unstructured.Unstructured
	if t.live != nil {
		live = &unstructured.Unstructured{}
		live.SetGroupVersionKind(want.GroupVersionKind())
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(want), live); client.IgnoreNotFound(err) != nil {
			return nil, false, err
		} else if err != nil {
			live = nil
		}
	}
	found, err := drift.NewChecker(c.Client).Check(ctx, state, want, live, drift.PolicyOf(ks, c.OverrideManagers))
	return found, true, err
}
