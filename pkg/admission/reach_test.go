package admission

import (
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fluxcd/pkg/ssa/jsondiff"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var (
	catalog = ownership.Owner{Kind: ownership.HelmRelease, Namespace: "shop", Name: "catalog"}
	api1    = desired.Key{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: "payments-api"}
)

// surroundings are what lies around; all holdings are those of the namespace payments, of Widgets and of apps.
type surroundings struct {
	holdings  []Holding
	workloads map[desired.Key]Workload
	releases  map[string]ownership.Owner
}

func (s *surroundings) Within(namespace string) []Holding {
	if namespace == "payments" {
		return s.holdings
	}
	return nil
}

func (s *surroundings) OfKind(kind schema.GroupKind) []Holding {
	if kind.Kind == "Widget" {
		return s.holdings
	}
	return nil
}

func (s *surroundings) Steered(object desired.Key) []Holding {
	if object.Namespace == apps.Namespace && object.Name == apps.Name {
		return s.holdings
	}
	return nil
}

func (s *surroundings) Release(namespace, name string) (ownership.Owner, bool) {
	owner, ok := s.releases[namespace+"/"+name]
	return owner, ok
}

func (s *surroundings) Workload(object desired.Key) (Workload, bool) {
	found, ok := s.workloads[object]
	return found, ok
}

// surrounded has apps manage two objects, and catalog a release in payments.
func surrounded(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.holdings = []Holding{{Owner: apps, Count: 2, Example: api1, Prunes: true}}
	w.releases = map[string]ownership.Owner{"payments/catalog": catalog}
	return w
}

func TestWhatAnEditReaches(t *testing.T) {
	for _, test := range []struct {
		request string
		// decision is that of a policy that denies.
		decision Decision
		// message has these lines somewhere.
		message []string
	}{
		{"namespace-deleted", Denied, []string{"Namespace payments holds 2 objects that Flux manages", "2 objects of Kustomization flux-system/apps, such as Deployment payments/payments-api", "To remove them, delete them in git."}},
		{"flux-namespace-deleted", Denied, []string{"Namespace flux-system holds Flux itself", "remove gitops-drift first"}},
		{"definition-deleted", Denied, []string{"CustomResourceDefinition widgets.contoso.com defines 2 objects that Flux manages", "2 objects of Kustomization flux-system/apps"}},
		{"kustomization-suspended", Denied, []string{"Kustomization flux-system/apps manages 2 objects", "spec.suspend: – → true", "exemption"}},
		{"kustomization-redirected", Denied, []string{"spec.path: ./ → ./elsewhere"}},
		{"kustomization-deleted", Denied, []string{"Kustomization flux-system/apps manages 2 objects", "Deleting it deletes what is applied from it, too."}},
		{"kustomization-requested", Allowed, nil},
		{"status-forged", Denied, []string{"status.lastAppliedRevision: written by hand", "Only Flux reports what it did."}},
		{"source-redirected", Denied, []string{"Flux Kustomization flux-system/apps applies 2 objects from GitRepository flux-system/apps", "spec.ref.branch: main → mine"}},
		{"release-upgraded", Denied, []string{"Secret payments/sh.helm.release.v1.catalog.v2 is Helm's record of release catalog, which is managed by Flux HelmRelease shop/catalog"}},
		{"token", Denied, []string{"A token of ServiceAccount flux-system/kustomize-controller lets its bearer edit as kustomize-controller does"}},
		{"pod-as-flux", Denied, []string{"Pod flux-system/mine runs as service account flux-system/kustomize-controller"}},
		{"job-as-flux", Denied, []string{"Job flux-system/mine runs as service account flux-system/kustomize-controller"}},
		{"flux-scaled-to-zero", Denied, []string{"Deployment flux-system/kustomize-controller is a controller", "spec.replicas: 1 → 0"}},
		{"flux-patched-to-zero", Denied, []string{"spec.replicas: 1 → 0"}},
		{"flux-deployment-deleted", Denied, []string{"Without it nothing is applied."}},
		{"flux-upgraded", Recorded, []string{"image: "}},
		{"finalizer-added", Denied, []string{`metadata.finalizers["contoso.com/lock"]: – → contoso.com/lock`, "Flux does not look at finalizers and owner references"}},
		{"finalizer-added-with-kubectl", Denied, []string{"Flux does not look at finalizers and owner references"}},
		{"owner-added", Denied, []string{"metadata.ownerReferences", "Flux does not look at finalizers and owner references"}},
		{"autoscaled", Recorded, []string{"HorizontalPodAutoscaler payments/payments-api scales Deployment payments/payments-api, which is managed by Flux Kustomization flux-system/apps"}},
		{"pod-deleted", Recorded, []string{"belongs to Deployment payments/payments-api, which is managed by Flux Kustomization flux-system/apps"}},
		{"pod-labelled", Recorded, []string{"metadata.labels.quarantine: – → true"}},
		{"pod-resized", Recorded, []string{"spec.containers[name=payments-api].resources.limits.memory: 512Mi → 1Gi"}},
		{"replicaset-scaled", Recorded, []string{"spec.replicas: 2 → 0", "belongs to Deployment payments/payments-api"}},
	} {
		t.Run(test.request, func(t *testing.T) {
			v := verdict(t, recorded(t, test.request), surrounded(t))
			if v.Decision != test.decision {
				t.Errorf("got %s (%s) %+v, want %s", v.Decision, v.Reason, v.Findings, test.decision)
			}
			for _, want := range test.message {
				if !strings.Contains(v.Message(), want) {
					t.Errorf("%q is not in\n%s", want, v.Message())
				}
			}
			if strings.Contains(v.Message(), "swordfish") || strings.Contains(v.Message(), "Flux would undo") {
				t.Errorf("the message says\n%s", v.Message())
			}
			if test.decision == Denied && v.AuditAnnotations()[AuditFields] == "" {
				t.Errorf("nothing to read in the audit annotations: %v", v.AuditAnnotations())
			}
		})
	}
}

