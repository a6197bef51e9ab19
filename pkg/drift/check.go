package drift

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// Policy is how an owner lets Flux treat its objects.
type Policy struct {
	// Correction is what Flux does about drift of a HelmRelease's objects; of no meaning for Kustomizations.
	Correction Correction
	// Suspended owners hold Flux off all their objects.
	Suspended bool
	// Ignore are the fields that spec.ignore, or a HelmRelease's spec.driftDetection.ignore, leaves alone.
	Ignore []jsondiff.IgnoreRule
	// Takeover are the managers that Flux takes over from; see ownership.Takeover.
	Takeover []ssa.FieldManager
	// Vouched says whether a BreakGlass holds Flux off a live object that says so: anybody can write that. Nil believes all
	// objects.
	Vouched func(held ownership.Held, live *unstructured.Unstructured) bool
}

// holdOf is ownership.HoldOf for holds that are vouched for.
func (p Policy) holdOf(live *unstructured.Unstructured) (ownership.Held, bool) {
	held, ok := ownership.HoldOf(live)
	return held, ok && (p.Vouched == nil || p.Vouched(held, live))
}

// Checker compares single objects. It may be used concurrently.
type Checker struct {
	client client.Client
}

// NewChecker returns a Checker that makes its dry-runs with the rights of c.
func NewChecker(c client.Client) *Checker { return &Checker{client: c} }

// attempts bounds how often an object is read again because it changed between two dry-runs.
const attempts = 4

// Check compares one desired object with the live one, nil if there is none. An error means that the object could
// not be proven equal or different; findings that are returned with an error hold nevertheless.
func (c *Checker) Check(ctx context.Context, state *desired.State, want desired.Object, live *unstructured.Unstructured, policy Policy) ([]Finding, error) {
	var found []Finding
	var err error
	check := c.check
	if state.Owner.Kind == ownership.HelmRelease {
		check = c.checkReleased
	}
	for range attempts {
		found, err = check(ctx, want, live, policy)
		if !apierrors.IsConflict(err) {
			break
		}
		fresh := &unstructured.Unstructured{}
		fresh.SetGroupVersionKind(want.GroupVersionKind())
		getErr := c.client.Get(ctx, client.ObjectKeyFromObject(want), fresh)
		if live = fresh; apierrors.IsNotFound(getErr) {
			live = nil
		} else if getErr != nil {
			return nil, getErr
		}
	}
	found = declared(want.Unstructured, live, found)
	for i := range found {
		found[i].Owner, found[i].Revision = state.Owner, state.Revision
		found[i].Desired, found[i].Live = state.Hidden.Change(found[i].Desired, found[i].Live)
	}
	locate(found, state, want)
	return found, unquoted(err, state.Hidden)
}

