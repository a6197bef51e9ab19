package restore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: $NS}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - name: api
        image: contoso/api:1
        ports: [{containerPort: 8080}]
        resources: {limits: {memory: 512Mi}}
`

const configMap = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: $NS}
data: {level: info}
`

const secret = `apiVersion: v1
kind: Secret
metadata: {name: db, namespace: $NS}
stringData: {password: correct-horse}
`

func files(manifests ...string) map[string]string {
	out := map[string]string{}
	for i, m := range manifests {
		out[fmt.Sprintf("%d.yaml", i)] = m
	}
	return out
}

func memory(d *unstructured.Unstructured) string {
	return container(d, "resources", "limits", "memory")
}

// container reads a string field of a Deployment's first container.
func container(d *unstructured.Unstructured, path ...string) string {
	if d == nil {
		return ""
	}
	containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
	first, _ := containers[0].(map[string]any)
	s, _, _ := unstructured.NestedString(first, path...)
	return s
}

func (a *app) api() *unstructured.Unstructured { return a.get("apps/v1", "Deployment", "api") }

func (a *app) level() string {
	u := a.get("v1", "ConfigMap", "settings")
	if u == nil {
		return ""
	}
	s, _, _ := unstructured.NestedString(u.Object, "data", "level")
	return s
}

// restored measures how long after the kubectl command ended holds comes to be true.
func (a *app) restored(what string, holds func() bool) {
	a.Helper()
	began := time.Now()
	a.eventually(what, holds)
	a.Logf("%s: %d ms after kubectl returned", what, time.Since(began).Milliseconds())
}

func TestAChangedFieldIsPutBackAndFluxFindsNothingToDo(t *testing.T) {
	a := deploy(t, "changed", files(deployment, configMap))
	before := counted(t)
	a.kubectl("-n", a.name, "set", "resources", "deployment/api", "--limits=memory=1Gi")
	a.restored("memory is 512Mi again", func() bool { return memory(a.api()) == "512Mi" })
	a.eventually("the log line", func() bool {
		return len(logged.about("Restored the object", `"name"="api"`, `"namespace"="changed"`, "limits.memory", `"changedBy"=["kubectl-set"]`, a.key.Name)) == 1
	})
	after := counted(t)
	for _, name := range []string{"gitops_drift_restore_drifts_total", "gitops_drift_restore_restored_total", "gitops_drift_restore_duration_seconds"} {
		if after[name] != before[name]+1 {
			t.Errorf("%s went from %v to %v, want one more", name, before[name], after[name])
		}
	}
	a.quiet()
}

// counted returns the sum of each counter, and the number of observations of each histogram.
func counted(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := measured.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			sums[family.GetName()] += metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return sums
}

func TestWhatKubectlAddedIsStripped(t *testing.T) {
	a := deploy(t, "added", files(deployment))
	a.kubectl("-n", a.name, "patch", "deployment", "api", "-p",
		`{"spec":{"paused":true,"template":{"spec":{"containers":[{"name":"api","env":[{"name":"DEBUG","value":"1"}]}]}}}}`)
	a.restored("env and paused are gone", func() bool {
		d := a.api()
		_, paused, _ := unstructured.NestedBool(d.Object, "spec", "paused")
		return !strings.Contains(fmt.Sprint(d.Object["spec"]), "DEBUG") && !paused
	})
	a.quiet()
}

func TestDeletedObjectsComeBack(t *testing.T) {
	a := deploy(t, "deleted", files(deployment, configMap))
	a.kubectl("-n", a.name, "delete", "deployment/api", "configmap/settings", "--wait=false")
	a.restored("both are back", func() bool { return a.level() == "info" && memory(a.api()) == "512Mi" })
	a.quiet()
}

func TestANamespaceComesBackWithWhatLivedInIt(t *testing.T) {
	a := deploy(t, "whole-namespace", map[string]string{
		"namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: $NS}\n",
		"app.yaml":       configMap,
	})
	before := a.get("v1", "ConfigMap", "settings").GetUID()
	a.kubectl("delete", "namespace", a.name)
	a.restored("the ConfigMap is back", func() bool {
		u := a.get("v1", "ConfigMap", "settings")
		return u != nil && u.GetUID() != before && u.GetDeletionTimestamp() == nil
	})
	a.quiet()
}

