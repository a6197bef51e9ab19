package reconcile

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestUnhealthyObjectsAreFoundInWhatFluxSays(t *testing.T) {
	const inventory = "ingress_nginx_apps_Deployment"
	for _, test := range []struct {
		message string
		want    string
	}{
		{"health check failed after 12s: timeout waiting for: [Deployment/ingress/nginx status: 'InProgress', HelmRelease/shop/web status: 'Failed']",
			"Deployment.apps ingress/nginx"}, // of what is in no inventory only workloads are known
		{"health check failed after 30ms: failed early due to stalled resources: [Job/shop/migrate status: 'Failed']", "Job.batch shop/migrate"},
		{`Helm upgrade failed for release shop/web with chart web@1.4.2: resource StatefulSet/shop/web not ready. status: InProgress, message: Ready: 0/1`,
			"StatefulSet.apps shop/web"},
		{"Deployment/ingress/nginx dry-run failed (Invalid): no", ""},
		{"kustomize build failed: accumulating resources", ""},
	} {
		o := state("", "", metav1.ConditionFalse, "HealthCheckFailed")
		o.Status.Conditions[0].Message = test.message
		o.Status.Inventory.Entries = append(o.Status.Inventory.Entries, struct {
			ID string `json:"id"`
		}{inventory})
		got := ""
		for _, object := range (&plan{}).named(t.Context(), o) {
			got += object.Kind + "." + object.Group + " " + object.Namespace + "/" + object.Name
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.message, got, test.want)
		}
	}
}

func TestTroubleOfAPodIsThatOfItsFirstContainerThatHasSome(t *testing.T) {
	waiting := func(reason string) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}
	}
	ended := func(code int32) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: "Error"}}}
	}
	for _, test := range []struct {
		name   string
		status corev1.PodStatus
		want   string
	}{
		{"none", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ContainerCreating"), ended(0)}}, ""},
		{"image", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ContainerCreating"), waiting("ImagePullBackOff")}}, "ImagePullBackOff"},
		{"crash of an init container", corev1.PodStatus{
			InitContainerStatuses: []corev1.ContainerStatus{waiting("CrashLoopBackOff")}, ContainerStatuses: []corev1.ContainerStatus{waiting("PodInitializing")},
		}, "CrashLoopBackOff"},
		{"ended", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{ended(1)}}, "Error"},
		{"no node", corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable"}}}, "Unschedulable"},
	} {
		if got, _ := trouble(&corev1.Pod{Status: test.status}); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
