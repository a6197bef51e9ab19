package glass

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/breakglass"
	"github.com/gitops-drift/gitops-drift/pkg/hold"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// holdWrites are the requests about payments-api by which Flux is held off, or no longer, that the API server carried out.
func holdWrites(t *testing.T, mark int64) []harness.AuditEvent {
	t.Helper()
	events, err := cluster.AuditEventsSince(mark, func(e harness.AuditEvent) bool {
		return e.ObjectRef.Resource == "deployments" && e.ObjectRef.Name == api.Name && strings.Contains(e.RequestURI, "fieldManager="+ownership.HoldManager) &&
			e.ResponseStatus != nil && e.ResponseStatus.Code < 300
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// done waits until nothing of a BreakGlass is left to do.
func done(t *testing.T, name string) {
	t.Helper()
	eventually(t, "BreakGlass "+name+" is done with", func() bool {
		g := glass(t, name)
		_, on := ownership.HoldOf(deployment(t))
		return g.Status.Ended != nil && len(g.Finalizers) == 0 && !on
	})
}

// TestTwoReplicasHoldOnceAndGiveBackOnce has both see every BreakGlass at the same time, and none of them lead the other.
func TestTwoReplicasHoldOnceAndGiveBackOnce(t *testing.T) {
	second, err := cluster.StartReplica(patient.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := second.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	for i := range 4 {
		name := fmt.Sprintf("raced-%d", i)
		mark, err := cluster.AuditMark()
		if err != nil {
			t.Fatal(err)
		}
		open(t, name, "2s")
		eventually(t, "Flux is held off", func() bool { return held(t, name) })
		ends := glass(t, name).Ends()
		if i%2 == 1 {
			must(t, "", "patch", "breakglass", name, "--type=merge", `-p={"spec":{"closed":true}}`)
		}
		done(t, name)
		if g := glass(t, name); i%2 == 0 && g.Status.Ended.Time.Before(ends) {
			t.Errorf("%s ended %s early", name, ends.Sub(g.Status.Ended.Time))
		}
		time.Sleep(300 * time.Millisecond) // for the other one to be late
		if writes := holdWrites(t, mark); len(writes) != 2 {
			t.Errorf("%s: Flux was held off and given back by %d writes, want 2: %+v", name, len(writes), writes)
		}
	}
}

// notes are those of the events of a reason on the Kustomization, and about a BreakGlass.
func notes(t *testing.T, reason, name string) []string {
	t.Helper()
	list := &eventsv1.EventList{}
	if err := cluster.Admin().List(patient.Context(t), list, client.InNamespace(apps.Namespace)); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list.Items {
		if e.Reason == reason && e.Regarding.Kind == "Kustomization" && e.Regarding.Name == apps.Name && e.Related != nil && e.Related.Name == name {
			out = append(out, e.Note)
		}
	}
	return out
}

// metric is what the controller says of a metric without labels.
func metric(t *testing.T, name string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(patient.Context(t), http.MethodGet, "http://"+product.Address("METRICS")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func TestOwnersAndMetricsTellOfHolds(t *testing.T) {
	open(t, "told", "1h")
	eventually(t, "a gauge counts it", func() bool { return metric(t, "gitops_drift_holds_active") == "1" })
	must(t, "", raise...)
	eventually(t, "an event says that Flux is held off", func() bool {
		found := notes(t, "BreakGlassHeld", "told")
		return len(found) == 1 && strings.HasPrefix(found[0], "Flux is held off Deployment payments/payments-api until ") &&
			strings.HasSuffix(found[0], ", for BreakGlass told of oncall@contoso.com: pods are killed")
	})
	must(t, "", "patch", "breakglass", "told", "--type=merge", `-p={"spec":{"closed":true}}`)
	done(t, "told")
	eventually(t, "an event says that it is over", func() bool {
		found := notes(t, "BreakGlassEnded", "told")
		return len(found) == 1 && strings.HasPrefix(found[0], "BreakGlass told of oncall@contoso.com for Deployment payments/payments-api is over (Closed). What differed from git: ") &&
			strings.HasSuffix(found[0], "resources.limits.memory")
	})
	eventually(t, "the gauge no longer counts it", func() bool { return metric(t, "gitops_drift_holds_active") == "0" })
	eventually(t, "git's value is back", func() bool { return memory(t) == "512Mi" })
}

// TestOldBreakGlassesAreRemovedAndActiveOnesAreNot prunes with the rights of the controller.
func TestOldBreakGlassesAreRemovedAndActiveOnesAreNot(t *testing.T) {
	config, err := cluster.Login("system:serviceaccount:flux-system:gitops-drift")
	if err != nil {
		t.Fatal(err)
	}
	own, err := client.New(config, client.Options{Scheme: kinds.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	open(t, "old", "1h")
	eventually(t, "Flux is held off", func() bool { return held(t, "old") })
	must(t, "", "patch", "breakglass", "old", "--type=merge", `-p={"spec":{"closed":true}}`)
	done(t, "old")
	open(t, "young", "1h")
	eventually(t, "Flux is held off", func() bool { return held(t, "young") })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	pruner := &hold.Pruner{Client: own, Clock: &breakglass.Clock{}, Log: logr.Discard(), Retention: time.Nanosecond, Limit: 100}
	go func() { ended <- pruner.Start(ctx) }()
	eventually(t, "the old one is gone", func() bool {
		return apierrors.IsNotFound(kinds.Get(t.Context(), client.ObjectKey{Name: "old"}, &v1alpha1.BreakGlass{}))
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !held(t, "young") {
		t.Error("one that is active is not held any more")
	}
	must(t, "", "delete", "breakglass", "young")
}
