package reconciliations

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// defaultRounds keep this test short; `make reconciliations` runs 1,000.
const defaultRounds = 30

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(m.Run())
}

func TestNoWriteOfFluxOrOfTheClusterIsRefusedWhateverChangesInGit(t *testing.T) {
	rounds, seed := number(t, "RECONCILIATIONS_ROUNDS", defaultRounds), uint64(number(t, "RECONCILIATIONS_SEED", 1))
	t.Logf("%d rounds, seed %d", rounds, seed)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Duration(rounds)*10*time.Second)
	defer cancel()
	cluster, err := harness.Start(ctx, harness.Options{LogDir: os.Getenv("RECONCILIATIONS_LOGS")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &stage{t: t, cluster: cluster, repository: newRepository(seed), published: map[string]string{}, revisions: map[string]string{}}
	s.setUp(ctx)
	beside, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, loop := range []func(context.Context){s.reconcileHelmReleases, s.operate} {
		running.Go(func() { loop(beside) })
	}
	spared := 0
	for round := range rounds {
		if round == rounds/2 {
			s.edit(ctx)
			spared = s.passed(ctx)
			// From here on the webhook itself has to tell Flux and the cluster's controllers from people.
			s.dropConditions(ctx)
		}
		if round > 0 {
			for range 1 + s.repository.random.IntN(3) {
				s.outcomes.count("change: " + s.repository.change())
			}
		}
		s.reconcile(ctx, round)
	}
	// What the rounds prove would be worth nothing if nobody were refused.
	s.edit(ctx)
	s.putBack(ctx)
	stop()
	running.Wait()
	passed := s.passed(ctx)
	t.Logf("the webhook let %d requests pass while conditions spared it Flux and the cluster, and %d since", spared, passed-spared)
	if passed-spared < rounds {
		t.Error("the webhook was not asked about Flux and the cluster's controllers")
	}
	s.outcomes.log(t)
	if ready := s.outcomes.of("ready"); ready < rounds {
		t.Errorf("Flux reconciled with success only %d times in %d rounds", ready, rounds)
	}
	if s.outcomes.of("HelmRelease: ready") == 0 {
		t.Error("no HelmRelease ever became ready")
	}
	judge(t, cluster, s.guarded, rounds)
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: it must be a number above 0", variable, text)
	}
	return n
}

// edit demands that a person's edit of a managed object is refused.
func (s *stage) edit(ctx context.Context) {
	s.t.Helper()
	refused := s.kubectl(ctx, harness.OnCall, 1, "scale", "deployment/front", "-n", "control", "--replicas=42")
	if !strings.Contains(refused, "managed by Flux") {
		s.t.Errorf("a person's edit was answered: %s", refused)
	}
}

// putBack demands that the webhook lets the restore loop put back what an exempt person did.
func (s *stage) putBack(ctx context.Context) {
	s.t.Helper()
	replicas := func() string {
		return s.kubectl(ctx, harness.Admin, 0, "get", "deployment/front", "-n", "control", "-o", "jsonpath={.spec.replicas}")
	}
	before := replicas()
	s.kubectl(ctx, harness.Admin, 0, "patch", "editpolicy", "enforce", "--type=merge",
		"-p", fmt.Sprintf(`{"spec":{"exempt":[{"kind":"User","name":%q}]}}`, harness.OnCall))
	edited := false
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if !edited {
			result, err := s.cluster.Kubectl(ctx, harness.OnCall, "", "scale", "deployment/front", "-n", "control", "--replicas=42")
			if err != nil {
				s.t.Fatal(err)
			}
			edited = result.Code == 0 // the exemption has taken effect
		} else if replicas() == before {
			return
		}
	}
	s.t.Errorf("edit admitted: %t; replicas are %s, were %s", edited, replicas(), before)
}

// dropConditions makes the API server send the writes of Flux and of the cluster to the webhook too.
func (s *stage) dropConditions(ctx context.Context) {
	s.t.Helper()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		if err := s.cluster.Admin().Get(ctx, client.ObjectKey{Name: "gitops-drift"}, configuration); err != nil {
			return err
		}
		for i := range configuration.Webhooks {
			webhook := &configuration.Webhooks[i]
			before := len(webhook.MatchConditions)
			webhook.MatchConditions = slices.DeleteFunc(webhook.MatchConditions, func(c admissionregistrationv1.MatchCondition) bool {
				return slices.Contains([]string{"nodes", "cluster", "flux"}, c.Name)
			})
			if len(webhook.MatchConditions) == before {
				return fmt.Errorf("webhook %s has no condition about its callers", webhook.Name)
			}
		}
		return s.cluster.Admin().Update(ctx, configuration)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) kubectl(ctx context.Context, user harness.User, code int, args ...string) string {
	s.t.Helper()
	result, err := s.cluster.Kubectl(ctx, user, "", args...)
	if err != nil {
		s.t.Fatal(err)
	}
	if result.Code != code {
		s.t.Fatalf("kubectl %s: exit %d\n%s%s", strings.Join(args, " "), result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout + result.Stderr
}
