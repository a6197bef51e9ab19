package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// installFail is install, of the overlay that fails closed; enforce comes back with the next install.
func installFail(t *testing.T) *guard {
	t.Helper()
	g := install(t, "enforce-fail")
	t.Cleanup(func() {
		if result, err := cluster.Kubectl(context.Background(), harness.Admin, "", "delete", "validatingwebhookconfiguration", "gitops-drift-fail-open", "--ignore-not-found"); err != nil || result.Code != 0 {
			t.Log(err, result.Stderr)
		}
	})
	return g
}

func TestUnderFailEditsFailOnlyWhileEveryReplicaIsDown(t *testing.T) {
	g := installFail(t)

	// Rolled: nothing fails.
	l := steady(t)
	g.roll(1)
	if c := l.check(); !c.lossless() {
		t.Errorf("rolled: %+v\n%s", c, why(t))
	}

	// One of two is killed: what fails are the calls that it was answering, at most.
	l = steady(t)
	time.Sleep(500 * time.Millisecond)
	g.replicas[0].Kill()
	time.Sleep(100 * time.Millisecond)
	dead := time.Now()
	time.Sleep(time.Second)
	late := 0
	for _, r := range l.stop() {
		if r.ours() && r.started.After(dead) {
			late++
			t.Logf("%v", r.err)
		}
	}
	if c := l.check(); late > 0 || c.ours > 5 || c.others > 0 || c.unjudged > 0 {
		t.Errorf("one killed: %+v, %d of them late", c, late)
	}

	// Every one is killed: edits of what Flux manages fail, others do not.
	g.kill()
	l = steady(t)
	time.Sleep(time.Second)
	c := l.check()
	for _, r := range l.results {
		if (r.namespace == free) != (r.err == nil) || r.err != nil && !r.ours() {
			t.Errorf("every replica is down: %s: %v", r.namespace, r.err)
		}
	}
	if c.unjudged > 0 {
		t.Errorf("every replica is down: %+v", c)
	}
	g.restart()
	g.judgesAll()

	// Hung: the same, in bounded time.
	g.signal(syscall.SIGSTOP)
	l = start(t)
	for range 6 {
		l.edit()
	}
	c = l.check()
	g.signal(syscall.SIGCONT)
	if c.ours != 4 || c.slowest > timeout {
		t.Errorf("every replica hangs: %+v", c)
	}
	g.judgesAll()
}

// TestUnderFailNothingIsLockedOut has every replica down, for good as far as the cluster knows.
func TestUnderFailNothingIsLockedOut(t *testing.T) {
	g := installFail(t)
	ctx := patient.Context(t)
	tenant(t)
	g.kill()
	adopt(t)

	t.Run("Flux", func(t *testing.T) {
		text, err := repo.ReadFile("web.yaml")
		if err != nil {
			t.Fatal(err)
		}
		image := fmt.Sprintf("web:1.0.%d", time.Now().Unix())
		if err := repo.WriteFile("web.yaml", strings.Replace(text, "web:1.0.0", image, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.Commit(ctx, "Set the image"); err != nil {
			t.Fatal(err)
		}
		applies(t, apps, repo.Dir)
		// The cluster's controllers carry it out.
		patient.Until(t, "a Pod of the new image", func() bool {
			pods := &corev1.PodList{}
			if err := cluster.Admin().List(ctx, pods, client.InNamespace(denied)); err != nil {
				t.Fatal(err)
			}
			for _, pod := range pods.Items {
				if strings.HasSuffix(pod.Spec.Containers[0].Image, image) {
					return true
				}
			}
			return false
		})
	})
	t.Run("Flux for a tenant", func(t *testing.T) {
		if err := cluster.Admin().Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "config"}}); err == nil {
			t.Error("an edit of what Flux manages was admitted")
		}
		tenantApplies(t, "changed")
	})
	t.Run("what brings the controller up", func(t *testing.T) {
		for _, args := range [][]string{
			{"rollout", "restart", "deployment/gitops-drift"},
			{"set", "env", "deployment/gitops-drift", "REPAIRED=1"},
			{"scale", "deployment/gitops-drift", "--replicas=5"},
			{"delete", "pod", "--wait=false", g.replicas[0].Pod().Name},
			{"label", "secret", "gitops-drift-webhook-ca", "touched=1"},
			{"label", "lease", "gitops-drift.gitops-drift.dev", "touched=1"},
			{"label", "service", "gitops-drift-webhook", "touched=1"},
			{"label", "serviceaccount", "gitops-drift", "touched=1"},
			{"label", "clusterrole", "gitops-drift", "touched=1"},
			{"create", "configmap", "gitops-drift-notes"},
			{"delete", "configmap", "gitops-drift-notes"},
		} {
			must(t, "", append([]string{"-n", harness.FluxNamespace}, args...)...)
		}
	})
	// New Pods of the changed Deployment are judged by nobody either: the ReplicaSet controller has made them.
	for _, replica := range g.replicas {
		g.forget(replica)
	}
	g.replicas = nil
	g.add()
	g.add()
	g.judgesAll()

	// The last resort works against a guard that is up, too: webhooks are not asked about their configurations.
	must(t, "", "delete", "validatingwebhookconfigurations", "gitops-drift", "gitops-drift-fail-open")
	must(t, "", "delete", "-k", overlay(t, "enforce-fail"), "--ignore-not-found", "--wait=false")
}

