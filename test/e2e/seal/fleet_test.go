package seal

import (
	"context"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// kubectl runs kubectl as the administrator of a cluster, which has to succeed.
func kubectl(t *testing.T, cluster, stdin string, args ...string) string {
	t.Helper()
	// Cleanups run it too, when the test's own context is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	result, err := shared.clusters[cluster].Kubectl(ctx, harness.Admin, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	if result.Code != 0 {
		t.Fatalf("kubectl %s in %s ends with %d: %s", strings.Join(args, " "), cluster, result.Code, result.Stderr)
	}
	return result.Stdout
}

func namespace(t *testing.T, name string) string {
	t.Helper()
	for cluster := range shared.clusters {
		kubectl(t, cluster, "", "create", "namespace", name)
		t.Cleanup(func() { kubectl(t, cluster, "", "delete", "sealedsecrets", "--all", "-n", name) })
	}
	return name
}

func TestOneSealOpensInBothClusters(t *testing.T) {
	r := newRepository(t)
	ns := namespace(t, "both")
	r.write("db.yaml", secret(ns))
	r.seal(1, []string{"db.yaml:7 Plaintext Secret both/db [password]"}, "check")
	r.must("kubectl-gitops_seal", "seal", "-f", "db.yaml", "--in-place")
	r.seal(0, []string{"Nothing is wrong: 1 SealedSecret"}, "check")
	r.seal(0, []string{"prod-eu and prod-us open the SealedSecret."}, "verify")
	r.seal(0, []string{"The key opens the SealedSecret."}, "verify", "--key", filepath.Join(shared.keys, "shared.key"))
	for cluster := range shared.clusters {
		kubectl(t, cluster, r.read("db.yaml"), "apply", "-f", "-")
		patient.Until(t, cluster+" has opened it", func() bool {
			got := kubectl(t, cluster, "", "get", "secret", "-n", ns, "-o", "jsonpath={.items[0].data.password}")
			value, err := base64.StdEncoding.DecodeString(got)
			return err == nil && string(value) == canary+" of db"
		})
	}
}

func TestTheKeyOfOneClusterIsFoundBeforeAndAfterCommit(t *testing.T) {
	r := newRepository(t)
	ns := namespace(t, "wrong")
	// As somebody does who fetches the certificate of prod-eu while that serves its own.
	r.write("apps/db.yaml", r.pipe(secret(ns), "kubeseal", "--cert", shared.own, "-o", "yaml"))
	r.write("clusters/all/apps.yaml", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\n"+
		"spec: {interval: 10m, path: ./apps, prune: true, sourceRef: {kind: GitRepository, name: wrong}}\n")
	r.seal(1, []string{
		"apps/db.yaml:5 UnknownKey SealedSecret wrong/db", // it says no more, and the keys are of one size
		"clusters/all/apps.yaml:1 Unnoticed Kustomization flux-system/apps Flux does not notice if its SealedSecrets do not open",
	}, "check")
	r.seal(1, []string{
		"KeyOrDamage wrong/db [password] not in prod-us Is damaged, or sealed with a key that the controller does not have.",
		"prod-eu opens the SealedSecret.", "prod-us opens 0 of 1 SealedSecret.",
	}, "verify")
	r.seal(1, []string{"AnotherKey wrong/db [password]"}, "verify", "--key", filepath.Join(shared.keys, "shared.key"))

	// Committed nevertheless: Flux applies it, and calls the Kustomization ready.
	repo, err := shared.clusters[us].NewRepo(patient.Context(t), r.dir)
	if err != nil {
		t.Fatal(err)
	}
	source := harness.Publication{Dir: repo.Dir}
	source.Source.Namespace, source.Source.Name = harness.FluxNamespace, "wrong"
	if _, err := shared.clusters[us].Publish(patient.Context(t), source); err != nil {
		t.Fatal(err)
	}
	kubectl(t, us, "", "apply", "-f", filepath.Join(r.dir, "clusters", "all"))
	t.Cleanup(func() { kubectl(t, us, "", "delete", "-f", filepath.Join(r.dir, "clusters", "all")) })
	kubectl(t, us, "", "wait", "kustomization/apps", "-n", "flux-system", "--for=condition=Ready", "--timeout=60s")
	patient.Until(t, "the controller has tried", func() bool {
		return kubectl(t, us, "", "get", "sealedsecret", "db", "-n", ns, "-o", "jsonpath={.status.conditions[0].status}") == "False"
	})
	r.seal(1, []string{
		"wrong SealedSecret wrong/db: it is not opened: no key could decrypt secret (password)",
		"wrong Kustomization flux-system/apps: Flux does not notice if its SealedSecrets do not open",
		// Of prod-eu, where it would open.
		"is another active key, ",
	}, "doctor")

	// Sealed anew with the shared key, all open it.
	r.must("kubectl-gitops_seal", "reseal", "--from-cluster", "--context", eu, "--write")
	r.seal(0, []string{"prod-eu and prod-us open the SealedSecret."}, "verify")
	r.seal(0, nil, "check", "apps")
}

