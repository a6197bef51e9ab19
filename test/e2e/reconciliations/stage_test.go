package reconciliations

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/helmcontroller"
)

// platformKey names the Kustomization that applies everything else.
var platformKey = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "platform"}

// patience is how long a Kustomization may take to settle.
const patience = 60 * time.Second

// stage is a running cluster with its repository.
type stage struct {
	t          *testing.T
	cluster    *harness.Cluster
	product    *harness.Instance
	guarded    time.Time // when the guard was there
	repository *repository
	git        *harness.Repo
	published  map[string]string // content by source
	revisions  map[string]string // by source
	granted    []string          // namespaces
	helm       *helmcontroller.Controller
	operator   client.Client
	outcomes   outcomes
}

// setUp installs what is there before the first round: the guard, a node, an operator, helm-controller, and Deployment
// control/front, which Flux manages and nobody changes but to see whether it may.
func (s *stage) setUp(ctx context.Context) {
	s.t.Helper()
	must := func(err error) {
		if err != nil {
			s.t.Helper()
			s.t.Fatal(err)
		}
	}
	must(s.cluster.StartNode(ctx))
	var err error
	s.product, err = s.cluster.StartProduct(ctx, "enforce")
	must(err)
	s.guarded = time.Now()
	config, err := s.cluster.PodConfig(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: "helm-controller"})
	must(err)
	s.helm, err = helmcontroller.New(config, s.cluster.Admin().Scheme(), charts)
	must(err)
	result, err := s.cluster.Kubectl(ctx, harness.Admin, operatorManifests, "apply", "-f", "-")
	must(err)
	if result.Code != 0 {
		s.t.Fatal(result.Stderr)
	}
	config, err = s.cluster.PodConfig(ctx, client.ObjectKey{Namespace: "operators", Name: "operator"})
	must(err)
	s.operator, err = client.New(config, client.Options{Scheme: s.cluster.Admin().Scheme()})
	must(err)
	s.git, err = s.cluster.NewRepo(ctx, "testdata/repository")
	must(err)
	must(s.cluster.Admin().Create(ctx, &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: platformKey.Namespace, Name: platformKey.Name},
		Spec: kustomizev1.KustomizationSpec{
			Interval: metav1.Duration{Duration: time.Hour}, RetryInterval: &metav1.Duration{Duration: time.Second}, Path: "./", Prune: true,
			Timeout:   &metav1.Duration{Duration: 15 * time.Second},
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "platform"},
		},
	}))
}

// operatorManifests are a controller of the cluster's users that puts finalizers to use.
const operatorManifests = `
apiVersion: v1
kind: Namespace
metadata: {name: operators}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: operator, namespace: operators}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: operator, namespace: operators}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: operator, namespace: operators}
spec:
  selector: {matchLabels: {app: operator}}
  template:
    metadata: {labels: {app: operator}}
    spec: {serviceAccountName: operator, containers: [{name: operator, image: operator}]}
`

// reconcile has Flux bring the cluster to what the repository holds now.
func (s *stage) reconcile(ctx context.Context, round int) {
	s.t.Helper()
	if round%50 == 49 {
		s.t.Logf("round %d: %d reconciliations", round+1, s.outcomes.of("ready"))
	}
	s.grant(ctx)
	s.publish(ctx, round)
	s.await(ctx, platformKey)
	list := &kustomizev1.KustomizationList{}
	if err := s.cluster.Admin().List(ctx, list); err != nil {
		s.t.Fatal(err)
	}
	for _, ks := range list.Items {
		if key := client.ObjectKeyFromObject(&ks); key != platformKey {
			s.await(ctx, key)
		}
	}
}

// grant lets the accounts of the tenants' namespaces do anything, for rights are not what is tested.
func (s *stage) grant(ctx context.Context) {
	for _, t := range s.repository.tenants {
		for _, namespace := range t.namespaces() {
			if slices.Contains(s.granted, namespace) {
				continue
			}
			if err := s.cluster.Admin().Create(ctx, &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: "tenant-" + namespace},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts:" + namespace}},
			}); err != nil {
				s.t.Fatal(err)
			}
			s.granted = append(s.granted, namespace)
		}
	}
}

