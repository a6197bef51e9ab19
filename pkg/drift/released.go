package drift

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	"github.com/fluxcd/pkg/ssa/normalize"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Correction is what Flux does about drift of a HelmRelease's objects.
type Correction string

// The corrections.
const (
	// Nothing: spec.driftDetection.mode is disabled or not set.
	Nothing Correction = "nothing"
	// Warning: the mode is warn.
	Warning Correction = "warning"
	// Patch: the mode is enabled, so Flux patches what differs from the manifest and creates what is missing.
	Patch Correction = "patch"
	// Upgrade: Flux upgrades the release at its next reconciliation, whatever the mode, because it did not make it.
	Upgrade Correction = "upgrade"
)

// ReleasePolicy reads from a HelmRelease how it lets Flux treat its objects. ByHand is desired.State.ByHand.
func ReleasePolicy(hr *helmv2.HelmRelease, byHand string) Policy {
	policy := Policy{Suspended: hr.Spec.Suspend, Correction: Nothing}
	detection := hr.GetDriftDetection()
	switch {
	case byHand != "":
		policy.Correction = Upgrade
	case detection.GetMode() == helmv2.DriftDetectionEnabled:
		policy.Correction = Patch
	case detection.GetMode() == helmv2.DriftDetectionWarn:
		policy.Correction = Warning
	}
	for _, rule := range detection.Ignore {
		ignore := jsondiff.IgnoreRule{Paths: rule.Paths}
		if t := rule.Target; t != nil {
			ignore.Selector = &jsondiff.Selector{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, Namespace: t.Namespace,
				AnnotationSelector: t.AnnotationSelector, LabelSelector: t.LabelSelector,
			}
		}
		policy.Ignore = append(policy.Ignore, ignore)
	}
	return policy
}

// checkReleased is check for an object of a HelmRelease. What differs from the manifest is what a server-side apply of it
// by helm-controller would change; what of that Flux undoes is what it patches when it detects drift
// (helm-controller 1.6, internal/action, Diff and ApplyDiff).
func (c *Checker) checkReleased(ctx context.Context, want desired.Object, live *unstructured.Unstructured, policy Policy) ([]Finding, error) {
	holder := releaseHolder(want.Unstructured, live, policy)
	ignored, err := ignoredPaths(policy.Ignore, want.Unstructured)
	if err != nil {
		return nil, err
	}
	if live == nil {
		missing := Finding{Object: objectOf(want.Unstructured), Kind: Missing, Verdict: Reverts}
		if why := leaves(policy, ignored); why != "" {
			missing.Verdict, missing.Reason = Persists, why
		}
		return hold([]Finding{missing}, holder), nil
	}
	managers, err := ownership.Managers(live)
	if err != nil {
		return nil, err
	}
	p := predictor{client: c.client, kind: ownership.HelmRelease}
	outcome := prediction{next: live, managers: managers, applied: managers}
	settled := p.settled(want.Unstructured, live, managers)
	if foreign, _ := p.foreign(want.Unstructured, live, outcome); settled && foreign.Empty() {
		return withReleaseOptOuts(nil, want.Unstructured, live, managers, policy), nil
	}
	// Also where somebody else holds a field that has the value of the manifest: only Flux's entry after an apply tells
	// which fields these are.
	if outcome, err = p.released(ctx, want.Unstructured, live, managers); err != nil {
		return nil, explain(want.GroupVersionKind().GroupKind(), err)
	}
	var found []Finding
	corrected := live
	var failed error
	if !settled {
		if corrected, failed = p.corrected(ctx, want.Unstructured, live, outcome.next, policy, ignored); apierrors.IsConflict(failed) {
			return nil, failed
		}
		found = differing(live, corrected, outcome, policy, failed)
	}
	added, err := p.persisting(ctx, want.Unstructured, live, outcome)
	for _, f := range added {
		if sameAt(live, corrected, f.Path) { // Else Flux happens to undo it, and it is found already.
			found = append(found, f)
		}
	}
	found = withReleaseOptOuts(hold(told(found, managers), holder), want.Unstructured, live, managers, policy)
	return found, explain(want.GroupVersionKind().GroupKind(), errors.Join(failed, err))
}