func TestATerminatingObjectIsLeftUntilItIsGone(t *testing.T) {
	a := deploy(t, "terminating", files(configMap))
	a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=merge", "-p", `{"metadata":{"finalizers":["contoso.example/hold"]}}`)
	a.eventually("the finalizer to be stripped", func() bool { return len(a.get("v1", "ConfigMap", "settings").GetFinalizers()) == 0 })
	// One that Flux does not take over stays.
	a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=merge", "--field-manager=contoso-operator", "-p",
		`{"metadata":{"finalizers":["contoso.example/hold"]}}`)
	before := a.get("v1", "ConfigMap", "settings").GetUID()
	a.kubectl("-n", a.name, "delete", "configmap", "settings", "--wait=false")
	a.never("a terminating object is replaced", func() bool { return a.get("v1", "ConfigMap", "settings").GetDeletionTimestamp() == nil })
	a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	a.restored("it is back", func() bool {
		u := a.get("v1", "ConfigMap", "settings")
		return u != nil && u.GetUID() != before
	})
}

func TestRemovedOwnerLabelsArePutBack(t *testing.T) {
	a := deploy(t, "labels", files(configMap))
	a.kubectl("-n", a.name, "label", "configmap", "settings", "kustomize.toolkit.fluxcd.io/name-", "kustomize.toolkit.fluxcd.io/namespace-")
	a.restored("the labels are back", func() bool {
		owner, ok := ownership.Claimed(a.get("v1", "ConfigMap", "settings"))
		return ok && owner.Name == a.key.Name
	})
	a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=json", "-p",
		`[{"op":"replace","path":"/metadata/managedFields","value":[{}]},{"op":"replace","path":"/data/level","value":"debug"}]`)
	a.restored("a value that was changed with managedFields wiped is back", func() bool { return a.level() == "info" })
	a.quiet()
}

func TestABurstOfEditsIsFewRestores(t *testing.T) {
	a := deploy(t, "burst", files(configMap))
	for i := range 40 {
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"data":{"level":"debug-%d"}}`, i))
		object := a.get("v1", "ConfigMap", "settings")
		if err := cluster.Admin().Patch(a.ctx, object, patch, client.FieldOwner("kubectl-edit")); err != nil {
			t.Fatal(err)
		}
	}
	a.eventually("the value to be back", func() bool { return a.level() == "info" })
	if writes := a.writes(loopUser); len(writes) > 12 {
		t.Errorf("%d writes undo a burst of 40 edits:\n%s", len(writes), strings.Join(writes, "\n"))
	}
}

func TestAFightIsFoughtEverMoreSlowly(t *testing.T) {
	a := deploy(t, "fight", files(configMap))
	began, restores := time.Now(), 0
	for restores < 5 {
		a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"level":"debug"}}`)
		a.eventually("the value to be back", func() bool { return a.level() == "info" })
		restores++
	}
	// 2 s before the fourth and 4 s before the fifth.
	if took := time.Since(began); took < 6*time.Second {
		t.Errorf("five restores took %s", took)
	}
	a.eventually("the log to say so of the third to the fifth", func() bool {
		return len(logged.about("keeps being changed", `"namespace"="fight"`)) == 3
	})
	a.told("DriftFight", "ConfigMap fight/settings keeps being changed", "data.level", "kubectl-patch")
	if n := fights(t, "kubectl-patch", "data.level"); n != 3 {
		t.Errorf("the metric names the rival %v times, want 3", n)
	}
}

func TestStandsDownAndComesBack(t *testing.T) {
	suspend := func(a *app, yes bool) {
		a.Helper()
		ks := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: a.key.Namespace, Name: a.key.Name}}
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"suspend":%t}}`, yes))
		if err := cluster.Admin().Patch(a.ctx, ks, patch); err != nil {
			a.Fatal(err)
		}
	}
	for _, test := range []struct {
		name       string
		hold, free func(*app)
		reason     string
	}{
		{"suspended", func(a *app) { suspend(a, true) }, func(a *app) { suspend(a, false) }, "suspended"},
		{"opted-out", func(a *app) {
			a.kubectl("-n", a.name, "annotate", "configmap", "settings", "kustomize.toolkit.fluxcd.io/reconcile=disabled")
		}, func(a *app) {
			a.kubectl("-n", a.name, "annotate", "configmap", "settings", "kustomize.toolkit.fluxcd.io/reconcile-")
		}, "opted-out"},
		{"policy", func(a *app) { forbidden.Store(a.name, true) }, func(a *app) {
			forbidden.Delete(a.name)
			loop.PolicyChanged()
		}, "policy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := deploy(t, "held-"+test.name, files(configMap))
			test.hold(a)
			a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"level":"debug"}}`)
			a.never("it is put back", func() bool { return a.level() != "debug" })
			if writes := a.writes(loopUser); len(writes) > 0 {
				t.Errorf("the loop writes: %v", writes)
			}
			if lines := logged.about("left alone", `"namespace"="`+a.name+`"`, `"reason"="`+test.reason+`"`); len(lines) != 1 {
				t.Errorf("the log says so %d times", len(lines))
			}
			test.free(a)
			a.restored("it is put back", func() bool { return a.level() == "info" })
		})
	}
}