// TestWhatReachesNothingPasses has the same requests in a cluster where Flux manages nothing of what they reach.
func TestWhatReachesNothingPasses(t *testing.T) {
	for request, want := range map[string]Decision{
		"namespace-deleted":       Denied, // the Namespace itself is managed
		"kustomization-suspended": Allowed, "kustomization-redirected": Allowed, "kustomization-deleted": Allowed,
		"source-redirected": Allowed, "release-upgraded": Passed, "autoscaled": Passed, "pod-deleted": Passed, "pod-labelled": Passed,
		"pod-resized": Passed, "replicaset-scaled": Passed,
		// Nobody but Flux ever reports what Flux did.
		"status-forged": Denied,
	} {
		w := newWorld(t).withoutState()
		w.owner = nil
		if v := verdict(t, recorded(t, request), w); v.Decision != want {
			t.Errorf("%s: got %s (%s) %+v, want %s", request, v.Decision, v.Reason, v.Findings, want)
		}
	}
}

// TestControllersReachWhatTheyLike has the same requests come from a service account with a token.
func TestControllersReachWhatTheyLike(t *testing.T) {
	for request, want := range map[string]Decision{
		"kustomization-suspended": Passed, "source-redirected": Passed, "status-forged": Passed, "autoscaled": Passed, "pod-deleted": Passed,
		"pod-labelled": Passed, "pod-resized": Passed, "replicaset-scaled": Passed, "flux-upgraded": Passed, "finalizer-added": Allowed, "owner-added": Allowed,
		// A token of Flux is a token of Flux in whosever hand.
		"token": Denied, "pod-as-flux": Denied, "release-upgraded": Denied, "flux-scaled-to-zero": Denied,
	} {
		in := recorded(t, request)
		in.UserInfo.Username, in.UserInfo.UID = "system:serviceaccount:ops:operator", "1d6a8a3c"
		in.UserInfo.Groups = nil
		if v := verdict(t, in, surrounded(t)); v.Decision != want {
			t.Errorf("%s: got %s (%s) %+v, want %s", request, v.Decision, v.Reason, v.Findings, want)
		}
	}
}

