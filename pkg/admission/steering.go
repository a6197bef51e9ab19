package admission

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

const sourceGroup = "source.toolkit.fluxcd.io"

// steeringGroups hold the objects that say what Flux applies. Those that only report, or scan images, steer nothing.
var steeringGroups = []string{ownership.KustomizeGroup, ownership.HelmGroup, sourceGroup}

// steering is an object of Flux: whoever edits it edits all that is applied from it, without touching any of that. So it is
// guarded whether or not git declares it itself, from when something is applied from it.
type steering struct {
	holdings []Holding
	object   ownership.Owner
}

func steeringReach(r *Request, lookups Lookups) reach {
	if !byHand(r.User) || r.Operation == admissionv1.Create {
		return nil
	}
	s := &steering{holdings: lookups.Steered(r.Object)}
	switch kind := ownership.Kind(r.Object.Kind); {
	case kind == ownership.Kustomization && r.Object.Group == ownership.KustomizeGroup, kind == ownership.HelmRelease:
		s.object = ownership.Owner{Kind: kind, Namespace: r.Object.Namespace, Name: r.Object.Name}
	case len(s.holdings) > 0:
		s.object = s.holdings[0].Owner
	}
	return s
}

func (s *steering) owner() ownership.Owner { return s.object }

func (s *steering) find(r *Request, facts *Facts) (found, error) {
	out := found{headline: s.headline(r.Object)}
	switch {
	case terminating(r):
		out.findings = released(r)
		return out, nil
	case r.Subresource == "status":
		out.closing = "Only Flux reports what it did. To make it look again: flux reconcile."
		out.findings = forged(r)
	case len(s.holdings) == 0 || r.Subresource != "":
	case r.Operation == admissionv1.Delete:
		out.closing = "To remove it, delete it in git; what git does not declare, delete under an exemption of the EditPolicy."
		if s.holdings[0].Prunes {
			out.closing = "Deleting it deletes what is applied from it, too. " + out.closing
		}
		out.findings = []Finding{{Kind: Deleted}}
	default:
		changes, err := changed(r)
		if err != nil {
			return found{}, err
		}
		out.closing = "This changes what Flux applies, not a single object. Change it in git; who looks after it by hand needs an exemption in the EditPolicy."
		j := judge{request: r, facts: facts}
		for _, c := range changes {
			if kind, ok := j.steers(c); ok {
				out.findings = append(out.findings, j.finding(kind, c))
			}
		}
	}
	if facts.Managed {
		// That git declares it says more.
		out.headline = ""
		if r.Subresource == "" {
			out.closing = ""
		}
	}
	return out, nil
}

// steers says what a change of the spec does, false for one that git asks for and for a resume.
func (j *judge) steers(c fields.Change) (FindingKind, bool) {
	if !is(c.Path[0], "spec") {
		return "", false
	}
	if len(c.Path) == 2 && is(c.Path[1], "suspend") {
		return OptedOut, fields.Equal(c.After, true)
	}
	if j.facts.State != nil {
		want, wanted := j.wanted(c.Path)
		if !wanted && c.After == nil || wanted && matches(c.Path, c.After, want, c.Before == nil) {
			return "", false
		}
	}
	return Steered, true
}

func (s *steering) headline(object desired.Key) string {
	if len(s.holdings) == 0 {
		return fmt.Sprintf("%s is an object of Flux", objectName(object))
	}
	if self := (ownership.Owner{Kind: ownership.Kind(object.Kind), Namespace: object.Namespace, Name: object.Name}); self == s.holdings[0].Owner {
		return fmt.Sprintf("%s manages %s", objectName(object), objects(s.holdings))
	}
	return fmt.Sprintf("Flux %s applies %s from %s", fluxName(s.holdings[0].Owner), objects(s.holdings), objectName(object))
}

func objects(holdings []Holding) string {
	n := 0
	for _, h := range holdings {
		n += h.Count
	}
	switch n {
	case 0:
		return "objects"
	case 1:
		return "an object"
	}
	return fmt.Sprintf("%d objects", n)
}

// forged lists the parts of a status that a person writes. Of long conditions and histories a name is enough.
func forged(r *Request) []Finding {
	if r.Old == nil || r.New == nil {
		return nil
	}
	before, _ := r.Old.Object["status"].(map[string]any)
	after, _ := r.New.Object["status"].(map[string]any)
	var names []string
	for _, c := range fields.Diff(before, after, nil) {
		if name := c.Path[0].FieldName; name != nil && !slices.Contains(names, *name) {
			names = append(names, *name)
		}
	}
	var out []Finding
	for _, name := range names {
		path := fieldpath.MakePathOrDie("status", name)
		out = append(out, Finding{Kind: Forged, Path: path, Note: fields.Name(path) + ": written by hand"})
	}
	return out
}