func TestAnOptOutInGitIsRespected(t *testing.T) {
	a := deploy(t, "git-opt-out", files(strings.Replace(configMap, "namespace: $NS", "namespace: $NS, annotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}", 1)))
	a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"level":"debug"}}`)
	a.never("what git sets only if it is not present is put back", func() bool { return a.level() != "debug" })
	a.kubectl("-n", a.name, "delete", "configmap", "settings")
	a.restored("it is back when it is not present", func() bool { return a.level() == "info" })
}

func TestARolloutRestartTakesPlaceAndIsStrippedWithTheNextDrift(t *testing.T) {
	a := deploy(t, "restart", files(deployment))
	marked := func() bool { return strings.Contains(fmt.Sprint(a.api().Object["spec"]), "restartedAt") }
	a.kubectl("-n", a.name, "rollout", "restart", "deployment/api")
	a.never("the restart is taken back", func() bool { return !marked() })
	a.kubectl("-n", a.name, "set", "resources", "deployment/api", "--limits=memory=1Gi")
	a.restored("memory is 512Mi again", func() bool { return memory(a.api()) == "512Mi" && !marked() })
}

func TestNothingIsDeletedForAnImmutableField(t *testing.T) {
	a := deploy(t, "immutable", files(deployment), func(ks *kustomizev1.Kustomization) { ks.Spec.Force = true })
	forbidden.Store(a.name, true)
	other := strings.ReplaceAll(strings.ReplaceAll(deployment, "app: api", "app: other"), "$NS", a.name)
	a.kubectlInput(other, "replace", "--force", "-f", "-")
	before := a.api().GetUID()
	forbidden.Delete(a.name)
	loop.PolicyChanged()
	a.eventually("the log line", func() bool {
		return len(logged.about("left alone", `"namespace"="immutable"`, `"reason"="immutable"`)) == 1
	})
	a.never("it is deleted", func() bool { return a.api() == nil || a.api().GetUID() != before })
}

func TestANewRevisionIsNeverUndone(t *testing.T) {
	a := deploy(t, "revisions", files(configMap, deployment))
	for i := range 6 {
		level := fmt.Sprintf("level-%d", i)
		a.change("0.yaml", strings.Replace(configMap, "info", level, 1))
		a.reconcile()
		a.never("a value of git is undone", func() bool { return a.level() != level })
		if i > 1 {
			// With an edit under way when the next revision comes.
			patch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"level":"by hand"}}`))
			if err := cluster.Admin().Patch(a.ctx, a.get("v1", "ConfigMap", "settings"), patch, client.FieldOwner("kubectl-edit")); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.eventually("the last revision", func() bool { return a.level() == "level-5" })
}

func TestIgnoredFieldsStay(t *testing.T) {
	a := deploy(t, "ignored", files(deployment, configMap), func(ks *kustomizev1.Kustomization) {
		ks.Spec.Ignore = []kustomizev1.IgnoreRule{{Paths: []string{"/spec/replicas"}}}
	})
	a.kubectl("-n", a.name, "scale", "deployment/api", "--replicas=5")
	replicas := func() int64 {
		n, _, _ := unstructured.NestedInt64(a.api().Object, "spec", "replicas")
		return n
	}
	a.never("an ignored field is put back", func() bool { return replicas() != 5 })
	a.kubectl("-n", a.name, "set", "resources", "deployment/api", "--limits=memory=1Gi")
	a.restored("the other field is put back", func() bool { return memory(a.api()) == "512Mi" })
	if replicas() != 5 {
		t.Errorf("%d replicas, want those of the ignored edit", replicas())
	}
	a.quiet()
}