func TestHelmControllerKeepsItsRecords(t *testing.T) {
	in := recorded(t, "release-upgraded")
	in.UserInfo = authenticationv1.UserInfo{Username: "system:serviceaccount:shop:deployer",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"}}
	w := surrounded(t)
	if v := verdict(t, in, w); v.Decision != Denied {
		t.Errorf("somebody who impersonates: %s (%s)", v.Decision, v.Reason)
	}
	w.owners = map[ownership.Owner]*OwnerStatus{catalog: {ServiceAccount: "deployer"}}
	if v := verdict(t, in, w); v.Decision != Passed {
		t.Errorf("Flux in its name: %s %+v", v.Decision, v.Findings)
	}
}

func TestAScaleIsJudgedByItsParent(t *testing.T) {
	for name, test := range map[string]struct {
		workload *Workload
		owner    *OwnerStatus
		want     Decision
	}{
		"that is not managed":                   {nil, nil, Passed},
		"whose replicas git declares":           {&Workload{Owner: apps, Replicas: true}, &OwnerStatus{}, Denied},
		"whose replicas a release declares":     {&Workload{Owner: catalog, Replicas: true}, nil, Denied},
		"whose replicas nobody declares":        {&Workload{Owner: apps}, &OwnerStatus{}, Allowed},
		"whose replicas its owner leaves alone": {&Workload{Owner: apps, Replicas: true}, &OwnerStatus{Ignore: []jsondiff.IgnoreRule{{Paths: []string{"/spec/replicas"}}}}, Allowed},
	} {
		w := newWorld(t).withoutState()
		w.owner = test.owner
		if test.workload != nil {
			w.workloads = map[desired.Key]Workload{api1: *test.workload}
		}
		v := verdict(t, recorded(t, "scaled"), w)
		if v.Decision != test.want {
			t.Errorf("%s: got %s (%s), want %s", name, v.Decision, v.Reason, test.want)
		}
		if lines := v.lines(); test.want == Denied && !slices.Equal(lines, []string{"spec.replicas: 2 → 5"}) {
			t.Errorf("%s: got %q", name, lines)
		}
	}
}

func TestAResumeIsAllowed(t *testing.T) {
	in := recorded(t, "kustomization-suspended")
	in.Object.Raw, in.OldObject.Raw = in.OldObject.Raw, in.Object.Raw
	if v := verdict(t, in, surrounded(t)); v.Decision != Allowed {
		t.Errorf("got %s %+v", v.Decision, v.Findings)
	}
}

func TestFinalizersOfWhatIsBeingDeleted(t *testing.T) {
	released := func(t *testing.T) *admissionv1.AdmissionRequest {
		in := recorded(t, "finalizer-added")
		in.Object.Raw, in.OldObject.Raw = in.OldObject.Raw, in.Object.Raw
		now := metav1.Now()
		for _, raw := range []*[]byte{&in.Object.Raw, &in.OldObject.Raw} {
			rewrite(t, raw, func(o *unstructured.Unstructured) { o.SetDeletionTimestamp(&now) })
		}
		return in
	}
	for _, action := range []v1alpha1.Action{v1alpha1.Deny, v1alpha1.Warn, v1alpha1.Record} {
		w := newWorld(t)
		w.policies[0].Spec.Action = action
		v := verdict(t, released(t), w)
		if v.Decision != Recorded || !slices.Equal(v.lines(), []string{`metadata.finalizers["contoso.com/lock"]: contoso.com/lock → –`}) {
			t.Errorf("a person, policy %s: got %s %q (%s)", action, v.Decision, v.lines(), v.Reason)
		}
	}
	in := released(t)
	in.UserInfo.Username, in.UserInfo.UID = "system:serviceaccount:ops:operator", "1d6a8a3c"
	if v := verdict(t, in, newWorld(t)); v.Decision != Passed {
		t.Errorf("a controller: got %s %+v", v.Decision, v.Findings)
	}
	in = released(t)
	in.Object.Raw = in.OldObject.Raw
	rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { set(t, o, "9", "data", "retries") })
	if v := verdict(t, in, newWorld(t)); v.Decision != Passed {
		t.Errorf("another edit: got %s %+v", v.Decision, v.Findings)
	}
}