// withReleaseOptOuts is withOptOuts where Flux looks at opt-outs.
func withReleaseOptOuts(found []Finding, want, live *unstructured.Unstructured, managers []ownership.Manager, policy Policy) []Finding {
	if policy.Correction != Patch {
		return found
	}
	return withOptOuts(ownership.HelmRelease, found, want, live, managers, policy)
}

// sameAt reports whether two states of an object have the same at path.
func sameAt(a, b *unstructured.Unstructured, path fieldpath.Path) bool {
	x, xok := fields.Lookup(a.Object, path)
	y, yok := fields.Lookup(b.Object, path)
	return xok == yok && fields.Equal(x, y)
}

// SettledRelease reports whether the objects alone prove that an apply of the manifest by helm-controller changes nothing,
// so that Flux has no drift to correct. False proves nothing.
func SettledRelease(want, live *unstructured.Unstructured, managers []ownership.Manager) bool {
	return predictor{kind: ownership.HelmRelease}.settled(want, live, managers)
}

// settled reports whether the objects alone prove that an apply of the manifest changes nothing. Where Helm did not apply
// server-side there is no entry of Flux that would lose anything.
func (p predictor) settled(want, live *unstructured.Unstructured, managers []ownership.Manager) bool {
	return fields.Contains(compared(live), filledIn(want), ownership.Shape(managers)) && !lacksNulls(want, live) &&
		namesAll(want, p.declared(managers)) && asFluxSeesIt(live)
}

// asFluxSeesIt reports whether Flux's comparison takes a dry-run that changes nothing for the live object. Of a
// HorizontalPodAutoscaler's metrics it takes only one of several that are the same, an old bug of the API server's.
func asFluxSeesIt(live *unstructured.Unstructured) bool {
	if live.GetKind() != "HorizontalPodAutoscaler" {
		return true
	}
	seen := live.DeepCopy()
	if normalize.DryRunUnstructured(seen) != nil {
		return false
	}
	patch, err := jsondiff.DiffUnstructured(live, seen)
	return err == nil && len(patch) == 0
}

// declared are the fields that the owner's controller applied.
func (p predictor) declared(managers []ownership.Manager) *fieldpath.Set {
	applied, _ := ownership.Partition(managers, func(m ownership.Manager) bool {
		return m.Name == p.kind.Manager() && m.Operation == metav1.ManagedFieldsOperationApply && m.Subresource == ""
	})
	return applied
}

// steady reports whether the entry is one of a controller of Kubernetes or Flux that is none of the owner's. What was
// updated in the name of the owner's controller is not: anybody can do that, and only the manifest tells what it wants.
func (p predictor) steady(m ownership.Manager) bool {
	if m.Name == p.kind.Manager() && m.Subresource == "" {
		return false
	}
	return m.ClusterController()
}

// released predicts an apply of the manifest.
func (p predictor) released(ctx context.Context, want, live *unstructured.Unstructured, managers []ownership.Manager) (prediction, error) {
	applied, after, err := p.apply(ctx, want, live)
	if err != nil {
		return prediction{}, err
	}
	if len(managers) == 0 {
		managers = after
	}
	return prediction{next: applied, managers: managers, applied: after}, normalize.DryRunUnstructured(applied)
}

// corrected is what Flux makes of the live object; that itself with an error, which says that Flux tries and fails.
func (p predictor) corrected(ctx context.Context, want, live, applied *unstructured.Unstructured, policy Policy, ignored []string) (*unstructured.Unstructured, error) {
	switch policy.Correction {
	case Patch:
		return p.patched(ctx, want, live, applied, ignored)
	case Upgrade:
		return applied, nil
	case Nothing, Warning:
	}
	return live, nil
}

// differing are the differences between the live object and the manifest: what Flux undoes, and what it leaves. Failed says
// that Flux cannot make its correction.
func differing(live, corrected *unstructured.Unstructured, outcome prediction, policy Policy, failed error) []Finding {
	shape := outcome.shape()
	found := changed(ownership.HelmRelease, live, corrected, outcome.managers, shape)
	why := leaves(policy, nil)
	switch {
	case failed != nil:
		why = "Flux fails to patch it"
	case why == "":
		why = "drift detection leaves it alone"
	}
	for _, f := range changed(ownership.HelmRelease, corrected, outcome.next, outcome.managers, shape) {
		// What a correction changes beyond what differs is found already.
		if sameAt(live, corrected, f.Path) {
			f.Verdict, f.Reason = Persists, why
			found = append(found, f)
		}
	}
	return found
}