func TestWhatWasProvenEqualCostsNoSecondDryRun(t *testing.T) {
	a := deploy(t, "proven", files(deployment), func(ks *kustomizev1.Kustomization) {
		ks.Spec.Ignore = []kustomizev1.IgnoreRule{{Paths: []string{"/spec/replicas"}}}
	})
	dryRuns := func() int {
		return len(a.requests(func(e harness.AuditEvent) bool {
			return e.User.Username == loopUser && strings.Contains(e.RequestURI, "dryRun=All")
		}))
	}
	// The ignored field differs, so only the API server can tell that Flux has nothing to do.
	a.kubectl("-n", a.name, "scale", "deployment/api", "--replicas=3")
	a.eventually("the dry-run that proves it", func() bool { return dryRuns() > 0 })
	time.Sleep(time.Second) // The controllers write the new revision and the status.
	before := dryRuns()
	for i := range 20 {
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"status":{"observedGeneration":%d}}`, 100+i))
		if err := cluster.Admin().Status().Patch(a.ctx, a.api(), patch); err != nil {
			t.Fatal(err)
		}
	}
	a.never("another dry-run", func() bool { return dryRuns() != before })
	if writes := a.writes(loopUser); len(writes) > 0 {
		t.Errorf("the loop writes: %v", writes)
	}
	a.kubectl("-n", a.name, "set", "resources", "deployment/api", "--limits=memory=1Gi")
	a.restored("real drift is seen all the same", func() bool { return memory(a.api()) == "512Mi" })
}

func TestTheOwnersServiceAccountWrites(t *testing.T) {
	setup := &app{T: t, ctx: t.Context()}
	setup.kubectlInput(`apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: flux-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: deployer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: deployer, namespace: flux-system}]
`, "apply", "-f", "-")
	a := deploy(t, "impersonated", files(configMap), func(ks *kustomizev1.Kustomization) { ks.Spec.ServiceAccountName = "deployer" })
	a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"level":"debug"}}`)
	a.restored("it is put back", func() bool { return a.level() == "info" })
	const account = "system:serviceaccount:flux-system:deployer"
	as := a.requests(func(e harness.AuditEvent) bool {
		return e.User.Username == loopUser && e.ImpersonatedUser != nil && e.ImpersonatedUser.Username == account
	})
	all := a.requests(func(e harness.AuditEvent) bool { return e.User.Username == loopUser })
	if len(as) == 0 || len(as) != len(all) {
		t.Errorf("%d of %d requests to write were made as the owner's service account", len(as), len(all))
	}
}

func TestSecretsArePutBackAndNotQuoted(t *testing.T) {
	a := deploy(t, "secrets", files(secret))
	a.kubectl("-n", a.name, "patch", "secret", "db", "--type=merge", "-p", `{"stringData":{"password":"hunter2","other":"s3cr3t"}}`)
	a.restored("the Secret is put back", func() bool {
		data, _, _ := unstructured.NestedStringMap(a.get("v1", "Secret", "db").Object, "data")
		return len(data) == 1 && data["password"] == "Y29ycmVjdC1ob3JzZQ=="
	})
	a.eventually("the log line", func() bool {
		return len(logged.about("Restored the object", `"namespace"="secrets"`, "data.password")) == 1
	})
	for _, value := range []string{"hunter2", "s3cr3t", "correct-horse", "Y29ycmVjdC1ob3JzZQ", "aHVudGVyMg"} {
		if lines := logged.about(value); len(lines) > 0 {
			t.Errorf("the log quotes a value: %v", lines)
		}
	}
}

