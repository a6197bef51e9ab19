package glass

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// kills is how often the controller is killed: a few times, or GITOPS_DRIFT_GLASS_KILLS.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("GITOPS_DRIFT_GLASS_KILLS")
	if text == "" {
		return 4
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("GITOPS_DRIFT_GLASS_KILLS=%s is no number of kills", text)
	}
	return n
}

// life is when a hold was seen.
type life struct {
	mu          sync.Mutex
	first, last time.Time
	gaps        []time.Time // when it was missing after it had been there
}

// observe looks at the object until ctx ends.
func (l *life) observe(ctx context.Context) {
	for ctx.Err() == nil {
		object := &appsv1.Deployment{}
		asked := time.Now()
		if err := cluster.Admin().Get(ctx, api, object); err == nil {
			l.mu.Lock()
			if _, on := ownership.HoldOf(object); on {
				if l.last = time.Now(); l.first.IsZero() {
					l.first = asked
				}
			} else if !l.first.IsZero() {
				l.gaps = append(l.gaps, asked)
			}
			l.mu.Unlock()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestABreakGlassSurvivesKills kills the controller at random instants of a BreakGlass: before its hold, under it, and
// while it ends. A hold never ends early, and never outlives its BreakGlass by 10 s once a controller runs.
func TestABreakGlassSurvivesKills(t *testing.T) {
	n, worst := kills(t), time.Duration(0)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range n {
		name := fmt.Sprintf("kill-%d", round)
		const lasts = 3 * time.Second
		var seen life
		observing, stop := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { seen.observe(observing) })
		open(t, name, lasts.String())
		ends := glass(t, name).Ends()
		edited := random.IntN(2) == 0
		if edited {
			eventually(t, "Flux is held off", func() bool { return held(t, name) || time.Now().After(ends) })
			if time.Now().Before(ends) {
				must(t, "", raise...)
			}
		}
		// From before the hold, or from the edit, until a little after the end: that is when most happens.
		wait := time.Duration(random.Int64N(int64(lasts)))
		if random.IntN(2) == 0 {
			wait = time.Until(ends) + time.Duration(random.Int64N(int64(time.Second)))
		}
		time.Sleep(wait)
		product.Kill()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := product.Restart(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		running := time.Now()
		eventually(t, "round "+strconv.Itoa(round)+": the BreakGlass is done with", func() bool {
			g := glass(t, name)
			_, on := ownership.HoldOf(deployment(t))
			return g.Status.Ended != nil && len(g.Finalizers) == 0 && !on
		})
		stop()
		done.Wait()
		for _, gap := range seen.gaps {
			if gap.Before(ends) {
				t.Errorf("round %d: the hold was missing %s before the end", round, ends.Sub(gap))
			}
		}
		since := ends
		if running.After(since) {
			since = running
		}
		if late := seen.last.Sub(since); late > worst {
			worst = late
		}
		if edited && seen.first.IsZero() {
			t.Errorf("round %d: there was no hold", round)
		}
		if status := glass(t, name).Status; edited && len(status.Drift) == 0 {
			t.Errorf("round %d: nothing is known of the edit: %+v", round, status)
		}
		eventually(t, "git's value is back", func() bool { return memory(t) == "512Mi" })
		if err := kinds.Delete(t.Context(), glass(t, name)); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills; the longest that a hold outlived its BreakGlass, or the restart: %s", n, worst)
	if worst > 10*time.Second {
		t.Errorf("a hold outlived its BreakGlass by %s", worst)
	}
}
