package harness_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// webhookManifests are a controller of two replicas whose webhook stands before ConfigMaps of its namespace.
const webhookManifests = `
apiVersion: v1
kind: Namespace
metadata: {name: standin}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: standin, namespace: standin}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: standin, namespace: standin}
spec:
  replicas: 2
  selector: {matchLabels: {app: standin}}
  template:
    metadata: {labels: {app: standin}}
    spec:
      serviceAccountName: standin
      containers: [{name: standin, image: standin}]
---
apiVersion: v1
kind: Service
metadata: {name: webhook, namespace: standin}
spec:
  selector: {app: standin}
  ports: [{port: 443, targetPort: 8443}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: standin}
webhooks:
- name: standin.contoso.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 3
  clientConfig: {service: {name: webhook, namespace: standin, path: /refuse}, caBundle: %s}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: standin}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  matchConditions: [{name: people, expression: "'oncall' in request.userInfo.groups"}]
`

// kubectl runs kubectl and fails the test if it does.
func kubectl(ctx context.Context, t *testing.T, user harness.User, stdin string, args ...string) string {
	t.Helper()
	result, err := shared.Kubectl(ctx, user, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	if result.Code != 0 {
		t.Fatalf("kubectl %s ends with %d: %s", strings.Join(args, " "), result.Code, result.Stderr)
	}
	return result.Stdout
}

// standInWorkload is this test binary as the program of Deployment standin.
func standInWorkload(t *testing.T, kind, certFile, keyFile string) harness.Workload {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return harness.Workload{
		Deployment: client.ObjectKey{Namespace: "standin", Name: "standin"},
		Program:    self,
		Args:       []string{"127.0.0.1:$(HEALTH)", "127.0.0.1:$(WEBHOOK)", certFile, keyFile},
		Env:        []string{standInEnv + "=" + kind},
		Ports:      []string{"HEALTH", "WEBHOOK"},
		Ready:      "http://127.0.0.1:$(HEALTH)/ready",
	}
}

func TestWorkloadsRunAsPodsBehindTheirService(t *testing.T) {
	ctx := patient.Context(t)
	certPEM, keyPEM, err := cert.GenerateSelfSignedCertKey("webhook.standin.svc", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, content := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kubectl(ctx, t, harness.Admin, fmt.Sprintf(webhookManifests, base64.StdEncoding.EncodeToString(certPEM)), "apply", "-f", "-")

	_, err = shared.StartWorkload(ctx, standInWorkload(t, "failing", certFile, keyFile))
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the stand-in was told to fail") {
		t.Errorf("error is %v, want the exit status and the end of the log", err)
	}

	var replicas []*harness.Instance
	for range 2 {
		replica, err := shared.StartWorkload(ctx, standInWorkload(t, "webhook", certFile, keyFile))
		if err != nil {
			t.Fatal(err)
		}
		replicas = append(replicas, replica)
	}
	pods := []string{replicas[0].Pod().Name, replicas[1].Pod().Name}
	if pods[0] == pods[1] {
		t.Fatalf("both replicas run as Pod %s", pods[0])
	}
	whoami := kubectl(ctx, t, harness.Admin, "", "auth", "whoami", "-o", "json", "--kubeconfig", replicas[0].Kubeconfig())
	for _, want := range []string{"system:serviceaccount:standin:standin", pods[0], string(replicas[0].Pod().UID)} {
		if !strings.Contains(whoami, want) {
			t.Errorf("%s is not in the identity %s", want, whoami)
		}
	}

	refusal := func() string {
		t.Helper()
		result, err := shared.Kubectl(ctx, harness.OnCall, "", "create", "configmap", "mine", "-n", "standin")
		if err != nil {
			t.Fatal(err)
		}
		if result.Code != 1 {
			t.Fatalf("exit code is %d, want 1; stdout: %s", result.Code, result.Stdout)
		}
		return result.Stderr
	}
	await := func(state, want string) {
		t.Helper()
		// A new webhook configuration takes a moment to reach the API server's admission.
		deadline := time.Now().Add(20 * time.Second)
		for {
			got := refusal()
			if strings.Contains(got, want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: the API server answers %q, want %q", state, got, want)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	service := client.ObjectKey{Namespace: "standin", Name: "webhook"}
	await("no route", "failed calling webhook")
	shared.Route(service, 443, replicas[0].Address("WEBHOOK"), replicas[1].Address("WEBHOOK"))
	await("both replicas", "refused by Pod ")
	replicas[0].Kill()
	await("one replica killed", "refused by Pod "+pods[1])
	if err := replicas[0].Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if got := replicas[0].Pod().Name; got != pods[0] {
		t.Errorf("restarted as Pod %s, want %s again", got, pods[0])
	}
	if err := replicas[1].Stop(ctx); err != nil {
		t.Fatal(err)
	}
	<-replicas[1].Exited()
	await("the other replica stopped", "refused by Pod "+pods[0])
	log, err := replicas[0].Log()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(log, "serving on "+replicas[0].Address("WEBHOOK")); got != 2 {
		t.Errorf("the log tells of %d starts on the same port, want 2:\n%s", got, log)
	}
}

func TestPeopleHaveTheirGroupsAndRights(t *testing.T) {
	ctx := patient.Context(t)
	for _, test := range []struct {
		user      harness.User
		group     string
		mayDelete bool
	}{
		{harness.Admin, "system:masters", true},
		{harness.OnCall, "oncall", true},
		{harness.Dev, "dev", false},
	} {
		t.Run(test.group, func(t *testing.T) {
			whoami := kubectl(ctx, t, test.user, "", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}")
			if want := fmt.Sprintf("%s [%q,", test.user, test.group); !strings.HasPrefix(whoami, want) {
				t.Errorf("identity is %s, want %s", whoami, want)
			}
			result, err := shared.Kubectl(ctx, test.user, "", "auth", "can-i", "delete", "namespaces", "--quiet")
			if err != nil {
				t.Fatal(err)
			}
			if may := result.Code == 0; may != test.mayDelete {
				t.Errorf("may delete namespaces: %v, want %v", may, test.mayDelete)
			}
		})
	}
}

func TestAMissingProgramSaysWhatToRun(t *testing.T) {
	t.Setenv(harness.BinEnv, t.TempDir())
	_, err := harness.Start(patient.Context(t), harness.Options{})
	if err == nil || !strings.Contains(err.Error(), "make controlplane") {
		t.Errorf("error is %v, want one that names `make controlplane`", err)
	}
}
