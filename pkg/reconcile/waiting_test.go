package reconcile

import (
	"testing"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// state builds an observed object: who asked last, what was handled last, and the Ready condition.
func state(requested, handled string, status metav1.ConditionStatus, reason string) observed {
	o := observed{object: Kustomization("flux-system", "apps")}
	if requested != "" {
		o.Metadata.Annotations = map[string]string{meta.ReconcileRequestAnnotation: requested}
	}
	o.Status.LastHandledReconcileAt = handled
	if status != "" {
		o.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: status, Reason: reason, Message: "because"}}
	}
	return o
}

func TestWaitEndsOnlyWithItsOwnToken(t *testing.T) {
	const (
		yes, no, unknown = metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown
	)
	tests := []struct {
		name   string
		seen   []observed
		want   []step
		report State
	}{
		{
			name:   "an older reconciliation ends: not ours",
			seen:   []observed{state("mine", "old", yes, "")},
			want:   []step{stepWait},
			report: StateReconciling,
		},
		{
			name:   "handled and ready",
			seen:   []observed{state("mine", "old", unknown, "Progressing"), state("mine", "mine", yes, "")},
			want:   []step{stepWait, stepDone},
			report: StateReady,
		},
		{
			name:   "handled and failed",
			seen:   []observed{state("mine", "mine", no, "BuildFailed")},
			want:   []step{stepDone},
			report: StateFailed,
		},
		{
			name:   "failed, but before our request was seen",
			seen:   []observed{state("mine", "old", no, "BuildFailed")},
			want:   []step{stepWait},
			report: StateReconciling,
		},
		{
			name:   "handled, without a Ready condition yet",
			seen:   []observed{state("mine", "mine", "", "")},
			want:   []step{stepWait},
			report: StateReconciling,
		},
		{
			name:   "a dependency is not ready yet: Flux tries again by itself",
			seen:   []observed{state("mine", "mine", no, "DependencyNotReady"), state("mine", "mine", yes, "")},
			want:   []step{stepWait, stepDone},
			report: StateReady,
		},
		{
			name: "somebody else replaces our request before Flux saw it",
			seen: []observed{
				state("theirs", "old", unknown, "Progressing"),
				state("theirs", "theirs", yes, ""),
				state("mine", "theirs", yes, ""),
				state("mine", "mine", yes, ""),
			},
			want:   []step{stepWait, stepAskAgain, stepWait, stepDone},
			report: StateReady,
		},
		{
			name:   "somebody removes our request",
			seen:   []observed{state("", "old", yes, "")},
			want:   []step{stepAskAgain},
			report: StateReconciling,
		},
		{
			name: "ours came back, and somebody else's is under way before Ready was final",
			seen: []observed{
				state("mine", "mine", unknown, "Progressing"),
				state("theirs", "mine", unknown, "Progressing"),
				state("theirs", "theirs", yes, ""),
			},
			want:   []step{stepWait, stepWait, stepDone},
			report: StateReady,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := waiting{token: "mine"}
			for i, seen := range test.seen {
				if got := w.see(seen); got != test.want[i] {
					t.Errorf("state %d: step %d, want %d", i, got, test.want[i])
				}
			}
			if got, _, _ := w.report(); got != test.report {
				t.Errorf("report says %s, want %s", got, test.report)
			}
		})
	}
}

func TestOutcomeOfAnOlderRevisionIsNotTheSources(t *testing.T) {
	at := func(o observed, applied, attempted string) observed {
		o.Status.LastAppliedRevision, o.Status.LastAttemptedRevision = applied, attempted
		return o
	}
	ready := state("mine", "mine", metav1.ConditionTrue, "")
	failed := state("mine", "mine", metav1.ConditionFalse, "BuildFailed")
	tests := []struct {
		name string
		seen observed
		want step
	}{
		{"ready at the new one", at(ready, "new", "new"), stepDone},
		{"ready at the old one", at(ready, "old", "old"), stepAskSource},
		{"ready, the applied revision not written yet", at(ready, "old", "new"), stepWait},
		{"failed at the new one", at(failed, "old", "new"), stepDone},
		{"failed at the old one", at(failed, "old", "old"), stepAskSource},
		{"failed before any was tried", at(state("mine", "mine", metav1.ConditionFalse, "ArtifactFailed"), "old", "old"), stepDone},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := waiting{token: "mine", source: "new"}
			if got := w.see(test.seen); got != test.want {
				t.Errorf("step %d, want %d", got, test.want)
			}
			if got, _, _ := w.report(); (got == StateReconciling) != (test.want != stepDone) {
				t.Errorf("report says %s after step %d", got, test.want)
			}
		})
	}
}

func TestReportSaysWhy(t *testing.T) {
	tests := []struct {
		name            string
		last            observed
		handled         bool
		reason, message string
	}{
		{
			name: "failed", last: state("mine", "mine", metav1.ConditionFalse, "BuildFailed"), handled: true,
			reason: "BuildFailed", message: "because",
		},
		{
			name: "no controller takes the request", last: state("mine", "old", metav1.ConditionTrue, "ReconciliationSucceeded"),
			message: "Flux has not picked up the request; is kustomize-controller running?",
		},
		{
			name: "in the middle of it", last: state("mine", "old", metav1.ConditionUnknown, "Progressing"),
			reason: "Progressing", message: "because",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := waiting{token: "mine", handled: test.handled, last: test.last}
			_, reason, message := w.report()
			if reason != test.reason || message != test.message {
				t.Errorf("got %q, %q; want %q, %q", reason, message, test.reason, test.message)
			}
		})
	}
}

func TestTheWaitForARevisionEndsAtThatRevisionOrWhereNoOtherComes(t *testing.T) {
	wanted, err := ParseRevision("3f2c9e1")
	if err != nil {
		t.Fatal(err)
	}
	const old, latest = "main@sha1:91ab00c0000000", "main@sha1:3f2c9e1aa0b4c5"
	at := func(o observed, revision string) observed {
		o.Status.LastAppliedRevision, o.Status.LastAttemptedRevision = revision, revision
		return o
	}
	source := func(o observed, revision string) observed {
		o.object.Kind, o.Status.Artifact.Revision = "GitRepository", revision
		return o
	}
	ready, failed := state("mine", "mine", metav1.ConditionTrue, ""), state("mine", "mine", metav1.ConditionFalse, "BuildFailed")
	stalled := state("mine", "mine", metav1.ConditionFalse, "BuildFailed")
	stalled.Status.Conditions = append(stalled.Status.Conditions, metav1.Condition{Type: "Stalled", Status: metav1.ConditionTrue})
	for _, test := range []struct {
		name   string
		seen   observed
		want   step
		report State
	}{
		{"ready at it", at(ready, latest), stepDone, StateReady},
		{"ready before it", at(ready, old), stepLate, StateReconciling},
		{"failed at it", at(failed, latest), stepDone, StateFailed},
		{"failed before it: the new one may mend that", at(failed, old), stepLate, StateFailed},
		{"stalled before it", at(stalled, old), stepDone, StateFailed},
		{"a source before it", source(ready, old), stepLate, StateReconciling},
		{"a source that cannot fetch", source(failed, old), stepDone, StateFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := waiting{token: "mine", wanted: wanted}
			if got := w.see(test.seen); got != test.want {
				t.Errorf("step %d, want %d", got, test.want)
			}
			got, _, message := w.report()
			if got != test.report || got == StateReconciling && message != "at main@sha1:91ab00c, not yet at 3f2c9e1" {
				t.Errorf("report says %s: %s", got, message)
			}
		})
	}
}
