package conformance

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/admission"
	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// answer is what the API server made of an edit: what it told the editor, and what the guard left in the audit log.
type answer struct {
	// refused is by our webhooks; warned is by our warnings.
	refused, warned bool
	// decision is the strictest of the audit annotations, empty without any.
	decision admission.Decision
	// codes are the status codes of the requests.
	codes []int
	// said is what kubectl printed to the editor.
	said string
}

const decisionKey = ".gitops-drift.dev/" + admission.AuditDecision

// strictness orders decisions.
var strictness = []admission.Decision{"", admission.Passed, admission.Allowed, admission.Exempted, admission.Recorded, admission.Warned, admission.Denied, admission.Unjudged}

// kubectls are the warnings that kubectl itself prints.
var kubectls = regexp.MustCompile(`(?m)^Warning: (deleting cluster-scoped resources|Immediate deletion does not wait|resource \S+ is missing the kubectl.kubernetes.io/last-applied|deleting Pods that declare no controller).*\n`)

// read makes an answer of what kubectl printed and the audit events of its requests.
func read(printed string, events []harness.AuditEvent) answer {
	a := answer{said: printed, warned: strings.Contains(kubectls.ReplaceAllString(printed, ""), "Warning: ")}
	a.refused = strings.Contains(printed, "gitops-drift.dev\" denied the request")
	for _, e := range events {
		if e.ResponseStatus != nil {
			a.codes = append(a.codes, int(e.ResponseStatus.Code))
		}
		for key, value := range e.Annotations {
			if strings.HasSuffix(key, decisionKey) && slices.Index(strictness, admission.Decision(value)) > slices.Index(strictness, a.decision) {
				a.decision = admission.Decision(value)
			}
		}
	}
	return a
}

// String is the cell of the table.
func (a answer) String() string {
	what := "admitted"
	switch {
	case a.refused:
		what = "refused"
	case a.warned:
		what = "warned"
	case len(a.codes) == 0:
		what = "not asked"
	}
	if a.decision != "" {
		what += ", " + string(a.decision)
	}
	return what
}

// judge compares an answer with what the guard owes to the row under an action; the error says what is wrong.
func (r *row) judge(action v1alpha1.Action, a answer) error {
	if len(r.run) == 0 {
		return nil
	}
	if len(a.codes) == 0 {
		return fmt.Errorf("no request in the audit log: %s", a.said)
	}
	if err := a.consistent(r); err != nil {
		return err
	}
	switch r.want {
	case deny:
		want := map[v1alpha1.Action]string{v1alpha1.Deny: "refused, Denied", v1alpha1.Warn: "warned, Warned", v1alpha1.Record: "admitted, Recorded"}[action]
		if r.told && action == v1alpha1.Record {
			want = "warned, Recorded"
		}
		if a.String() != want {
			return fmt.Errorf("%s, want %s: %s", a, want, a.said)
		}
	case allow:
		if a.refused || a.warned || !slices.Contains([]admission.Decision{"", admission.Allowed, admission.Exempted}, a.decision) {
			return fmt.Errorf("%s, want it admitted: %s", a, a.said)
		}
	case record:
		if a.refused || r.told && !a.warned || a.decision != admission.Recorded && (a.decision != admission.Warned || action == v1alpha1.Record) {
			return fmt.Errorf("%s, want it admitted and written down: %s", a, a.said)
		}
	case reach:
		if a.refused || a.decision != "" {
			return fmt.Errorf("%s, but it is said to be out of reach: %s", a, a.said)
		}
	}
	return nil
}

// consistent checks that the API server did what the guard's decision says.
func (a answer) consistent(r *row) error {
	if a.refused != (a.decision == admission.Denied) || a.refused && !slices.Contains(a.codes, http.StatusForbidden) {
		return fmt.Errorf("%s (status codes %v): the decision is not what happened: %s", a, a.codes, a.said)
	}
	if a.refused {
		return nil
	}
	for _, code := range a.codes {
		// Controllers lose races and try again.
		lost := r.by != "" && (code == http.StatusConflict || code == http.StatusNotFound)
		if code != r.answer && !lost && (code < 200 || code > 299) {
			return fmt.Errorf("%s, but the API server answered %d: %s", a, code, a.said)
		}
	}
	return nil
}
