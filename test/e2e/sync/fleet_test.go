package sync

import (
	"encoding/json"
	"net"
	"path/filepath"
	"sync"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// startClusters starts n more clusters at once, which end with the test.
func startClusters(t *testing.T, n int) []*harness.Cluster {
	t.Helper()
	clusters := make([]*harness.Cluster, n)
	var starting sync.WaitGroup
	for i := range clusters {
		starting.Go(func() {
			cluster, err := harness.Start(patient.Context(t), harness.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			clusters[i] = cluster
			t.Cleanup(func() {
				if err := cluster.Stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	starting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return clusters
}

// contexts writes a kubeconfig with a context for each cluster; one that is nil is a server at which nobody listens.
func contexts(t *testing.T, clusters map[string]*harness.Cluster) string {
	t.Helper()
	all := clientcmdapi.NewConfig()
	for name, cluster := range clusters {
		of := cluster
		if of == nil {
			of = shared
		}
		config, err := clientcmd.LoadFromFile(of.Kubeconfig(harness.OnCall))
		if err != nil {
			t.Fatal(err)
		}
		known := config.Contexts[config.CurrentContext]
		all.Clusters[name], all.AuthInfos[name] = config.Clusters[known.Cluster], config.AuthInfos[known.AuthInfo]
		all.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
		if cluster == nil {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			all.Clusters[name].Server = "https://" + listener.Addr().String()
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*all, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// Five clusters: dev and prod-eu are one, so that two people reconcile the same object at once; prod-us gets the revision
// late, in prod-ap what it applies does not come up, and stage cannot be reached.
func TestARevisionInFiveClusters(t *testing.T) {
	more := startClusters(t, 2)
	us, ap := more[0], more[1]
	repo := newRepository(t, "fleet", map[string]string{"sound/app.yaml": configMap("fleet", "first"), "broken/app.yaml": unready("web", 1)})
	for _, cluster := range []*harness.Cluster{shared, us, ap} {
		repo.publish(cluster)
		path := "./sound"
		if cluster == ap {
			path = "./broken"
		}
		repo.kustomization(cluster, "infrastructure", path, func(ks *kustomizev1.Kustomization) {
			ks.Spec.Wait = true
		})
	}
	breakPods(t, ap, "web")
	kubeconfig := contexts(t, map[string]*harness.Cluster{"prod-eu": shared, "prod-us": us, "prod-ap": ap, "stage": nil, "dev": shared})
	commit := repo.commit(map[string]string{"sound/app.yaml": configMap("fleet", "second")})
	repo.answer(shared)
	repo.answer(ap)

	process := start(t, kubeconfig, "ks/infrastructure", "--all-contexts", "--with-source", "--revision", commit)
	patient.Until(t, "prod-eu is done", func() bool {
		return kustomization(t, shared, "infrastructure").Status.LastAppliedRevision == "main@sha1:"+commit
	})
	if process.hasEnded() {
		t.Error("it does not wait for prod-us")
	}
	repo.answer(us)
	at := `main@sha1:` + commit[:7]
	want(t, process.wait(), 2, `CLUSTER +OBJECT +STATE +REVISION +TOOK`,
		`dev +gitrepository/fleet +ready +`+at+` .*`, `dev +kustomization/infrastructure +ready +`+at+` .*`,
		`prod-ap +gitrepository/fleet +ready +`+at+` .*`, `prod-ap +kustomization/infrastructure +failed +`+at+` .* Deployment default/web: ImagePullBackOff`,
		`prod-eu +kustomization/infrastructure +ready +`+at+` .*`, `prod-us +kustomization/infrastructure +ready +`+at+` .*`,
		`stage +– +error +– +– +unreachable: connection refused`,
		`Kustomization flux-system/infrastructure in prod-ap: HealthCheckFailed: .*`,
		`error: stage: unreachable: connection refused`)

	// Again, for programs, and with a line for each change for those who read a log.
	process = start(t, kubeconfig, "ks/infrastructure", "--contexts", "prod-us,prod-ap,dev", "-o", "json")
	result := process.wait()
	var report struct {
		Kind  string
		Items []struct {
			Cluster, State, Revision string
			Culprits                 []struct{ Reason string }
		}
	}
	if err := json.Unmarshal([]byte(result.Stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Kind != "ReconcileReport" || len(report.Items) != 3 || report.Items[0].Cluster != "prod-us" || report.Items[0].State != "ready" ||
		report.Items[1].State != "failed" || len(report.Items[1].Culprits) != 1 || report.Items[1].Culprits[0].Reason != "ImagePullBackOff" ||
		report.Items[2].Revision != "main@sha1:"+commit {
		t.Errorf("got %+v", report)
	}
	want(t, result, 1)
}