const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.contoso.example}
spec:
  group: contoso.example
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: string}}}}}}
`

const gadget = `apiVersion: contoso.example/v1
kind: Gadget
metadata: {name: big, namespace: $NS}
spec: {size: large}
`

func TestAKindThatWasInstalledAfterTheStartIsRestoredWithItsCRD(t *testing.T) {
	a := deploy(t, "gadgets", files(crd, gadget))
	size := func() string {
		u := a.get("contoso.example/v1", "Gadget", "big")
		if u == nil {
			return ""
		}
		s, _, _ := unstructured.NestedString(u.Object, "spec", "size")
		return s
	}
	a.kubectl("-n", a.name, "patch", "gadget", "big", "--type=merge", "-p", `{"spec":{"size":"small"}}`)
	a.restored("the custom resource is put back", func() bool { return size() == "large" })
	a.quiet()
	a.kubectl("delete", "crd", "gadgets.contoso.example", "--wait=false")
	a.eventually("the custom resource to be gone", func() bool { return len(logged.about("Recreated", "gadgets.contoso.example")) > 0 })
	a.restored("the CRD and the custom resource are back", func() bool { return size() == "large" })
}

func TestAKindThatGitDropsAndTakesBackIsRestoredAgain(t *testing.T) {
	rename := strings.NewReplacer("gadget", "device", "Gadget", "Device")
	a := deploy(t, "devices", files(rename.Replace(crd), rename.Replace(gadget), configMap))
	live := func() *unstructured.Unstructured { return a.get("contoso.example/v1", "Device", "big") }
	for _, path := range []string{"0.yaml", "1.yaml"} {
		if err := a.repo.RemoveFile(path); err != nil {
			t.Fatal(err)
		}
	}
	a.change("2.yaml", strings.Replace(configMap, "info", "warn", 1))
	a.reconcile()
	a.eventually("the kind to be gone", func() bool {
		result, err := cluster.Kubectl(a.ctx, harness.OnCall, "", "get", "crd", "devices.contoso.example", "--ignore-not-found", "-o", "name")
		return err == nil && result.Code == 0 && result.Stdout == ""
	})
	if err := a.repo.WriteFile("0.yaml", rename.Replace(crd)); err != nil {
		t.Fatal(err)
	}
	a.change("1.yaml", rename.Replace(gadget))
	a.reconcile()
	a.kubectl("-n", a.name, "patch", "device", "big", "--type=merge", "-p", `{"spec":{"size":"small"}}`)
	a.restored("the custom resource is put back", func() bool {
		s, _, _ := unstructured.NestedString(live().Object, "spec", "size")
		return s == "large"
	})
	a.kubectl("-n", a.name, "delete", "device", "big")
	a.restored("it comes back", func() bool { return live() != nil })
}

func TestPrunedObjectsStayAway(t *testing.T) {
	a := deploy(t, "pruned", files(configMap, deployment))
	if err := a.repo.RemoveFile("1.yaml"); err != nil {
		t.Fatal(err)
	}
	a.change("2.yaml", strings.Replace(configMap, "settings", "more", 1))
	a.reconcile()
	a.never("what git dropped comes back", func() bool { return a.api() != nil })
	if err := cluster.Admin().Delete(a.ctx, &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: a.key.Namespace, Name: a.key.Name}}); err != nil {
		t.Fatal(err)
	}
	a.eventually("Flux to prune", func() bool { return a.get("v1", "ConfigMap", "settings") == nil })
	a.never("what Flux pruned comes back", func() bool { return a.get("v1", "ConfigMap", "settings") != nil })
}

func TestTheBuildHereIsTheOneThatFluxApplied(t *testing.T) {
	a := deploy(t, "digest", map[string]string{
		"kustomization.yaml": "resources: [app.yaml, config.yaml]\nnamePrefix: x-\ncommonAnnotations: {team: payments}\nconfigMapGenerator: [{name: made, literals: [a=b]}]\n" +
			"images: [{name: contoso/api, newTag: '7'}]\n" + `patches: [{target: {kind: Deployment}, patch: '[{"op": "replace", "path": "/spec/replicas", "value": 3}]'}]`,
		"app.yaml":    deployment,
		"config.yaml": strings.Replace(configMap, "info", `"${LEVEL}"`, 1),
	}, func(ks *kustomizev1.Kustomization) {
		ks.Spec.TargetNamespace = "digest"
		ks.Spec.CommonMetadata = &kustomizev1.CommonMetadata{Labels: map[string]string{"env": "prod"}}
		ks.Spec.PostBuild = &kustomizev1.PostBuild{Substitute: map[string]string{"LEVEL": "warn"}}
	})
	ks := &kustomizev1.Kustomization{}
	if err := cluster.Admin().Get(a.ctx, a.key, ks); err != nil {
		t.Fatal(err)
	}
	state, ok := store.State(ownership.Owner{Kind: ownership.Kustomization, Namespace: a.key.Namespace, Name: a.key.Name})
	if latest := ks.Status.History.Latest(); !ok || latest == nil || latest.Digest != state.Digest {
		t.Errorf("built %s, Flux applied %+v", state.Digest, latest)
	}
	a.kubectl("-n", a.name, "scale", "deployment/x-api", "--replicas=1")
	a.restored("it is restored", func() bool {
		n, _, _ := unstructured.NestedInt64(a.get("apps/v1", "Deployment", "x-api").Object, "spec", "replicas")
		return n == 3
	})
}
