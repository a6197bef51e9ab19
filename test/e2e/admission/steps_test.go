package admission

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// change sets the value after key in a file of the repository, commits and publishes it.
func change(t *testing.T, file, key, value string) {
	t.Helper()
	ctx := patient.Context(t)
	text, err := repo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(regexp.QuoteMeta(key)+`\S+`).ReplaceAllString(text, key+value)
	if err := repo.WriteFile(file, text); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Commit(ctx, "Set "+key+value); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Publish(ctx, harness.Publication{Source: apps, Dir: repo.Dir}); err != nil {
		t.Fatal(err)
	}
}

// applied returns the object in a file of the repository as Flux applies it: with the owner's labels.
func applied(t *testing.T, file string) string {
	t.Helper()
	text, err := repo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(text, "  namespace: payments\n", `  namespace: payments
  labels:
    kustomize.toolkit.fluxcd.io/name: apps
    kustomize.toolkit.fluxcd.io/namespace: flux-system
`, 1)
}

// setAction changes the policy and waits until the controller goes by it: until a dry-run is refused, or is not.
func setAction(t *testing.T, action string) {
	t.Helper()
	must(t, "", "patch", "editpolicy", "enforce", "--type=merge", `-p={"spec":{"action":"`+action+`"}}`)
	marks := map[string]string{"Deny": "denied the request", "Warn": "Warning: ", "Record": ""}
	deadline := time.Now().Add(20 * time.Second)
	for {
		result := kubectl(t, "", "-n", "payments", "label", "configmap", "payments-api", "probe=1", "--dry-run=server")
		if action == "Record" && result.Stderr == "" || action != "Record" && strings.Contains(result.Stderr, marks[action]) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the policy's action is %s, but an edit is answered %q", action, result.Stderr)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// audited checks that the last edit of a resource by the engineer on call has these audit annotations.
func audited(t *testing.T, resource string, want map[string]string) {
	t.Helper()
	events, err := cluster.AuditEvents(func(e harness.AuditEvent) bool {
		return e.User.Username == string(harness.OnCall) && e.ObjectRef.Resource == resource && e.Stage == "ResponseComplete"
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(events) == 0 {
		t.Fatalf("no audit event of %s", resource)
	}
	got := events[len(events)-1].Annotations
	for key, value := range want {
		if got[key] != value {
			t.Errorf("audit annotation %s is %q, want %q", key, got[key], value)
		}
	}
}
