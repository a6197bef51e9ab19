package plugin

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// contexts writes a kubeconfig whose contexts east and west are the shared cluster, down a server at which nobody listens,
// and silent one that takes connections and says nothing.
func contexts(t *testing.T) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(shared.Kubeconfig(harness.OnCall))
	if err != nil {
		t.Fatal(err)
	}
	known := config.Contexts[config.CurrentContext]
	for name, server := range map[string]string{"east": "", "west": "", "down": "https://" + listen(t, false), "silent": "https://" + listen(t, true)} {
		cluster := config.Clusters[known.Cluster].DeepCopy()
		if server != "" {
			cluster.Server = server
		}
		context := known.DeepCopy()
		context.Cluster = name
		config.Clusters[name], config.Contexts[name] = cluster, context
	}
	delete(config.Contexts, config.CurrentContext)
	config.CurrentContext = "east"
	file := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// listen returns an address of this machine at which somebody listens, or nobody.
func listen(t *testing.T, somebody bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if somebody {
		t.Cleanup(func() { _ = listener.Close() })
	} else if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// fleetwide runs kubectl gitops-drift with a kubeconfig.
func fleetwide(t *testing.T, kubeconfig string, args ...string) harness.Result {
	t.Helper()
	cmd, err := shared.Command(patient.Context(t), harness.OnCall, "kubectl", append([]string{"gitops-drift"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "KUBECONFIG="+kubeconfig)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	result := harness.Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	t.Logf("$ kubectl gitops-drift %s\n%s%s(exit %d)", strings.Join(args, " "), result.Stdout, result.Stderr, result.Code)
	checkOutput(t, result)
	return result
}

func TestOneFailingClusterIsReportedAndTheOthersAreShown(t *testing.T) {
	restore(t, shop)
	kubeconfig := contexts(t)
	want(t, fleetwide(t, kubeconfig, "--contexts", "west,east"), 0, "In sync: 14 objects of 6 owners in 2 clusters equal git.")
	kubectl(t, "", "scale", "deployment/api", "-n", "shop", "--replicas=3")

	result := fleetwide(t, kubeconfig, "--contexts", "west,down,east")
	want(t, result, 2, "CLUSTER  OBJECT", "Kustomization flux-system/shop in west  main@sha1:", "  west     shop/deployment/api  spec.replicas",
		"2 fields of 2 objects differ from git in 2 of 3 clusters; 1 cluster (down) could not be checked.",
		"error: down: unreachable: connection refused\n")
	if strings.Index(result.Stdout, "in west") > strings.Index(result.Stdout, "in east") {
		t.Error("the clusters do not come in the order asked")
	}
	list := decode(t, fleetwide(t, kubeconfig, "--contexts", "west,down,east", "-o", "json").Stdout)
	if len(list.Items) != 2 || list.Items[0].Cluster != "west" || list.Items[1].Cluster != "east" ||
		len(list.Errors) != 1 || list.Errors[0].Cluster != "down" || list.Errors[0].Message != "unreachable: connection refused" {
		t.Errorf("got %+v", list)
	}
	want(t, fleetwide(t, kubeconfig, "--contexts", "east,west", "-o", "name"), 1,
		"deployment.apps/api -n shop --context east\ndeployment.apps/api -n shop --context west\n")
	want(t, fleetwide(t, kubeconfig, "--contexts", "east,west", "-o", "diff"), 1, "--- git/east/shop/deployment/api main@sha1:", "+++ live/west/shop/deployment/api")

	// A single one looks as without the flag, but for programs.
	one := fleetwide(t, kubeconfig, "--contexts", "west")
	want(t, one, 1, "  OBJECT ", "1 field of 1 object differs from git.")
	if strings.Contains(one.Stdout, "CLUSTER") {
		t.Error("there is a column for one cluster")
	}
	for _, args := range []string{"--contexts west", "--context west", ""} {
		list := decode(t, fleetwide(t, kubeconfig, append(strings.Fields(args), "-o", "json")...).Stdout)
		if cluster := map[bool]string{true: "east", false: "west"}[args == ""]; len(list.Items) != 1 || list.Items[0].Cluster != cluster {
			t.Errorf("%q: got %+v", args, list)
		}
	}
	want(t, fleetwide(t, kubeconfig, "--contexts", "down"), 2, "error: down: unreachable: connection refused\n")
}

func TestAClusterThatDoesNotAnswerTakesNoTimeFromTheOthers(t *testing.T) {
	start := time.Now()
	result := fleetwide(t, contexts(t), "--all-contexts", "--timeout", "8s")
	want(t, result, 2, "error: down: unreachable: connection refused\n", "error: silent: not done within 8s; give more time with --timeout\n",
		"No drift in 14 objects of 6 owners in 2 of 4 clusters, but 2 clusters (down, silent) could not be checked.")
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestObjectsAreLookedForInAllClusters(t *testing.T) {
	kubeconfig := contexts(t)
	want(t, fleetwide(t, kubeconfig, "deployment/api", "--contexts", "east,west"), 0, "In sync: 2 objects of 6 owners in 2 clusters")
	result := fleetwide(t, kubeconfig, "deployment/typo", "--contexts", "east,west")
	want(t, result, 2, "error: deployment/typo in any of 2 clusters is managed by no Kustomization or HelmRelease, so it was not compared\n")
	if result.Stdout != "" {
		t.Errorf("stdout %q", result.Stdout)
	}
}

func TestWrongChoicesOfClusters(t *testing.T) {
	kubeconfig := contexts(t)
	for args, says := range map[string]string{
		"--contexts east,wset":                    `error: --contexts: the kubeconfig has no context "wset"; did you mean west?`,
		"--contexts east,east":                    `error: --contexts: context "east" is named twice`,
		"--contexts=":                             "error: --contexts: no context is named",
		"--contexts east,,west":                   "error: --contexts: a context has an empty name",
		"--contexts east --context west":          "error: --context is about one cluster; it cannot go with --contexts",
		"--all-contexts --server https://x":       "error: --server is about one cluster; it cannot go with --all-contexts",
		"--all-contexts --contexts east":          "error: --contexts and --all-contexts exclude each other",
		"--all-contexts --kubeconfig /dev/null":   "error: --all-contexts: the kubeconfig has no contexts",
		"history --contexts nowhere":              `error: --contexts: the kubeconfig has no context "nowhere"; it has down, east, silent and west`,
		"history --all-contexts --context east":   "error: --context is about one cluster; it cannot go with --all-contexts",
		"--contexts east,down -o tabel":           `error: -o "tabel" is not known; it is one of table, wide, diff, json, yaml, name`,
		"history --contexts east,west -o nothing": `error: -o "nothing" is not known; it is one of table, wide, json, yaml, name`,
	} {
		t.Run(args, func(t *testing.T) {
			result := fleetwide(t, kubeconfig, strings.Fields(args)...)
			want(t, result, 2, says)
			if result.Stdout != "" || strings.Count(result.Stderr, "\n") != 1 {
				t.Errorf("stdout %q, stderr %q", result.Stdout, result.Stderr)
			}
		})
	}
}

func TestTheHistoryOfSeveralClusters(t *testing.T) {
	kubeconfig := contexts(t)
	result := fleetwide(t, kubeconfig, "history", "--contexts", "east,down")
	// No CRD of gitops-drift is in the shared cluster.
	want(t, result, 2, "error: east: this cluster keeps no records of edits", "error: down: unreachable: connection refused\n")
	if result.Stdout != "" {
		t.Errorf("stdout %q", result.Stdout)
	}
}

func TestTheStatusOfClusters(t *testing.T) {
	restore(t, shop)
	kubeconfig := contexts(t)
	want(t, fleetwide(t, kubeconfig, "status"), 0, "CLUSTER  OWNERS  REVISION           RECONCILED  SUSPENDED  DRIFT  HELD\neast     3       main@sha1:")
	kubectl(t, "", "scale", "deployment/api", "-n", "shop", "--replicas=3")
	kubectl(t, "", "patch", "kustomization/paused", "-n", "flux-system", "--type=merge", "-p", `{"spec":{"suspend":true}}`)
	t.Cleanup(func() {
		kubectl(t, "", "patch", "kustomization/paused", "-n", "flux-system", "--type=merge", "-p", `{"spec":{"suspend":false}}`)
	})
	want(t, fleetwide(t, kubeconfig, "status", "--contexts", "west,down"), 2, "  1 for ", "  1 object  –\ndown     –       unreachable: connection refused\n",
		"error: down: unreachable: connection refused\n")
	want(t, fleetwide(t, kubeconfig, "status", "-o", "wide"), 1, "Kustomization/flux-system/paused  main@sha1:", "ago with kubectl-patch")
	want(t, fleetwide(t, kubeconfig, "status", "--drift=false"), 0, "  1 for ")
	time.Sleep(time.Second) // reconciliations are known to the second
	want(t, fleetwide(t, kubeconfig, "status", "--stale", "1s"), 1, "  stale: expected within 1s\n")
	for args, says := range map[string]string{
		"--stale 0s":            "error: --stale is 0s; it has to be more than 0\n",
		"-o name":               `error: -o "name" is not known; it is one of table, wide, json, yaml`,
		"deployment/api":        `error: status is about whole clusters; "deployment/api" cannot be asked for`,
		"--watch-interval 0s":   "error: --watch-interval is 0s; it has to be more than 0\n",
		"--contexts west,absnt": `error: --contexts: the kubeconfig has no context "absnt"; it has down, east, silent and west`,
	} {
		want(t, fleetwide(t, kubeconfig, append([]string{"status"}, strings.Fields(args)...)...), 2, says)
	}
}

func TestWatchingShowsWhatChangesUntilItIsInterrupted(t *testing.T) {
	restore(t, shop)
	ctx := patient.Context(t)
	cmd, err := shared.Command(ctx, harness.OnCall, "kubectl", "gitops-drift", "--watch", "--watch-interval", "100ms", "-n", "shop")
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	await := func(part string) {
		t.Helper()
		for lines.Scan() {
			t.Log(lines.Text())
			if strings.Contains(lines.Text(), part) {
				return
			}
		}
		t.Fatalf("nothing says %q: %v", part, lines.Err())
	}
	await("In sync: ")
	kubectl(t, "", "scale", "deployment/api", "-n", "shop", "--replicas=3")
	await("1 field of 1 object differs from git.")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
}
