package glass

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

func TestThePluginBreaksGlass(t *testing.T) {
	object := []string{"gitops-drift", "break-glass", "deployment/payments-api", "-n", "payments"}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no reason":            {append(object, "--for", "30m"), "no reason, no glass"},
		"no time":              {append(object, "--reason", "x"), "say with --for how long"},
		"too long":             {append(object, "--for", "5h", "--reason", "x"), "spec.duration is 5h0m0s; EditPolicy production allows 2h0m0s at most"},
		"another's group":      {append(object, "--for", "5m", "--reason", "x", "--group", "dev"), `spec.group is "dev", of which you are no member`},
		"no such object":       {[]string{"gitops-drift", "break-glass", "deploy/none", "-n", "payments", "--for", "5m", "--reason", "x"}, "there is no deploy/none in namespace payments"},
		"no such type":         {[]string{"gitops-drift", "break-glass", "nonsense/none", "--for", "5m", "--reason", "x"}, `no resource type "nonsense"`},
		"not Flux's":           {[]string{"gitops-drift", "break-glass", "namespace/default", "--for", "5m", "--reason", "x"}, "Flux does not manage it"},
		"no policy":            {[]string{"gitops-drift", "break-glass", "crd/widgets.contoso.com", "--for", "5m", "--reason", "x"}, "no EditPolicy lets anybody break glass"},
		"nothing of that name": {[]string{"gitops-drift", "break-glass", "close", "none"}, "there is no BreakGlass none"},
		"no name":              {[]string{"gitops-drift", "break-glass", "close"}, "close takes the name of one BreakGlass"},
		"a name, and all":      {[]string{"gitops-drift", "break-glass", "close", "none", "--all"}, "close takes a name or --all, not both"},
	} {
		if result := kubectl(t, "", test.args...); result.Code != 2 || !strings.Contains(result.Stderr, test.want) {
			t.Errorf("%s: exit code %d, want %q: %s", name, result.Code, test.want, result.Stderr)
		}
	}

	opened := must(t, "", append(object, "--for", "30m", "--reason", "pods are killed", "--group", "oncall")...)
	name := regexp.MustCompile(`^BreakGlass (payments-api-\w+) is open until \d\d:\d\d:\d\d UTC: oncall@contoso\.com and group oncall may edit deployment/payments-api\.
Flux is held off it\. What cannot be held: a deletion`).FindStringSubmatch(opened)
	if name == nil {
		t.Fatalf("it says\n%s", opened)
	}
	must(t, "", raise...)
	if list := must(t, "", "gitops-drift", "break-glass", "list"); !regexp.MustCompile(name[1] + ` +payments/deployment/payments-api +oncall@contoso\.com +\d+m left +held off +pods are killed`).MatchString(list) {
		t.Errorf("the list is\n%s", list)
	}
	status := kubectl(t, "", "gitops-drift", "status")
	if !regexp.MustCompile(`payments-api \d+m left`).MatchString(status.Stdout) {
		t.Errorf("the status is\n%s%s", status.Stdout, status.Stderr)
	}
	drift := kubectl(t, "", "gitops-drift", "deployment/payments-api", "-n", "payments", "-o", "wide")
	if drift.Code != 1 || !strings.Contains(drift.Stdout, "not act: BreakGlass "+name[1]+" is active") || strings.Contains(drift.Stdout, "annotations") {
		t.Errorf("drift is\n%s%s", drift.Stdout, drift.Stderr)
	}
	closed := must(t, "", "gitops-drift", "break-glass", "close", name[1])
	if want := "resources.limits.memory: 512Mi → 1Gi by oncall@contoso.com\n"; !strings.HasSuffix(closed, want) {
		t.Errorf("closing says\n%s", closed)
	}
	eventually(t, "git's value is back", func() bool { return memory(t) == "512Mi" })
}

// TestTheControllerIsNotNeededToGiveBack kills it, and has the plugin do its part: for the one BreakGlass, not for another of the same object.
func TestTheControllerIsNotNeededToGiveBack(t *testing.T) {
	open(t, "mine", "10m")
	open(t, "another", "20m")
	eventually(t, "both hold", func() bool { return held(t, "mine") && held(t, "another") })
	must(t, "", raise...)
	eventually(t, "the edit is recorded", func() bool {
		return strings.Contains(must(t, "", "get", "editrecords", "-o=jsonpath={.items[*].spec.breakGlass}"), "another")
	})
	product.Kill()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := product.Restart(ctx); err != nil {
			t.Error(err)
		}
	})
	if said := must(t, "", "gitops-drift", "break-glass", "close", "mine", "--by-hand"); !strings.Contains(said, "No edit was recorded under it") {
		t.Errorf("closing the one that admitted no edit says\n%s", said)
	}
	if by, on := ownership.HoldOf(deployment(t)); !on || by.BreakGlass != "another" || len(glass(t, "mine").Finalizers) > 0 {
		t.Errorf("the object is held by %+v, %v; finalizers %v", by, on, glass(t, "mine").Finalizers)
	}
	if result := kubectl(t, "", "gitops-drift", "break-glass", "close", "another"); result.Code != 1 || !strings.Contains(result.Stderr, "--by-hand") {
		t.Errorf("without a controller: exit code %d: %s", result.Code, result.Stderr)
	}
	if said := must(t, "", "gitops-drift", "break-glass", "close", "--all", "--by-hand"); !strings.Contains(said, "resources.limits.memory: 512Mi → 1Gi by oncall@contoso.com") {
		t.Errorf("closing the one that admitted the edit says\n%s", said)
	}
	if value, on := deployment(t).Annotations[ownership.Reconcile]; on {
		t.Errorf("Flux is held off still: %s", value)
	}
	if _, err := cluster.Reconcile(patient.Context(t), apps); err != nil {
		t.Fatal(err)
	}
	if got := memory(t); got != "512Mi" {
		t.Errorf("Flux leaves %s", got)
	}
	if said := must(t, "", "gitops-drift", "break-glass", "close", "--all"); !strings.HasPrefix(said, "Every BreakGlass is over") {
		t.Errorf("with none it says %s", said)
	}
}