func TestARenewalPeriodIsFoundBeforeItDoesHarm(t *testing.T) {
	r := newRepository(t)
	ctx := patient.Context(t)
	r.seal(0, []string{"ok the renewal period is 0: the controller makes no key of its own"}, "doctor", "--context", us)
	if err := shared.controllers[us].Stop(ctx); err != nil {
		t.Fatal(err)
	}
	r.seal(2, []string{"unknown the certificate that the controller serves is unknown: "}, "doctor", "--context", us)
	start(t, us, "--key-size=2048")
	day := time.Now().Add(30 * 24 * time.Hour).UTC().Format("2006-01-02")
	r.seal(1, []string{
		"ok the controller serves the pinned certificate",
		"wrong the renewal period is 720h0m0s, the default: the controller makes a key of its own on " + day, "→ set --key-renew-period=0",
	}, "doctor", "--context", us)
	if err := shared.controllers[us].Stop(ctx); err != nil {
		t.Fatal(err)
	}
	start(t, us, "--key-renew-period=0", "--key-size=2048")
	r.seal(0, nil, "doctor", "--context", us)
}

// start starts the controller of a cluster that has been stopped, with other arguments.
func start(t *testing.T, cluster string, args ...string) {
	t.Helper()
	controller, err := shared.clusters[cluster].StartSealedSecrets(patient.Context(t), args...)
	if err != nil {
		t.Fatal(err)
	}
	shared.controllers[cluster] = controller
}

