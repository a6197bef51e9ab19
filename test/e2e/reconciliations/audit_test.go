package reconciliations

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// writes counts what the API server noted of one writer.
type writes struct{ done, refused, judged int }

// enoughRounds is how many rounds bring up every writer, whatever chance does.
const enoughRounds = 100

// The writers that must have written, or the rounds prove nothing about them: certain ones in any run, likely ones in one
// of enough rounds.
var (
	certain = []string{
		"system:serviceaccount:flux-system:kustomize-controller", "system:serviceaccount:flux-system:helm-controller",
		tenantOf + "kustomize-controller", "system:node:harness", "system:kube-scheduler",
		"system:serviceaccount:kube-system:deployment-controller", "system:serviceaccount:kube-system:replicaset-controller",
		"system:serviceaccount:kube-system:generic-garbage-collector", "system:serviceaccount:kube-system:namespace-controller",
	}
	likely = []string{
		tenantOf + "helm-controller", operator,
		"system:serviceaccount:kube-system:statefulset-controller", "system:serviceaccount:kube-system:daemon-set-controller",
		"system:serviceaccount:kube-system:job-controller", "system:serviceaccount:kube-system:endpointslice-controller",
		"system:serviceaccount:kube-system:disruption-controller", "system:serviceaccount:kube-system:resourcequota-controller",
	}
)

// judge reads the audit log. It demands that nobody but people was refused by the webhook or judged as one of them, that
// those who matter did write, and that no write went unjudged since the guard is there.
func judge(t *testing.T, cluster *harness.Cluster, guarded time.Time, rounds int) {
	t.Helper()
	seen := map[string]*writes{}
	_, err := cluster.AuditEvents(func(e harness.AuditEvent) bool {
		if e.ResponseStatus == nil {
			return false
		}
		who := writer(e)
		w := seen[who]
		if w == nil {
			w = &writes{}
			seen[who] = w
		}
		if e.ResponseStatus.Code < 300 {
			w.done++
		}
		decision := ""
		for key, value := range e.Annotations {
			if strings.HasSuffix(key, "gitops-drift.dev/decision") {
				decision = value
			}
			if strings.HasPrefix(key, "failed-open.") && strings.Contains(value, "gitops-drift.dev") && e.RequestReceivedTimestamp.After(guarded) {
				t.Errorf("%s of %s by %s: the webhook was not reached", e.Verb, e.RequestURI, who)
			}
		}
		refused := decision == "Denied" || e.ResponseStatus.Code == http.StatusForbidden && strings.Contains(e.ResponseStatus.Message, "gitops-drift.dev")
		if refused {
			w.refused++
		}
		if decision != "" {
			w.judged++
		}
		switch {
		case decision == "Unjudged":
			t.Errorf("%s of %s by %s went unjudged: %v", e.Verb, e.RequestURI, who, e.Annotations)
		case person(who):
		case refused:
			t.Errorf("%s %s of %s by %s %v was refused: %s: %v", e.RequestReceivedTimestamp, e.Verb, e.RequestURI, who, e.ImpersonatedUser, e.ResponseStatus.Message, e.Annotations)
		case decision != "" && who != operator:
			t.Errorf("%s %s of %s by %s %v was judged as a person's: %v", e.RequestReceivedTimestamp, e.Verb, e.RequestURI, who, e.ImpersonatedUser, e.Annotations)
		}
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, who := range slices.Sorted(maps.Keys(seen)) {
		w := seen[who]
		t.Logf("%7d writes, %d refused by the webhook, %d judged: %s", w.done, w.refused, w.judged, who)
		if !person(who) {
			total += w.done
		}
	}
	t.Logf("%7d writes of machines", total)
	expected := certain
	if rounds >= enoughRounds {
		expected = slices.Concat(certain, likely)
	}
	for _, who := range expected {
		if w := seen[who]; w == nil || w.done == 0 {
			t.Errorf("%s has not written anything: the rounds prove nothing about it", who)
		}
	}
	if w := seen[string(harness.OnCall)]; w == nil || w.refused < 2 {
		t.Error("the person's edits were not refused")
	}
}

var passedMetric = regexp.MustCompile(`(?m)^gitops_drift_admission_requests_total\{decision="Passed".*\} (\d+)$`)

// passed returns how many requests the webhook has let pass as those of Flux or of the cluster, or as none of its concern.
func (s *stage) passed(ctx context.Context) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.product.Address("METRICS")+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	total := 0
	for _, line := range passedMetric.FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(line[1])
		if err != nil {
			s.t.Fatalf("%s: %v", line[0], err)
		}
		total += n
	}
	return total
}

const (
	operator = "system:serviceaccount:operators:operator"
	tenantOf = "a tenant's account in the hands of "
)

// writer names who wrote: the user, or in whose hands the account of a tenant is.
func writer(e harness.AuditEvent) string {
	if e.ImpersonatedUser == nil {
		return e.User.Username
	}
	return tenantOf + e.User.Username[strings.LastIndex(e.User.Username, ":")+1:]
}

func person(who string) bool {
	return !strings.HasPrefix(who, "system:") && !strings.HasPrefix(who, tenantOf)
}