func TestWhatAPodBelongsTo(t *testing.T) {
	for name, test := range map[string]struct {
		apiVersion, kind, owner string
		labels                  map[string]string
		want                    desired.Key
	}{
		"a Deployment through its ReplicaSet": {"apps/v1", "ReplicaSet", "payments-api-699d9c45b", map[string]string{"pod-template-hash": "699d9c45b"}, api1},
		"a StatefulSet":                       {"apps/v1", "StatefulSet", "db", nil, desired.Key{Group: "apps", Kind: "StatefulSet", Namespace: "payments", Name: "db"}},
		"a DaemonSet":                         {"apps/v1", "DaemonSet", "agent", nil, desired.Key{Group: "apps", Kind: "DaemonSet", Namespace: "payments", Name: "agent"}},
		"a CronJob through its Job":           {"batch/v1", "Job", "report-29384756", nil, desired.Key{Group: "batch", Kind: "CronJob", Namespace: "payments", Name: "report"}},
		"a Job":                               {"batch/v1", "Job", "migrate-2", nil, desired.Key{Group: "batch", Kind: "Job", Namespace: "payments", Name: "migrate-2"}},
		"a ReplicationController":             {"v1", "ReplicationController", "old", nil, desired.Key{Kind: "ReplicationController", Namespace: "payments", Name: "old"}},
		"a ReplicaSet that nobody made":       {"apps/v1", "ReplicaSet", "bare", nil, desired.Key{Group: "apps", Kind: "ReplicaSet", Namespace: "payments", Name: "bare"}},
	} {
		in := recorded(t, "pod-deleted")
		rewrite(t, &in.OldObject.Raw, func(o *unstructured.Unstructured) {
			yes := true
			o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: test.apiVersion, Kind: test.kind, Name: test.owner, Controller: &yes}})
			o.SetLabels(test.labels)
		})
		w := newWorld(t).withoutState()
		w.workloads = map[desired.Key]Workload{test.want: {Owner: apps}}
		if v := verdict(t, in, w); v.Decision != Recorded || !strings.Contains(v.Message(), "belongs to "+objectName(test.want)) {
			t.Errorf("%s: got %s (%s)", name, v.Decision, v.Reason)
		}
	}
}

func TestTokensThatPassForControllers(t *testing.T) {
	for name, test := range map[string]struct {
		namespace, account, bound string
		want                      Decision
	}{
		"Flux's, bound to a Pod":                      {"flux-system", "helm-controller", "Pod", Denied},
		"another in Flux's namespace":                 {"flux-system", "default", "", Passed},
		"Flux's name elsewhere":                       {"mine", "helm-controller", "", Passed},
		"a controller of the cluster":                 {"kube-system", "deployment-controller", "", Denied},
		"a controller of the cluster, bound to a Pod": {"kube-system", "deployment-controller", "Pod", Passed},
		"a controller of the cluster, to a Secret":    {"kube-system", "deployment-controller", "Secret", Denied},
	} {
		in := recorded(t, "token")
		in.Namespace, in.Name = test.namespace, test.account
		rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) {
			if test.bound != "" {
				set(t, o, map[string]any{"kind": test.bound}, "spec", "boundObjectRef")
			}
		})
		if v := verdict(t, in, newWorld(t)); v.Decision != test.want {
			t.Errorf("%s: got %s (%s), want %s", name, v.Decision, v.Reason, test.want)
		}
	}
}

func TestFluxRunsItsOwnDeployments(t *testing.T) {
	in := recorded(t, "flux-upgraded")
	in.Operation, in.OldObject.Raw = admissionv1.Create, nil
	if v := verdict(t, in, newWorld(t)); v.Decision != Passed {
		t.Errorf("installing Flux: %s %+v", v.Decision, v.Findings)
	}
	in.Name = "kustomize-controller-mine"
	if v := verdict(t, in, newWorld(t)); v.Decision != Denied {
		t.Errorf("another Deployment: %s (%s)", v.Decision, v.Reason)
	}
}
