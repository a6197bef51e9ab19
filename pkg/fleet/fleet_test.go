package fleet

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestResultsComeInTheOrderAsked(t *testing.T) {
	clusters := []string{"c", "a", "b"}
	first := make(chan struct{})
	results := Ask(t.Context(), clusters, Limits{}, func(_ context.Context, cluster string) (string, error) {
		switch cluster {
		case "c": // answers last
			<-first
		case "b":
			close(first)
		}
		return "value of " + cluster, nil
	})
	for i, r := range results {
		if r.Cluster != clusters[i] || r.Value != "value of "+clusters[i] || r.Err != nil {
			t.Errorf("result %d is %+v", i, r)
		}
	}
}

func TestOneThatFailsKeepsNobodyFromTheOthers(t *testing.T) {
	results := Ask(t.Context(), []string{"a", "b", "c"}, Limits{AtOnce: 1}, func(_ context.Context, cluster string) (int, error) {
		if cluster == "b" {
			return 7, errors.New("partly") // what was learned is kept
		}
		return 1, nil
	})
	if results[0].Value != 1 || results[1].Value != 7 || results[1].Err == nil || results[2].Value != 1 || results[2].Err != nil {
		t.Errorf("got %+v", results)
	}
}

func TestOneThatDoesNotAnswerTakesNoTimeFromTheOthers(t *testing.T) {
	limit := 50 * time.Millisecond
	results := Ask(t.Context(), []string{"silent", "slow", "slow"}, Limits{AtOnce: 1, Timeout: limit}, func(ctx context.Context, cluster string) (int, error) {
		if cluster == "silent" {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < limit/2 {
			t.Errorf("%s has only until %s", cluster, deadline)
		}
		return 1, nil
	})
	if !errors.Is(results[0].Err, context.DeadlineExceeded) || results[1].Err != nil || results[2].Err != nil {
		t.Errorf("got %+v", results)
	}
}

func TestNoMoreAreAskedAtATimeThanAllowed(t *testing.T) {
	var running, most atomic.Int32
	Ask(t.Context(), slices.Repeat([]string{"x"}, 20), Limits{AtOnce: 3}, func(context.Context, string) (int, error) {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(time.Millisecond)
		running.Add(-1)
		return 0, nil
	})
	if most.Load() > 3 {
		t.Errorf("%d were asked at a time", most.Load())
	}
}

func TestNobodyIsAskedAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	results := Ask(ctx, []string{"a", "b", "c"}, Limits{AtOnce: 1}, func(context.Context, string) (int, error) {
		asked++
		cancel()
		return 0, nil
	})
	if asked != 1 || results[0].Err != nil || !errors.Is(results[1].Err, context.Canceled) || !errors.Is(results[2].Err, context.Canceled) {
		t.Errorf("asked %d: %+v", asked, results)
	}
}