// patched is the live object after Flux's correction of drift: Flux's own comparison of the live object with its dry-run
// of the manifest makes a JSON patch. With an error it is the live object.
func (p predictor) patched(ctx context.Context, want, live, applied *unstructured.Unstructured, ignored []string) (*unstructured.Unstructured, error) {
	correction, err := jsondiff.Unstructured(ctx, answers{live: live, applied: applied}, want,
		jsondiff.FieldOwner(ownership.HelmManager), jsondiff.IgnorePaths(ignored), jsondiff.Rationalize(true))
	if err != nil {
		return live, errors.New("what Flux would patch cannot be told") // The error may quote a Secret.
	}
	if correction.Type != jsondiff.DiffTypeUpdate {
		return live, nil
	}
	body, err := json.Marshal(correction.Patch)
	if err != nil {
		return live, errors.New("what Flux would patch cannot be told")
	}
	out := live.DeepCopy()
	if err := p.client.Patch(ctx, out, client.RawPatch(types.JSONPatchType, body), client.DryRunAll, client.FieldOwner(ownership.HelmManager)); err != nil {
		return live, err
	}
	if port := madeUp(want, live, out); port != nil {
		return live, fmt.Errorf("Flux tries to patch node port %v, which only its dry-run gave out, so the API server refuses the patch", port)
	}
	return out, nil
}

// madeUp is a node port of a corrected Service that neither the manifest nor the live object has, nil for none: a dry-run
// makes up ports beyond the range from which the API server gives them out.
func madeUp(want, live, corrected *unstructured.Unstructured) any {
	if !isService(live) {
		return nil
	}
	known := append(nodePorts(want), nodePorts(live)...)
	for _, port := range nodePorts(corrected) {
		if !slices.ContainsFunc(known, func(other any) bool { return fields.Equal(port, other) }) {
			return port
		}
	}
	return nil
}

// answers is a client that has the live object and the outcome of the one apply already.
type answers struct {
	client.Client
	live, applied *unstructured.Unstructured
}

// Get implements client.Client.
func (a answers) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	return answer(a.live, into)
}

// Patch implements client.Client.
func (a answers) Patch(_ context.Context, into client.Object, _ client.Patch, _ ...client.PatchOption) error {
	return answer(a.applied, into)
}

func answer(object *unstructured.Unstructured, into client.Object) error {
	out, ok := into.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("%T is not asked for here", into)
	}
	object.DeepCopyInto(out)
	return nil
}

// ignoredPaths are the JSON pointers that the owner's ignore rules have for an object.
func ignoredPaths(rules []jsondiff.IgnoreRule, want *unstructured.Unstructured) ([]string, error) {
	compiled, err := jsondiff.CompileIgnoreRules(rules)
	if err != nil {
		return nil, fmt.Errorf("spec.driftDetection.ignore cannot be read, so Flux does not detect drift: %w", err)
	}
	var paths []string
	for selector, of := range compiled {
		if selector.MatchUnstructured(want) {
			paths = append(paths, of...)
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// leaves says why Flux does not act on an object at all, empty if it does.
func leaves(policy Policy, ignored []string) string {
	switch {
	case policy.Correction == Nothing:
		return "drift detection is off"
	case policy.Correction == Warning:
		return "drift detection only warns"
	case policy.Correction == Patch && slices.Contains(ignored, jsondiff.IgnorePathRoot):
		return "drift detection leaves it alone"
	}
	return ""
}

// releaseHolder says what holds Flux off an object of a HelmRelease, empty if nothing does. An upgrade does not look at
// objects' opt-outs.
func releaseHolder(want, live *unstructured.Unstructured, policy Policy) string {
	const optOut = ownership.HelmDriftDetection + "=" + ownership.Disabled
	switch {
	case policy.Suspended:
		return "the HelmRelease is suspended"
	case policy.Correction == Upgrade:
		return ""
	case ownership.Has(want, ownership.HelmDriftDetection, ownership.Disabled):
		return "git says " + optOut
	case live != nil && ownership.Has(live, ownership.HelmDriftDetection, ownership.Disabled):
		return policy.heldBy(live, optOut)
	}
	return ""
}
