package records

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

func audit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(cluster.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func metrics(t *testing.T, replica *harness.Instance) string {
	t.Helper()
	response, err := http.Get("http://" + replica.Address("METRICS") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if closing := response.Body.Close(); err != nil || closing != nil {
		t.Fatal(err, closing)
	}
	return string(text)
}

// sum adds up the values of a metric, of all replicas, that carry these labels.
func sum(t *testing.T, name string, labels string) float64 {
	t.Helper()
	var total float64
	line := regexp.MustCompile(`(?m)^` + name + `(?:\{` + labels + `[^}]*\})? (\S+)$`)
	for _, replica := range replicas {
		for _, match := range line.FindAllStringSubmatch(metrics(t, replica), -1) {
			v, err := strconv.ParseFloat(match[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			total += v
		}
	}
	return total
}

// refuse sends n edits of a ConfigMap in namespace payments, some at a time, which all must be refused. Patch makes the
// n-th.
func refuse(t *testing.T, name string, n int, patch func(int) string) {
	t.Helper()
	const clients = 20
	api, err := kubernetes.NewForConfig(cluster.RESTConfig(harness.OnCall))
	if err != nil {
		t.Fatal(err)
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				_, err := api.CoreV1().ConfigMaps("payments").Patch(t.Context(), name, types.MergePatchType, []byte(patch(int(i))),
					metav1.PatchOptions{FieldManager: "kubectl-flood"})
				if err == nil || !strings.Contains(err.Error(), "denied the request") {
					t.Errorf("edit %d: %v", i, err)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestReplicasCountInOneRecord(t *testing.T) {
	const n = 200
	before := sum(t, "gitops_drift_records_written_total", "")
	started := time.Now()
	refuse(t, "replicas", n, func(i int) string { return fmt.Sprintf(`{"data":{"level":"%d"}}`, i) })
	found := await(t, n, func(s v1alpha1.EditRecordSpec) bool {
		return of("ConfigMap", "payments", "replicas")(s) && s.Fields[0].Path == "data.level"
	})
	if len(found) != 1 {
		t.Errorf("%d records", len(found))
	}
	for _, replica := range replicas {
		if text := metrics(t, replica); !regexp.MustCompile(`gitops_drift_records_edits_total [1-9]`).MatchString(text) {
			t.Errorf("%s took no part", replica.Pod().Name)
		}
	}
	// Each replica writes a record once a second.
	writes, limit := sum(t, "gitops_drift_records_written_total", "")-before, 2*(time.Since(started).Seconds()+2)
	if writes > limit {
		t.Errorf("%v writes in %s", writes, time.Since(started))
	}
	t.Logf("%d edits, %v writes, %s", n, writes, time.Since(started).Round(time.Millisecond))
}

// TestAFloodOfRefusedEditsCostsLittle makes $GITOPS_DRIFT_FLOOD edits, 2,000 by default, each of another field.
func TestAFloodOfRefusedEditsCostsLittle(t *testing.T) {
	n := 2_000
	if text := os.Getenv("GITOPS_DRIFT_FLOOD"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	memory := sum(t, "process_resident_memory_bytes", "")
	writes := sum(t, "gitops_drift_records_written_total", "")
	started := time.Now()
	refuse(t, "flood", n, func(i int) string { return fmt.Sprintf(`{"data":{"key%d":"%s"}}`, i, strings.Repeat("x", 500)) })
	took := time.Since(started)
	found := await(t, int64(n), of("ConfigMap", "payments", "flood"))
	// Each replica knows 20 different edits of one object before it folds the rest.
	if len(found) > 2*20+1 {
		t.Errorf("%d records", len(found))
	}
	if dropped := sum(t, "gitops_drift_records_dropped_total", ""); dropped > 0 {
		t.Errorf("%v edits were dropped", dropped)
	}
	grown := sum(t, "process_resident_memory_bytes", "") - memory
	if grown > 64<<20 {
		t.Errorf("the replicas grew by %.0f MiB", grown/(1<<20))
	}
	writes = sum(t, "gitops_drift_records_written_total", "") - writes
	if limit := 2*20 + 2*(time.Since(started).Seconds()+2); writes > limit {
		t.Errorf("%v writes in %s", writes, time.Since(started))
	}
	t.Logf("%d refused edits in %s: %d records, %v writes, the two replicas grew by %.1f MiB", n, took.Round(time.Millisecond), len(found), writes, grown/(1<<20))
}

func TestRecordsWaitWhileTheirCRDIsGone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if result := kubectl(t, harness.Admin, "delete", "crd", "editrecords.gitops-drift.dev"); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	if result := kubectl(t, harness.OnCall, "gitops-drift", "history"); result.Code != 2 || !strings.Contains(result.Stderr, "not installed; install gitops-drift") {
		t.Errorf("exit %d %s", result.Code, result.Stderr)
	}
	// Drift needs no records.
	if result := kubectl(t, harness.OnCall, "gitops-drift", "-n", "payments"); result.Code == 2 {
		t.Errorf("exit %d %s", result.Code, result.Stderr)
	}
	refuse(t, "outage", 100, func(i int) string { return fmt.Sprintf(`{"data":{"level":"%d"}}`, i) })
	said := func(what string) int {
		n := 0
		for _, replica := range replicas {
			log, err := replica.Log()
			if err != nil {
				t.Fatal(err)
			}
			n += strings.Count(log, what)
		}
		return n
	}
	for said("cannot be written") < 2 && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(2 * time.Second) // in which it is tried again
	if n := said("cannot be written"); n != 2 {
		t.Errorf("two replicas said %d times that records cannot be written", n)
	}
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"apply", "--server-side", "-k", root + "/manifests/crds"},
		{"wait", "--for=condition=Established", "crd/editrecords.gitops-drift.dev"},
	} {
		if result := kubectl(t, harness.Admin, args...); result.Code != 0 {
			t.Fatal(result.Stderr)
		}
	}
	if found := await(t, 100, of("ConfigMap", "payments", "outage")); len(found) != 1 {
		t.Errorf("%d records", len(found))
	}
	for said("are written again") < 2 && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Error("the replicas did not say that records are written again")
	}
}

func TestWhatWaitsIsWrittenBeforeTheEnd(t *testing.T) {
	refuse(t, "shutdown", 100, func(i int) string { return fmt.Sprintf(`{"data":{"level":"%d"}}`, i) })
	var group sync.WaitGroup
	for _, replica := range replicas {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := replica.Stop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if found := records(t, of("ConfigMap", "payments", "shutdown")); len(found) != 1 || found[0].Count != 100 {
		t.Errorf("after both replicas have ended, the record is %+v", found)
	}
	// A record that nobody has touched for longer than they are kept, for the leader's first look.
	old := &v1alpha1.EditRecord{ObjectMeta: metav1.ObjectMeta{Name: "old"}, Spec: records(t, of("ConfigMap", "payments", "shutdown"))[0]}
	old.Spec.FirstTime = metav1.NewTime(time.Now().Add(-31 * 24 * time.Hour))
	old.Spec.LastTime = old.Spec.FirstTime
	if err := admin(t).Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	for _, replica := range replicas {
		if err := replica.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); len(records(t, func(s v1alpha1.EditRecordSpec) bool { return time.Since(s.LastTime.Time) > 24*time.Hour })) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the old record is still there")
		}
	}
	await(t, 100, of("ConfigMap", "payments", "shutdown"))
	if got := sum(t, "gitops_drift_records_pruned_total", ""); got != 1 {
		t.Errorf("%v records were pruned", got)
	}
	if got := sum(t, "gitops_drift_policies", `action="Deny"`); got != 2 {
		t.Errorf("two replicas count %v policies that deny", got)
	}
}
