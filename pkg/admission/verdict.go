package admission

import (
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/origin"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Decision is what happens to a request.
type Decision string

// The decisions. Only Denied refuses.
const (
	// Passed: the writer or the object is none of those that are judged.
	Passed Decision = "Passed"
	// Allowed: the object is managed, and the edit leaves everything that git declares as it is.
	Allowed Decision = "Allowed"
	// Exempted: the policy exempts the writer.
	Exempted Decision = "Exempted"
	// UnderBreakGlass: a BreakGlass is in force for the object and the writer.
	UnderBreakGlass Decision = "BreakGlass"
	Recorded        Decision = "Recorded"
	Warned          Decision = "Warned"
	Denied          Decision = "Denied"
	// Unjudged: an internal error; what happens is up to the webhook's failure policy.
	Unjudged Decision = "Unjudged"
)

// FindingKind says what an edit does.
type FindingKind string

// The kinds of finding.
const (
	// Changed and Removed are fields that git declares, or the owner's labels.
	Changed FindingKind = "Changed"
	Removed FindingKind = "Removed"
	// Added is a field that git does not declare and that Flux would strip.
	Added FindingKind = "Added"
	// OptedOut is an annotation or label that keeps Flux from looking after the object.
	OptedOut FindingKind = "OptedOut"
	// Disowned is the loss of the managedFields entry that says what Flux declared.
	Disowned FindingKind = "Disowned"
	// Deleted is the whole object.
	Deleted FindingKind = "Deleted"
	// LookAlike is an object that claims an owner which does not declare it.
	LookAlike FindingKind = "LookAlike"
	// Restarted is the annotation of `kubectl rollout restart`.
	Restarted FindingKind = "Restarted"
	// Undeclared is a change that git and Flux do not care about. It is found only where every change counts.
	Undeclared FindingKind = "Undeclared"

	// Contained are managed objects that go with their namespace or with the definition of their kind.
	Contained FindingKind = "Contained"
	// Steered is a field of an object of Flux that says what Flux applies.
	Steered FindingKind = "Steered"
	// Forged is the status of an object of Flux, written by a person.
	Forged FindingKind = "Forged"
	// Stored is Helm's record of a release.
	Stored FindingKind = "Stored"
	// TakesIdentity is a token of Flux, or a Pod that runs as Flux.
	TakesIdentity FindingKind = "TakesIdentity"
	// Stopped is a controller of Flux, or this one, without Pods.
	Stopped FindingKind = "Stopped"
	// Tied is a finalizer or an owner reference that a person adds: Flux leaves it where it is.
	Tied FindingKind = "Tied"
	// Released is a finalizer that a person takes off an object that is being deleted. It is written down, never refused.
	Released FindingKind = "Released"
	// Noted is an edit beside what git declares, of a Pod below a managed workload for instance. It is written down,
	// and refused by policies of scope All only.
	Noted FindingKind = "Noted"
)

// Finding is one thing that an edit does to a managed object.
type Finding struct {
	Kind FindingKind
	// Path is nil where the finding is about the whole object.
	Path fieldpath.Path
	// Old and New are JSON values, nil for absent. Values of Secrets are masked.
	Old, New any
	// Note is what a message says instead of path and values; mostly empty.
	Note string
	// Origin is where git sets the field, of refused edits only; zero where not known.
	Origin origin.Origin
}

// Verdict is what Judge makes of a request.
type Verdict struct {
	Decision Decision
	// Reason says why the request passed, in a few words; empty for other decisions.
	Reason string
	// Object and Owner are zero where the request passed before they were looked at.
	Object desired.Key
	Owner  ownership.Owner
	// Revision is the one that Flux applied last; empty where not known.
	Revision string
	// Declared is where git declares the object, of refused edits only; zero where not known.
	Declared origin.Origin
	// Findings are ordered by path.
	Findings []Finding
	// Policy is the name of the policy that applied, empty for none.
	Policy string
	// BreakGlass is the name of the one that admitted the edit, empty for none.
	BreakGlass string
	// refusal says, in place of findings, why a BreakGlass must not be created.
	refusal string
	// closing is the sentence that says what Flux does about the edit and what to do instead.
	closing string
	// emergency is the command that would have the edit admitted, of refused edits only; empty for none.
	emergency string
	// reached is the first line of the message where the edit is about more than the object; mostly empty.
	reached string
}

// Admitted reports whether the edit goes through. For Unjudged that is up to the failure policy.
func (v *Verdict) Admitted() bool { return v.Decision != Denied }

// judged reports whether the edit is evidence: it does something to a managed object.
func (v *Verdict) judged() bool { return len(v.Findings) > 0 }