// unquoted is err without the hidden values that its message quotes, as that of a validation does.
func unquoted(err error, hidden *redact.Values) error {
	if err == nil {
		return nil
	}
	if text := hidden.Text(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

func (c *Checker) check(ctx context.Context, want desired.Object, live *unstructured.Unstructured, policy Policy) ([]Finding, error) {
	holder := holder(want.Unstructured, live, policy)
	if live == nil {
		return hold([]Finding{{Object: objectOf(want.Unstructured), Kind: Missing, Verdict: Reverts}}, holder), nil
	}
	managers, err := ownership.Managers(live)
	if err != nil {
		return nil, err
	}
	if want.Encrypted {
		found := hold(readable(want.Unstructured, live, managers, policy), holder)
		return withOptOuts(ownership.Kustomization, found, want.Unstructured, live, managers, policy), errEncrypted
	}
	p := predictor{client: c.client, kind: ownership.Kustomization, takeover: policy.Takeover, ignore: policy.Ignore}
	if ownership.Has(want, ownership.SSA, ownership.Merge) || ownership.Has(live, ownership.SSA, ownership.Merge) {
		p.takeover = nil
	}
	outcome := prediction{next: live, managers: managers, applied: managers}
	var found []Finding
	if !Settled(want.Unstructured, live, managers, p.takeover) {
		if outcome, err = p.next(ctx, want.Unstructured, live, managers); err != nil {
			return nil, explain(want.GroupVersionKind().GroupKind(), err)
		}
		found = reverted(want.Unstructured, live, outcome)
	}
	added, err := p.persisting(ctx, want.Unstructured, live, outcome)
	if err != nil {
		return nil, explain(want.GroupVersionKind().GroupKind(), err)
	}
	for _, f := range added {
		// What another applier holds of a field that git declares and Flux ignores is found already.
		if !slices.ContainsFunc(found, func(other Finding) bool { return other.Path.Equals(f.Path) }) {
			found = append(found, f)
		}
	}
	return withOptOuts(ownership.Kustomization, hold(told(found, managers), holder), want.Unstructured, live, managers, policy), nil
}

// told takes out of findings what cannot be told where an object's managedFields were wiped: who wrote a value, and
// that it was a person. Managers are those of the live object.
func told(found []Finding, managers []ownership.Manager) []Finding {
	found = slices.DeleteFunc(found, func(f Finding) bool {
		wiped := len(managers) == 0 || f.Manager == ownership.BeforeFirstApply
		return wiped && f.Kind == Added && writtenByKubernetes(f.Path)
	})
	if len(managers) == 0 {
		for i := range found {
			found[i].Manager, found[i].Subresource, found[i].Time = "", "", time.Time{}
		}
	}
	return found
}

// written are the finalizers and annotations that Kubernetes' own controllers put on objects.
var written = []string{
	"kubernetes.io/pvc-protection", "kubernetes.io/pv-protection", "batch.kubernetes.io/job-tracking",
	"service.kubernetes.io/load-balancer-cleanup", "external-provisioner.volume.kubernetes.io/finalizer",
	"deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history",
	"deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas",
	"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/provisioned-by",
	"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner",
	"volume.kubernetes.io/selected-node", "endpoints.kubernetes.io/last-change-trigger-time",
	"batch.kubernetes.io/cronjob-scheduled-timestamp", "apf.kubernetes.io/autoupdate-spec",
}

// writtenByKubernetes reports whether path is an annotation or a finalizer that Kubernetes' own controllers write, such
// as a Deployment's revision. Usually managedFields tell; where they were wiped, the name has to.
func writtenByKubernetes(path fieldpath.Path) bool {
	if len(path) != 3 {
		return false
	}
	switch in := fields.Name(path[:2]); {
	case in == "metadata.annotations" && path[2].FieldName != nil:
		return slices.Contains(written, *path[2].FieldName)
	case in == "metadata.finalizers" && path[2].Value != nil:
		return slices.Contains(written, fmt.Sprint((*path[2].Value).Unstructured()))
	}
	return false
}

// reverted are the differences between the live object and what git wants of it: what Flux makes of them, and what it leaves.
func reverted(want, live *unstructured.Unstructured, outcome prediction) []Finding {
	shape := outcome.shape()
	found := changed(ownership.Kustomization, live, outcome.next, outcome.managers, shape)
	for i := range found {
		if outcome.unseen || ownership.Has(want, ownership.SSA, ownership.IfNotPresent) {
			found[i].Verdict = Persists
		}
	}
	if outcome.wanted == nil {
		return found
	}
	for _, f := range changed(ownership.Kustomization, outcome.next, outcome.wanted, outcome.managers, shape) {
		// What an apply changes beyond what differs is found already.
		if sameAt(live, outcome.next, f.Path) {
			f.Verdict = Persists
			found = append(found, f)
		}
	}
	return found
}

// Undone lists what the manager of this kind of owner put back between before and after, each field with the manager that had
// written it before. What others changed meanwhile is left out: it is there afterwards, and not by Flux.
func Undone(kind ownership.Kind, before, after *unstructured.Unstructured) ([]Finding, error) {
	then, err := ownership.Managers(before)
	if err != nil {
		return nil, err
	}
	now, err := ownership.Managers(after)
	if err != nil {
		return nil, err
	}
	declared, _ := ownership.Declared(now, kind)
	return slices.DeleteFunc(changed(kind, before, after, then, ownership.Shape(then, now)), func(f Finding) bool {
		return f.Desired != nil && !ownership.Holds(declared, f.Path)
	}), nil
}

// changed are the differences from live to next, attributed to the managers of live, an object of an owner of this kind.
func changed(kind ownership.Kind, live, next *unstructured.Unstructured, managers []ownership.Manager, shape *fields.Shape) []Finding {
	var found []Finding
	for _, change := range diff(live, next, shape) {
		f := newFinding(live, change.Path, change.Before, change.After)
		f.attribute(kind, managers)
		found = append(found, f)
	}
	return found
}

// shape learns from the managers before and after.
func (o prediction) shape() *fields.Shape { return ownership.Shape(o.managers, o.applied) }

// suspended is the holder of all objects of a suspended owner.
const suspended = "the Kustomization is suspended"

// holder says what holds Flux off an object, empty if nothing does.
func holder(want, live *unstructured.Unstructured, policy Policy) string {
	if policy.Suspended {
		return suspended
	}
	if optOut, ok := ownership.OptOut(want); ok {
		return "git says " + optOut
	}
	if live == nil {
		return ""
	}
	if optOut, ok := ownership.OptOut(live); ok {
		return policy.heldBy(live, optOut)
	}
	return ""
}

// hold turns verdicts into Held where Flux would act but for holder.
func hold(found []Finding, holder string) []Finding {
	if holder == "" {
		return found
	}
	for i := range found {
		if found[i].Verdict == Reverts {
			found[i].Verdict, found[i].Holder = Held, holder
		}
	}
	return found
}

// explain says what a refused dry-run means for the person who asked.
func explain(kind schema.GroupKind, err error) error {
	switch shown := redact.Error(kind, err); {
	case apierrors.IsConflict(err):
		return err
	case apierrors.IsForbidden(err):
		return fmt.Errorf("it differs from git as written, and proving more needs the right to patch and update it by dry-run: %w", shown)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsInternalError(err):
		return fmt.Errorf("the API server refuses what Flux would apply: %w", shown)
	default:
		return shown
	}
}