// publish commits the repository, and publishes the sources that changed: the tenants' before the platform's, whose new
// Kustomizations need them.
func (s *stage) publish(ctx context.Context, round int) {
	s.t.Helper()
	changed := map[string]bool{}
	now := s.repository.sources()
	for file, content := range now {
		if s.published[file] != content {
			source, _, _ := strings.Cut(file, "/")
			changed[source] = true
			if err := s.git.WriteFile(file+"/objects.yaml", content); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	for file := range s.published {
		source, _, _ := strings.Cut(file, "/")
		if _, still := now[file]; !still {
			changed[source] = true
			if err := s.git.RemoveFile(file + "/objects.yaml"); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.published = now
	if len(changed) == 0 {
		return
	}
	if _, err := s.git.Commit(ctx, fmt.Sprint("Round ", round)); err != nil {
		s.t.Fatal(err)
	}
	for _, source := range append(slices.DeleteFunc(slices.Sorted(maps.Keys(changed)), func(source string) bool { return source == "platform" }), "platform") {
		if !changed[source] || source != "platform" && !slices.ContainsFunc(s.repository.tenants, func(t *tenant) bool { return t.name == source }) {
			continue // a tenant that is gone
		}
		artifact, err := s.cluster.Publish(ctx, harness.Publication{
			Source: client.ObjectKey{Namespace: harness.FluxNamespace, Name: source}, Dir: filepath.Join(s.git.Dir, source),
		})
		if err != nil {
			s.t.Fatal(err)
		}
		s.revisions[source] = artifact.Revision
	}
}

// await waits until Flux has tried the present revision of a Kustomization, and counts how that went.
func (s *stage) await(ctx context.Context, key client.ObjectKey) {
	s.t.Helper()
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ks := &kustomizev1.Kustomization{}
		if err := s.cluster.Admin().Get(ctx, key, ks); client.IgnoreNotFound(err) != nil {
			s.t.Fatal(err)
		} else if err != nil || !ks.DeletionTimestamp.IsZero() || ks.Spec.Suspend {
			return
		}
		ready := apimeta.FindStatusCondition(ks.Status.Conditions, meta.ReadyCondition)
		if ready == nil || ready.Status == metav1.ConditionUnknown || ready.ObservedGeneration != ks.Generation ||
			ks.Status.LastAttemptedRevision != s.revisions[ks.Spec.SourceRef.Name] {
			last = fmt.Sprint(ks.Status.LastAttemptedRevision, " is tried, ", s.revisions[ks.Spec.SourceRef.Name], " is wanted: ", ready)
			continue
		}
		if ready.Status == metav1.ConditionTrue {
			if ks.Status.LastAppliedRevision != ks.Status.LastAttemptedRevision {
				continue
			}
			s.outcomes.count("ready")
			return
		}
		s.outcomes.count("failed: " + class(ready.Message))
		if strings.Contains(ready.Message, "gitops-drift") {
			s.t.Errorf("Kustomization %s: %s", key, ready.Message)
		}
		return
	}
	s.outcomes.count("unsettled")
	s.t.Errorf("Kustomization %s has not settled: %s", key, last)
}

var names = regexp.MustCompile(`\b\w*-?(object|renamed|app|platform|team|release)-[\w-]+|\bg\d+\b|sha1:\w+`)

// class is the kind of failure that a message tells of.
func class(message string) string {
	message = names.ReplaceAllString(message, "X")
	return message[:min(len(message), 220)]
}

// reconcileHelmReleases looks after the HelmReleases that need it, and now and then after the others, until ctx ends.
func (s *stage) reconcileHelmReleases(ctx context.Context) {
	for turn := 0; ctx.Err() == nil; turn++ {
		list := &helmv2.HelmReleaseList{}
		if err := s.cluster.Admin().List(ctx, list); err != nil {
			continue
		}
		for i := range list.Items {
			hr := &list.Items[i]
			// The error of a release that cannot be made as git has it stands in its status.
			if ctx.Err() != nil || hr.DeletionTimestamp.IsZero() && hr.Status.ObservedGeneration == hr.Generation && (turn+i)%20 != 0 {
				continue
			}
			err := s.helm.Reconcile(ctx, client.ObjectKeyFromObject(hr))
			switch {
			case ctx.Err() != nil:
			case err == nil:
				s.outcomes.count("HelmRelease: ready")
			case strings.Contains(err.Error(), "gitops-drift"):
				s.t.Error(err)
			case strings.Contains(err.Error(), "because it is being terminated"):
				// Its hooks can never run: as with the real controller, a person has to let go of it.
				hr.Finalizers = nil
				if err := s.cluster.Admin().Update(ctx, hr); err == nil {
					s.outcomes.count("HelmRelease: let go of by a person")
				}
			default:
				s.outcomes.count("HelmRelease: " + class(err.Error()))
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// operate is an operator that lets go of what is being deleted, until ctx ends.
func (s *stage) operate(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
		list := &corev1.ConfigMapList{}
		if err := s.operator.List(ctx, list); err != nil {
			continue
		}
		for i := range list.Items {
			held := &list.Items[i]
			if held.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(held, finalizer) {
				continue
			}
			before := held.DeepCopy()
			controllerutil.RemoveFinalizer(held, finalizer)
			if err := s.operator.Patch(ctx, held, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil && ctx.Err() == nil {
				s.t.Errorf("an operator lets go of ConfigMap %s: %v", client.ObjectKeyFromObject(held), err)
			}
		}
	}
}

// outcomes counts what happened.
type outcomes struct {
	lock   sync.Mutex
	counts map[string]int
}

func (o *outcomes) count(what string) {
	o.lock.Lock()
	defer o.lock.Unlock()
	if o.counts == nil {
		o.counts = map[string]int{}
	}
	o.counts[what]++
}

func (o *outcomes) of(what string) int {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.counts[what]
}

func (o *outcomes) log(t *testing.T) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(o.counts)) {
		t.Logf("%6d %s", o.counts[what], what)
	}
}
