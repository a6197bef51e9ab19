package soak

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// stopping is how long a replica may take to end when it is told to.
const stopping = 20 * time.Second

// chaos does, in turn, what takes the ground from under the loop: kill -9 of a random replica; an API
// server that knows nothing of what watches saw last (410 Gone); a leader that loses its lease in the middle of its work; kill
// -9 of the API server, with which all watches drop; and a replica that is told to end, which hands the lease over.
func chaos(replicas []*harness.Instance, random *rand.Rand) func(ctx context.Context) error {
	round := 0
	return func(ctx context.Context) error {
		replica := replicas[random.IntN(len(replicas))]
		round++
		switch round % 5 {
		case 1:
			return replica.Restart(ctx)
		case 2:
			return cluster.ExpireWatches(ctx)
		case 3:
			return depose(ctx, replicas)
		case 4:
			return cluster.CrashAPIServer(ctx)
		}
		if err := replica.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case <-replica.Exited():
		case <-time.After(stopping):
		}
		return replica.Restart(ctx)
	}
}

// depose gives the lease to nobody. Whoever lost it ends, and is started again.
func depose(ctx context.Context, replicas []*harness.Instance) error {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: "gitops-drift.gitops-drift.dev"}}
	patch := []byte(`{"spec":{"holderIdentity":"nobody","leaseDurationSeconds":1}}`)
	if err := cluster.Admin().Patch(ctx, lease, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return err
	}
	lost := time.After(stopping)
	for {
		for _, replica := range replicas {
			select {
			case <-replica.Exited():
				return replica.Restart(ctx)
			default:
			}
		}
		select {
		case <-lost: // There was no leader at that moment.
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// expired fails in a long soak unless watches of the loop were told that what they saw last is forgotten. In a short one all
// may have begun anew for other reasons.
func expired(t *testing.T, replicas []*harness.Instance) {
	t.Helper()
	count := 0
	for _, replica := range replicas {
		text, err := replica.Log()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			if strings.Contains(line, "too old resource version") && strings.Contains(line, `"logger":"restore"`) {
				count++
			}
		}
	}
	if count == 0 && os.Getenv("GITOPS_DRIFT_SOAK") != "" {
		t.Error("no watch of the loop has expired")
	}
	t.Logf("watches of the loop were told %d times that what they saw last is forgotten", count)
}
