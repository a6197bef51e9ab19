package reconciliations

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

const rounds = 200

// changes are what a team merges to main between two reconciliations.
var changes = []struct {
	file string
	// from finds what to replace by to, in which %d is the number of the round, from base on or from 0 to base.
	from, to string
	base     int
	small    bool
}{
	{"apps/payments-api/base/deployment.yaml", `memory: \d+Mi`, "memory: %dMi", 300, false},
	{"apps/payments-api/overlays/prod-eu/kustomization.yaml", `count: \d+`, "count: %d", 9, true},
	{"apps/payments-api/overlays/prod-eu/kustomization.yaml", `newTag: .*`, "newTag: 3.0.%d", 0, false},
	{"apps/payments-api/overlays/prod-eu/kustomization.yaml", `ENVIRONMENT=.*`, "ENVIRONMENT=prod-eu-%d", 0, false},
	{"apps/payments-api/overlays/prod-eu/ingress.yaml", `payments(-\d+)?\.eu`, "payments-%d.eu", 0, false},
	{"apps/catalog-api/overlays/prod-eu/kustomization.yaml", `newTag: .*`, "newTag: 6.0.%d", 0, false},
	{"apps/catalog-api/overlays/prod-eu/autoscaling.yaml", `maxReplicas: \d+`, "maxReplicas: %d", 30, false},
	{"infrastructure/overlays/prod-eu/quotas.yaml", `requests.cpu: "\d+"`, `requests.cpu: "%d"`, 30, false},
}

func TestNoWriteOfFluxIsRefusedIn200Reconciliations(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cluster, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	root, err := harness.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	repo, err := cluster.NewRepo(ctx, filepath.Join(root, "manifests", "examples", "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	kubectl(ctx, t, cluster, harness.Admin, 0, "apply", "-f", filepath.Join(repo.Dir, "clusters", "prod-eu"))
	if _, err := cluster.StartProduct(ctx, "enforce"); err != nil {
		t.Fatal(err)
	}

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range rounds {
		if round == rounds/2 {
			// From here on the webhook itself has to tell Flux and the cluster's controllers from people.
			dropConditions(ctx, t, cluster)
		}
		if round > 0 {
			change(ctx, t, repo, random, round)
		}
		if _, err := cluster.Publish(ctx, harness.Publication{Dir: repo.Dir}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"infrastructure", "apps"} {
			if _, err := cluster.Reconcile(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: name}); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
	}
	// What the rounds prove would be worth nothing if nobody were refused.
	refused := kubectl(ctx, t, cluster, harness.OnCall, 1, "scale", "deployment/payments-api", "-n", "payments", "--replicas=42")
	if !strings.Contains(refused, "managed by Flux") {
		t.Errorf("a person's edit at the end was answered: %s", refused)
	}
	loop(ctx, t, cluster)
	audit(t, cluster)
}

// loop demands that the webhook lets the restore loop put back what an exempt person did.
func loop(ctx context.Context, t *testing.T, cluster *harness.Cluster) {
	t.Helper()
	replicas := func() string {
		return kubectl(ctx, t, cluster, harness.Admin, 0, "get", "deployment/payments-api", "-n", "payments", "-o", "jsonpath={.spec.replicas}")
	}
	before := replicas()
	kubectl(ctx, t, cluster, harness.Admin, 0, "patch", "editpolicy", "enforce", "--type=merge",
		"-p", fmt.Sprintf(`{"spec":{"exempt":[{"kind":"User","name":%q}]}}`, harness.OnCall))
	edited := false
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if !edited {
			result, err := cluster.Kubectl(ctx, harness.OnCall, "", "scale", "deployment/payments-api", "-n", "payments", "--replicas=42")
			if err != nil {
				t.Fatal(err)
			}
			edited = result.Code == 0 // the exemption has taken effect
		} else if replicas() == before {
			return
		}
	}
	t.Errorf("edit admitted: %t; replicas are %s, were %s", edited, replicas(), before)
}

func change(ctx context.Context, t *testing.T, repo *harness.Repo, random *rand.Rand, round int) {
	t.Helper()
	c := changes[random.IntN(len(changes))]
	old, err := repo.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	number := c.base + round
	if c.small {
		number = round % c.base
	}
	now := regexp.MustCompile(c.from).ReplaceAllString(old, fmt.Sprintf(c.to, number))
	if !regexp.MustCompile(c.from).MatchString(old) {
		t.Fatalf("%s has nothing like %q", c.file, c.from)
	}
	if now == old {
		return // the number happens to be the one that is there
	}
	if err := repo.WriteFile(c.file, now); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Commit(ctx, fmt.Sprintf("round %d", round)); err != nil {
		t.Fatal(err)
	}
}

// dropConditions makes the API server send everybody's writes of managed objects to the webhook.
func dropConditions(ctx context.Context, t *testing.T, cluster *harness.Cluster) {
	t.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := cluster.Admin().Get(ctx, client.ObjectKey{Name: "gitops-drift"}, configuration); err != nil {
		t.Fatal(err)
	}
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].MatchConditions = nil
	}
	if err := cluster.Admin().Update(ctx, configuration); err != nil {
		t.Fatal(err)
	}
}

// audit demands that the API server refused no write but those of people, that Flux did write, and that nobody's write
// went unjudged.
func audit(t *testing.T, cluster *harness.Cluster) {
	t.Helper()
	writes := 0
	events, err := cluster.AuditEvents(func(e harness.AuditEvent) bool { return e.ResponseStatus != nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		machine := strings.HasPrefix(e.User.Username, "system:")
		if e.User.Username == "system:serviceaccount:flux-system:kustomize-controller" && e.ResponseStatus.Code < 300 {
			writes++
		}
		// A quota may refuse a Pod; that is none of our doing.
		ours := strings.Contains(e.ResponseStatus.Message, "gitops-drift.dev")
		flux := strings.HasPrefix(e.User.Username, "system:serviceaccount:flux-system:")
		if machine && e.ResponseStatus.Code == http.StatusForbidden && (ours || flux) {
			t.Errorf("%s of %s/%s by %s was refused: %s", e.Verb, e.ObjectRef.Resource, e.ObjectRef.Name, e.User.Username, e.ResponseStatus.Message)
		}
		for key, value := range e.Annotations {
			if strings.HasSuffix(key, "gitops-drift.dev/decision") && value == "Unjudged" {
				t.Errorf("%s of %s/%s by %s went unjudged", e.Verb, e.ObjectRef.Resource, e.ObjectRef.Name, e.User.Username)
			}
		}
	}
	if writes < rounds {
		t.Errorf("Flux wrote only %d times in %d rounds", writes, rounds)
	}
	t.Logf("%d writes of kustomize-controller, none refused", writes)
}

func kubectl(ctx context.Context, t *testing.T, cluster *harness.Cluster, user harness.User, code int, args ...string) string {
	t.Helper()
	result, err := cluster.Kubectl(ctx, user, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	if result.Code != code {
		t.Fatalf("kubectl %s: exit %d\n%s%s", strings.Join(args, " "), result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout + result.Stderr
}
