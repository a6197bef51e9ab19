package admission

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
)

// Judge decides about one request. An error means that the request could not be judged.
func Judge(r *Request, facts *Facts) (*Verdict, error) {
	v := &Verdict{Decision: Passed, Object: r.Object}
	if v.Reason = passes(r, facts); v.Reason != "" {
		return v, nil
	}
	if facts.Opens != nil {
		facts.Opens.judge(r, v)
		return v, nil
	}
	v.Owner = facts.Owner
	v.Revision = revision(facts)
	var err error
	if v.Findings, err = find(r, facts); err != nil {
		return nil, err
	}
	if err := v.reach(r, facts); err != nil {
		return nil, err
	}
	if !v.judged() {
		v.Decision, v.Reason = Allowed, ""
		if !facts.Managed && facts.Reach == nil {
			v.Decision, v.Reason = Passed, "not managed by Flux"
		}
		return v, nil
	}
	v.Decision = Recorded
	if facts.Policy != nil {
		v.Policy = facts.Policy.Name
		v.Decision = decide(r, facts, v.Findings)
	}
	if v.Decision == Denied {
		v.locate(facts)
	}
	if v.Decision == UnderBreakGlass {
		v.BreakGlass, v.closing = facts.BreakGlass.Name, underGlass(r, facts, v)
	}
	if v.closing == "" {
		v.closing = closing(r, facts, v)
	}
	v.emergency = emergency(r, facts, v)
	return v, nil
}

// passes says why a request is not judged, empty if it is.
func passes(r *Request, facts *Facts) string {
	if why := facts.Installation.Trusts(r.User); why != "" {
		return why
	}
	switch {
	case terminating(r) && len(released(r)) == 0:
		return "already terminating"
	case facts.Opens != nil:
		return ""
	case facts.Reach == nil && facts.Owner == ownership.Owner{}:
		return "not managed by Flux"
	case facts.Status != nil && facts.Installation.applies(r.User, facts.Owner, facts.Status.accounts()...):
		return "Flux in the name of " + facts.Owner.String()
	case facts.claimant(r.User) != "":
		return "Flux in the name of " + facts.claimant(r.User)
	case facts.heir(r.User):
		return "Flux in the name of an owner beside " + facts.Owner.String()
	case facts.Policy != nil && policy.Flux(facts.Policy, r.User):
		return "Flux of another cluster, says EditPolicy " + facts.Policy.Name
	case facts.Reach != nil:
		return ""
	case facts.Managed && facts.abandoned():
		return "no longer managed by " + facts.Owner.String()
	case facts.State != nil && handsOff(facts):
		return "git holds Flux off this object"
	case r.Subresource != "" && r.Operation == admissionv1.Create:
		// An eviction, a binding, a token: an act on the object, not an edit of it.
		return "no edit"
	}
	return ""
}

// abandoned reports whether Flux has let go of the object and its labels are left over: its owner is up to date and
// names it neither in its desired state nor in its inventory.
func (f *Facts) abandoned() bool {
	return f.State == nil && f.Status != nil && f.Status.Settled && !f.Status.Inventoried
}

// handsOff reports whether git itself says that Flux leaves the object alone once it is there.
func handsOff(facts *Facts) bool {
	_, out := ownership.OptOut(facts.Desired)
	return out || ownership.Has(facts.Desired, ownership.SSA, ownership.IfNotPresent)
}

func revision(facts *Facts) string {
	switch {
	case facts.State != nil:
		return facts.State.Revision
	case facts.Status != nil:
		return facts.Status.Revision
	}
	return ""
}

// locate fills in where git sets the fields. It is asked of refused edits only, for it takes reading text that is kept
// compressed.
func (v *Verdict) locate(facts *Facts) {
	if facts.State == nil || facts.Desired.Unstructured == nil {
		return
	}
	set := facts.State.Fields(facts.Desired)
	v.Declared = set.Declared()
	for i := range v.Findings[:min(len(v.Findings), maxFindings)] {
		v.Findings[i].Origin = set.Differing(v.Findings[i].Path, v.Findings[i].New)
	}
}

// decide says what the policy that applies does about an edit.
func decide(r *Request, facts *Facts, found []Finding) Decision {
	p := facts.Policy
	switch {
	case policy.Exempts(p, r.User):
		return Exempted
	case facts.BreakGlass != nil && !holdsOff(found):
		return UnderBreakGlass
	case !counts(p.Spec.Scope, found), only(found, Released):
		return Recorded
	}
	switch p.Spec.Action {
	case v1alpha1.Record:
		return Recorded
	case v1alpha1.Warn:
		return Warned
	}
	return Denied
}

func restartOnly(found []Finding) bool { return only(found, Restarted) }

// only reports whether all findings are of one kind.
func only(found []Finding, kind FindingKind) bool {
	return !slices.ContainsFunc(found, func(f Finding) bool { return f.Kind != kind })
}

// closing says what Flux will do, as far as that is known, and what to do instead.
func closing(r *Request, facts *Facts, v *Verdict) string {
	has := map[FindingKind]bool{}
	for _, f := range v.Findings {
		has[f.Kind] = true
	}
	owner := fluxName(v.Owner)
	optOut, out := "", false
	if r.Old != nil {
		optOut, out = ownership.OptOut(r.Old)
	}
	would := "would"
	if v.Admitted() {
		would = "will"
	}
	switch {
	case has[LookAlike]:
		return fmt.Sprintf("%s does not declare it. Leave the labels out, or declare the object in git.", owner)
	case restartOnly(v.Findings):
		return fmt.Sprintf("Flux %s strip this annotation at its next reconcile, and so roll the %s once more.", would, v.Object.Kind)
	case only(v.Findings, Undeclared):
		return fmt.Sprintf("Flux %s not undo this edit, but EditPolicy %s is for every change. Change the file in git.", would, v.Policy)
	case has[OptedOut] && facts.BreakGlass != nil && holdsOff(v.Findings):
		return fmt.Sprintf("BreakGlass %s holds Flux off the object by itself, and only while it lasts. Leave the annotation out.", facts.BreakGlass.Name)
	case has[OptedOut]:
		return fmt.Sprintf("This %s keep Flux from looking after the object as git says. Change the file in git.", would)
	case only(v.Findings, Steered):
		return fmt.Sprintf("Flux does not undo this edit, and it changes what %s applies. Change it in git.", objectName(r.Object))
	case only(v.Findings, Tied):
		return "Flux does not look at finalizers and owner references, so they stay. Declare them in git, or leave them out."
	case only(v.Findings, Released):
		return "The object is being deleted; what the finalizer was to clean up stays behind."
	case v.Owner.Kind == ownership.HelmRelease:
		return "Helm does not know of this edit: it lasts until the next release or drift correction. Change the release in git."
	case facts.Status != nil && facts.Status.Suspended:
		return fmt.Sprintf("%s is suspended; Flux %s undo this edit when it resumes. Change the file in git.", owner, would)
	case out:
		return fmt.Sprintf("Flux is held off this object by %s, but git declares it. Change the file in git.", optOut)
	case has[Deleted]:
		return fmt.Sprintf("Flux %s recreate it. To remove it, delete it in git.", would)
	}
	if has[Undeclared] {
		return fmt.Sprintf("Flux %s undo what git declares. Change the file in git.", would)
	}
	return fmt.Sprintf("Flux %s undo this edit. Change the file in git.", would)
}
