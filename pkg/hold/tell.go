package hold

import (
	"fmt"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// The reasons of the events on owners.
const (
	eventHeld  = "BreakGlassHeld"
	eventEnded = "BreakGlassEnded"
)

// maxNote is how long the API server lets an event's note be, maxSaid how many fields one names.
const maxNote, maxSaid = 1024, 5

// tell writes an event on the owner of an object, about the BreakGlass.
func (c *Controller) tell(g *v1alpha1.BreakGlass, t *target, kind, reason, action, note string) {
	if c.Recorder == nil || t.owner.Name == "" {
		return
	}
	owner := &corev1.ObjectReference{
		APIVersion: kustomizev1.GroupVersion.String(), Kind: string(t.owner.Kind), Namespace: t.owner.Namespace, Name: t.owner.Name,
	}
	if t.owner.Kind == ownership.HelmRelease {
		owner.APIVersion = helmv2.GroupVersion.String()
	}
	about := &corev1.ObjectReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "BreakGlass", Name: g.Name, UID: g.UID}
	c.Recorder.Eventf(owner, about, kind, reason, action, "%s", fields.Cut(note, maxNote-1))
}

// tellHeld says whom Flux is held off for, and why.
func (c *Controller) tellHeld(t *target) {
	g := t.active
	c.tell(g, t, corev1.EventTypeWarning, eventHeld, "Hold", fmt.Sprintf("Flux is held off %s until %s at the latest, for BreakGlass %s of %s: %s",
		t.name(), g.Ends().UTC().Format(time.TimeOnly+" MST"), g.Name, g.Spec.RequestedBy, why(g)))
}

// tellEnded says what ended a BreakGlass, and which fields differed from git then; no values.
func (c *Controller) tellEnded(g *v1alpha1.BreakGlass, t *target) {
	note := fmt.Sprintf("BreakGlass %s of %s for %s is over (%s). ", g.Name, g.Spec.RequestedBy, t.name(), g.Status.EndedBy)
	if t.active != nil {
		note += "Another one still holds Flux off: " + t.active.Name + ". "
	}
	switch drifted := g.Status.Drift; {
	case len(drifted) == 0:
		note += "Nothing differed from git."
	default:
		note += "What differed from git:"
		for i, field := range drifted[:min(len(drifted), maxSaid)] {
			if i > 0 {
				note += ","
			}
			if note += " " + field.Path; field.Path == "" {
				note += "the whole object"
			}
		}
		if more := len(drifted) - maxSaid + int(g.Status.MoreDrift); more > 0 {
			note += fmt.Sprintf(", and %d more", more)
		}
	}
	c.tell(g, t, corev1.EventTypeNormal, eventEnded, "Release", note)
}

// why is the reason, with the ticket if there is one.
func why(g *v1alpha1.BreakGlass) string {
	if g.Spec.Ticket == "" {
		return g.Spec.Reason
	}
	return g.Spec.Reason + " (" + g.Spec.Ticket + ")"
}
