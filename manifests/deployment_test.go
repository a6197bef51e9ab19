package manifests

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	out := &appsv1.Deployment{}
	get(t, build(t, "base"), "Deployment", "gitops-drift", out)
	return out
}

func TestPodsAreRestricted(t *testing.T) {
	pod := deployment(t).Spec.Template.Spec
	if len(pod.Containers) != 1 || len(pod.InitContainers) > 0 {
		t.Fatalf("there are %d containers", len(pod.Containers))
	}
	c := pod.Containers[0]
	// The profile "restricted" of Pod Security, and more.
	if pod.SecurityContext == nil || !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser == 0 ||
		pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Errorf("the Pod is not restricted: %+v", pod.SecurityContext)
	}
	if s := c.SecurityContext; *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !*s.RunAsNonRoot ||
		!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 || s.Privileged != nil {
		t.Errorf("the container is not restricted: %+v", s)
	}
	for _, port := range c.Ports {
		if port.HostPort != 0 || port.ContainerPort < 1024 {
			t.Errorf("port %+v", port)
		}
	}
	for _, volume := range pod.Volumes {
		if volume.EmptyDir == nil {
			t.Errorf("volume %s is of the node or the cluster", volume.Name)
		}
	}
}

func TestARollOutLeavesReplicasThatServe(t *testing.T) {
	d := deployment(t)
	built := build(t, "base")
	if *d.Spec.Replicas < 2 || d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 || d.Spec.Strategy.RollingUpdate.MaxSurge.IntValue() < 1 {
		t.Errorf("%d replicas, strategy %+v", *d.Spec.Replicas, d.Spec.Strategy)
	}
	budget := &policyv1.PodDisruptionBudget{}
	get(t, built, "PodDisruptionBudget", "gitops-drift", budget)
	if budget.Spec.MaxUnavailable.IntValue() >= int(*d.Spec.Replicas) || *budget.Spec.UnhealthyPodEvictionPolicy != policyv1.AlwaysAllow {
		t.Errorf("the budget is %+v", budget.Spec)
	}
	pod := d.Spec.Template
	own := labels.Set(pod.Labels)
	selects := func(what string, selector *metav1.LabelSelector) {
		t.Helper()
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil || s.Empty() || !s.Matches(own) {
			t.Errorf("%s does not select the Pods: %v", what, err)
		}
	}
	selects("the Deployment", d.Spec.Selector)
	selects("the budget", budget.Spec.Selector)
	if terms := pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution; len(terms) != 1 || terms[0].PodAffinityTerm.TopologyKey != corev1.LabelHostname {
		t.Errorf("anti-affinity is %+v", terms)
	} else {
		selects("the anti-affinity", terms[0].PodAffinityTerm.LabelSelector)
	}
	if spread := pod.Spec.TopologySpreadConstraints; len(spread) != 1 || spread[0].TopologyKey != corev1.LabelTopologyZone || spread[0].WhenUnsatisfiable != corev1.ScheduleAnyway {
		t.Errorf("topology spread is %+v", spread)
	} else {
		selects("the spread", spread[0].LabelSelector)
	}
	if pod.Spec.PriorityClassName != "system-cluster-critical" {
		t.Errorf("priority class %q: under pressure the guard goes before what it guards", pod.Spec.PriorityClassName)
	}
}

func TestProbesAndShutdownFitTogether(t *testing.T) {
	pod := deployment(t).Spec.Template.Spec
	c := pod.Containers[0]
	if c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.LivenessProbe.HTTPGet.Path != "/healthz" || c.StartupProbe != nil {
		t.Error("the probes ask for something else")
	}
	seconds := func(flag string) int64 {
		for _, arg := range c.Args {
			if value, ok := strings.CutPrefix(arg, flag+"="); ok {
				seconds, err := strconv.ParseInt(strings.TrimSuffix(value, "s"), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return seconds
			}
		}
		t.Fatalf("%s is not set", flag)
		return 0
	}
	// The rest is webhook's stopTimeout and flushTimeout. The API server keeps connections for 90 s.
	if delay, drain := seconds("--shutdown-delay"), seconds("--drain-timeout"); delay < 2 || drain <= 90 || *pod.TerminationGracePeriodSeconds < drain+20 {
		t.Errorf("a pause of %d s and a drain of %d s do not fit into %d s", delay, drain, *pod.TerminationGracePeriodSeconds)
	}
	// A hung replica is out of the Service before people lose patience.
	if out := c.ReadinessProbe.PeriodSeconds*c.ReadinessProbe.FailureThreshold + c.ReadinessProbe.TimeoutSeconds; out > 10 {
		t.Errorf("a hung replica is called for %d s", out)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	c := deployment(t).Spec.Template.Spec.Containers[0]
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if c.Resources.Requests.Name(name, resource.DecimalSI).IsZero() {
			t.Errorf("no %s is requested", name)
		}
	}
	if c.Resources.Limits.Memory().IsZero() || !c.Resources.Limits.Cpu().IsZero() {
		t.Errorf("limits are %v: memory needs one, and CPU none, for throttled calls time out", c.Resources.Limits)
	}
	if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
		return e.Name == "GOMEMLIMIT" && e.ValueFrom.ResourceFieldRef.Resource == "limits.memory"
	}) {
		t.Error("the garbage collector does not know the limit")
	}
}

func TestTheNetworkPolicyOpensWhatIsCalled(t *testing.T) {
	d := deployment(t)
	policy := &networkingv1.NetworkPolicy{}
	get(t, build(t, "base"), "NetworkPolicy", "gitops-drift-webhook", policy)
	open := map[string]bool{}
	for _, rule := range policy.Spec.Ingress {
		for _, port := range rule.Ports {
			// The API server is no Pod, so its calls come from anywhere.
			open[port.Port.StrVal] = len(rule.From) == 0
		}
	}
	if len(open) != 2 || !open["webhook"] || open["http-prom"] {
		t.Errorf("open to everybody: %v", open)
	}
	service := &corev1.Service{}
	get(t, build(t, "base"), "Service", "gitops-drift-webhook", service)
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	if err != nil {
		t.Fatal(err)
	}
	pod := labels.Set(d.Spec.Template.Labels)
	if !selector.Matches(pod) || !labels.SelectorFromSet(service.Spec.Selector).Matches(pod) || service.Spec.Ports[0].TargetPort.StrVal != "webhook" {
		t.Error("the Service or the policy is about other Pods")
	}
}

// TestTheRoleReachesNothingElseInItsNamespace names every right that counts in flux-system, where Flux keeps its own.
func TestTheRoleReachesNothingElseInItsNamespace(t *testing.T) {
	role := &rbacv1.Role{}
	get(t, build(t, "base"), "Role", "gitops-drift", role)
	for _, rule := range role.Rules {
		named := len(rule.ResourceNames) > 0
		for _, kind := range rule.Resources {
			for _, verb := range rule.Verbs {
				harmless := kind == "events"
				if kind == "*" || verb == "*" || !named && !harmless {
					t.Errorf("%s %s of any name", verb, kind)
				}
			}
		}
	}
}

func TestTheFluxExampleIsOfTheSameVersion(t *testing.T) {
	text, err := os.ReadFile("examples/flux/gitops-drift.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(deployment(t).Spec.Template.Spec.Containers[0].Image, ":")
	if version == "" || !strings.Contains(string(text), "\n    tag: "+version+" ") {
		t.Errorf("the image is %s, and the example's GitRepository is of another version", version)
	}
}