// restart has the controller of a cluster read its keys again.
func restart(t *testing.T, cluster string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute) // cleanups restart it, too
	defer cancel()
	if err := shared.controllers[cluster].Restart(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestARotationIsToldFromAnotherKey(t *testing.T) {
	r := newRepository(t)
	keys := t.TempDir()
	time.Sleep(time.Second) // certificates begin at whole seconds
	r.must("kubectl-gitops_seal", "keygen", "--rotate", "--name", "next", "--bits", "2048", "--dir", keys)
	t.Cleanup(func() {
		for _, cluster := range []string{eu, us} {
			kubectl(t, cluster, "", "delete", "-f", filepath.Join(keys, "next.secret.yaml"), "--ignore-not-found")
			restart(t, cluster)
		}
	})
	pin := "→ %s pin it: kubectl gitops-seal init --rotate --cert FILE"

	kubectl(t, us, "", "create", "-f", filepath.Join(keys, "next.secret.yaml"))
	r.seal(1, []string{
		us + " a rotation is under way", "ok the controller serves the pinned certificate",
		"pending Secret kube-system/sealed-secrets-next: it holds SHA256:", "a newer key that was brought in beside the pinned one, but the controller has not loaded it: a rotation is under way",
		"→ restart the controller",
	}, "doctor", "--context", us)
	restart(t, us)
	r.seal(1, []string{
		"pending the controller serves SHA256:", "which was brought in beside the pinned certificate's key: a rotation is under way", fmt.Sprintf(pin, "when every cluster has it,"),
	}, "doctor", "--context", us)
	r.seal(1, []string{fmt.Sprintf(pin, "bring it into prod-eu, too; then")}, "doctor")

	kubectl(t, eu, "", "create", "-f", filepath.Join(keys, "next.secret.yaml"))
	restart(t, eu)
	r.seal(1, []string{fmt.Sprintf(pin, "all clusters that were asked have it;"), "is another active key"}, "doctor") // prod-eu's own one is no part of it

	r.must("kubectl-gitops_seal", "init", "--rotate", "--cert", filepath.Join(keys, "next.crt"))
	r.seal(0, []string{us + " is sound", "it holds a key that was shared before, which still opens what was sealed with it"}, "doctor", "--context", us)

	// A cluster that is left behind.
	kubectl(t, us, "", "delete", "-f", filepath.Join(keys, "next.secret.yaml"))
	restart(t, us)
	r.seal(1, []string{
		"pending the controller serves SHA256:", "which was pinned before: a rotation is under way, and this cluster is not done",
		"wrong no Secret in namespace kube-system that the controller loads holds the shared key",
	}, "doctor", "--context", us)
}

// login is a kubeconfig of somebody, in whose group nobody else is.
func login(t *testing.T, user string) string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := shared.writeKubeconfig(kubeconfig, func(c *harness.Cluster) (*clientcmdapi.Config, error) {
		text, err := c.LoginKubeconfig(user, user)
		if err != nil {
			return nil, err
		}
		return clientcmd.Load(text)
	}); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

func TestADoctorWithoutRightsSaysWhichAreMissing(t *testing.T) {
	r := newRepository(t)
	r.sealAs(login(t, "intern@contoso.com"), 2, []string{
		"ok the controller serves the pinned certificate",
		"unknown the keys are unknown: you may not list secrets in namespace kube-system",
		"unknown the renewal period is unknown: you may not list deployments in namespace kube-system",
		"ok the pinned certificate is valid until",
		"unknown whether SealedSecrets were opened is unknown: you may not list sealedsecrets.bitnami.com",
		"unknown whether Flux notices is unknown: you may not list kustomizations.kustomize.toolkit.fluxcd.io",
	}, "doctor", "--contexts", us)
}

func TestOneClusterThatFailsHidesNoOther(t *testing.T) {
	r := newRepository(t)
	r.write("db.yaml", secret("both"))
	r.must("kubectl-gitops_seal", "seal", "-f", "db.yaml", "--in-place")
	config, err := clientcmd.LoadFromFile(shared.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.Clusters[us].Server = "https://127.0.0.1:1"
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, kubeconfig); err != nil {
		t.Fatal(err)
	}
	r.sealAs(kubeconfig, 2, []string{"prod-eu opens the SealedSecret.", "prod-us: nothing was verified.", "error: prod-us: unreachable: connection refused"}, "verify")
	r.sealAs(kubeconfig, 2, []string{"ok the controller serves the pinned certificate", "prod-us unreachable: connection refused"}, "doctor")
}

func TestAControllerTellsWhereAnItemBelongs(t *testing.T) {
	r := newRepository(t)
	sealed := r.pipe(secret("payments"), "kubectl-gitops_seal", "seal", "-f", "-")
	r.write("moved.yaml", strings.ReplaceAll(sealed, "name: db", "name: database"))
	r.write("wide.yaml", strings.Replace(strings.ReplaceAll(sealed, "name: db", "name: wide"), "  annotations:\n", "  annotations:\n    sealedsecrets.bitnami.com/cluster-wide: \"true\"\n", 1))
	r.write("here.yaml", sealed)
	r.seal(1, []string{
		"wide.yaml:1 KeyOrDamage payments/wide",
		"prod-us opens 1 of 3 SealedSecrets.",
	}, "verify", "--contexts", us)
	r.write("wide.yaml", strings.Replace(sealed, "  annotations:\n", "  annotations:\n    sealedsecrets.bitnami.com/cluster-wide: \"true\"\n", 1))
	r.seal(1, []string{"wide.yaml:1 Elsewhere payments/db [password] not in prod-us Is sealed for payments/db (strict), and is applied as payments/db (cluster-wide)."},
		"verify", "wide.yaml", "--contexts", us)
}
