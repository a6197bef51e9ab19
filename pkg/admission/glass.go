package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
)

// lookingAgain bounds the look at the API server before a refusal; it waits 3 s for the whole answer.
const lookingAgain = time.Second

// usually is how long a message proposes that a BreakGlass lasts.
const usually = 30 * time.Minute

func (h *Handler) now() time.Time {
	if h.Now == nil {
		return time.Now()
	}
	return h.Now()
}

// lookAgain looks for a BreakGlass that was opened a moment ago before an edit is refused that one would admit, and reports
// whether there is one; then it is among the facts. If the API server does not answer in time, the edit stays refused.
func (h *Handler) lookAgain(ctx context.Context, r *Request, facts *Facts, v *Verdict) bool {
	if h.Glasses == nil || v.Decision != Denied || !facts.breakable(r, v.Findings) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lookingAgain)
	defer cancel()
	glasses, err := h.Glasses(ctx)
	result := "none"
	switch {
	case err != nil:
		result = "error"
		h.Log.Error(err, "BreakGlasses could not be listed before a refusal", "user", r.User.Username)
	default:
		if facts.BreakGlass = breakglass.For(glasses, facts.Policy, r.Object, r.User, h.now()); facts.BreakGlass != nil {
			result = "found"
		}
	}
	h.Metrics.looks.WithLabelValues(result).Inc()
	return facts.BreakGlass != nil
}

// breakable reports whether the editor may break glass for what the edit does. To hold Flux off is left to the
// BreakGlass: what people set would outlive it.
func (f *Facts) breakable(r *Request, found []Finding) bool {
	return f.Policy != nil && f.Opens == nil && policy.BreakGlass(f.Policy, r.User) && !holdsOff(found)
}

func holdsOff(found []Finding) bool {
	return slices.ContainsFunc(found, func(f Finding) bool { return f.Kind == OptedOut && control(f.Path) })
}

// emergency is the command with which the editor breaks glass, empty where they may not.
func emergency(r *Request, facts *Facts, v *Verdict) string {
	if v.Decision != Denied || facts.BreakGlass != nil || !facts.breakable(r, v.Findings) {
		return ""
	}
	var in string
	if r.Object.Namespace != "" {
		in = " -n " + r.Object.Namespace
	}
	return fmt.Sprintf("kubectl gitops-drift break-glass %s%s --for %s --reason \"…\"", argument(r.Object), in, duration(min(usually, breakglass.Maximum(facts.Policy))))
}

// argument names an object as kubectl takes it. The groups of Kubernetes' own kinds may be left out.
func argument(object desired.Key) string {
	kind := strings.ToLower(object.Kind)
	if strings.Contains(object.Group, ".") {
		kind += "." + object.Group
	}
	return kind + "/" + object.Name
}

// duration is written without the units that are zero.
func duration(d time.Duration) string {
	out := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(out, zero) {
			out = out[:len(out)-2]
		}
	}
	return out
}

// underGlass says what Flux does about an edit that a BreakGlass admits.
func underGlass(r *Request, facts *Facts, v *Verdict) string {
	ends := breakglass.Ends(facts.BreakGlass, facts.Policy).UTC().Format("15:04:05 MST")
	_, held := holdOn(r)
	switch {
	case only(v.Findings, Deleted):
		return "A deletion cannot be held: Flux recreates the object at its next reconcile."
	case held && v.Owner.Kind == ownership.HelmRelease:
		return fmt.Sprintf("Flux's drift correction leaves it alone until %s; an upgrade of the release does not.", ends)
	case held:
		return fmt.Sprintf("Flux leaves it alone until %s, and then puts the object back as git says.", ends)
	}
	return fmt.Sprintf("It ends at %s. Flux is not held off the object, or not yet, and may undo this edit at its next reconcile.", ends)
}

// holdOn returns the hold that is on the object.
func holdOn(r *Request) (ownership.Held, bool) {
	if r.Old == nil {
		return ownership.Held{}, false
	}
	return ownership.HoldOf(r.Old)
}