// adopt has the product's objects carry Flux's labels, as where Flux installs it. With a replica up that would be refused.
func adopt(t *testing.T) {
	t.Helper()
	ctx := patient.Context(t)
	owner := map[string]string{"kustomize.toolkit.fluxcd.io/name": "gitops-drift", "kustomize.toolkit.fluxcd.io/namespace": harness.FluxNamespace}
	key := client.ObjectKey{Namespace: harness.FluxNamespace, Name: "gitops-drift"}
	for _, object := range []client.Object{&appsv1.Deployment{}, &corev1.ServiceAccount{}, &rbacv1.ClusterRole{}, &corev1.Service{}, &corev1.Secret{}} {
		switch object.(type) {
		case *corev1.Service:
			key.Name = service.Name
		case *corev1.Secret:
			key.Name = caSecret.Name
		}
		if _, cluster := object.(*rbacv1.ClusterRole); cluster {
			key.Namespace = ""
		} else {
			key.Namespace = harness.FluxNamespace
		}
		if err := cluster.Admin().Get(ctx, key, object); err != nil {
			t.Fatal(err)
		}
		labels := object.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		for k, v := range owner {
			labels[k] = v
		}
		object.SetLabels(labels)
		if err := cluster.Admin().Update(ctx, object, client.FieldOwner("kustomize-controller")); err != nil {
			t.Fatal(err)
		}
	}
}

// applies publishes a repository and waits until Flux has applied it, by itself: to ask Flux would be an edit.
func applies(t *testing.T, key client.ObjectKey, dir string) {
	t.Helper()
	ctx := patient.Context(t)
	artifact, err := cluster.Publish(ctx, harness.Publication{Source: key, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	patient.Until(t, "Flux applies "+artifact.Revision, func() bool {
		ks := &kustomizev1.Kustomization{}
		if err := cluster.Admin().Get(ctx, key, ks); err != nil {
			t.Fatal(err)
		}
		return ks.Status.LastAppliedRevision == artifact.Revision
	})
}

var tenantRepo *harness.Repo

// tenant has Flux apply a ConfigMap as a service account of the namespace tenant.
func tenant(t *testing.T) {
	t.Helper()
	ctx := patient.Context(t)
	must(t, `
apiVersion: v1
kind: Namespace
metadata: {name: tenant}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: tenant}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: tenant}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{kind: ServiceAccount, name: deployer, namespace: tenant}]
`, "apply", "-f-")
	var err error
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "README.md"), []byte("# A tenant\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if tenantRepo, err = cluster.NewRepo(ctx, folder); err != nil {
		t.Fatal(err)
	}
	ks := kustomization("tenant", kustomizev1.KustomizationSpec{ServiceAccountName: "deployer"})
	ks.Namespace = "tenant"
	if err := cluster.Admin().Create(ctx, ks); err != nil {
		t.Fatal(err)
	}
	tenantApplies(t, "git")
}

func tenantApplies(t *testing.T, value string) {
	t.Helper()
	ctx := patient.Context(t)
	if err := tenantRepo.WriteFile("config.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: config, namespace: tenant}, data: {value: "+value+"}}\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := tenantRepo.Commit(ctx, "Set "+value); err != nil {
		t.Fatal(err)
	}
	applies(t, client.ObjectKey{Namespace: "tenant", Name: "tenant"}, tenantRepo.Dir)
	if got := must(t, "", "-n", "tenant", "get", "configmap", "config", "-o=jsonpath={.data.value}"); got != value {
		t.Errorf("the tenant's value is %s, want %s", got, value)
	}
}
