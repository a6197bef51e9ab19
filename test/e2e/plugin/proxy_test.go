package plugin

import (
	"context"
	"net/url"
	"slices"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// From a person's desk the address in a source's status, source-controller's Service, does not resolve. The plugin
// reaches it through the API server.
func TestArtifactsAreReachedThroughTheAPIServer(t *testing.T) {
	i := newIsolated(t, "proxied")
	ctx, admin := patient.Context(t), shared.Admin()
	source := &sourcev1.GitRepository{}
	if err := admin.Get(ctx, key(i.name), source); err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(source.Status.Artifact.URL)
	if err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: "source-controller"}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(80)}},
	}}
	if err := admin.Create(ctx, service); err != nil {
		t.Fatal(err)
	}
	// The harness carries what is sent to the Service's own address; the API server proxies only to addresses of Pods.
	pod := &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "manager", Image: "none"}}}}
	if err := admin.Create(ctx, pod); err != nil {
		t.Fatal(err)
	}
	pod.Status.PodIP, pod.Status.PodIPs = service.Spec.ClusterIP, []corev1.PodIP{{IP: service.Spec.ClusterIP}}
	if err := admin.Status().Update(ctx, pod); err != nil {
		t.Fatal(err)
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: meta.Namespace, Name: meta.Name, Labels: map[string]string{discoveryv1.LabelServiceName: meta.Name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses:  []string{service.Spec.ClusterIP},
			Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		}},
		Ports: []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To[int32](80)}},
	}
	if err := admin.Create(ctx, slice); err != nil {
		t.Fatal(err)
	}
	shared.Route(client.ObjectKeyFromObject(service), 80, address.Host)

	address.Host = "source-controller.flux-system.svc.cluster.local."
	patch := client.MergeFrom(source.DeepCopy())
	source.Status.Artifact.URL = address.String()
	if err := admin.Status().Patch(ctx, source, patch); err != nil {
		t.Fatal(err)
	}
	want(t, drift(t, harness.OnCall, "--owner", "Kustomization/flux-system/"+i.name), 0, "In sync: 1 object of 1 owner")
}

// courier may read what Flux applied, and forward ports in flux-system, but not use the API server's service proxy.
const courier = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: courier}
rules:
  - {apiGroups: [""], resources: [configmaps, namespaces, secrets, services, pods], verbs: [get, list]}
  - {apiGroups: [apps, kustomize.toolkit.fluxcd.io, source.toolkit.fluxcd.io, helm.toolkit.fluxcd.io], resources: ["*"], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: courier}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: courier}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: courier@contoso.com}]
`

const forwards = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: courier, namespace: flux-system}
rules: [{apiGroups: [""], resources: [pods/portforward], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: courier, namespace: flux-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: courier}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: courier@contoso.com}]
`

// Flux's own NetworkPolicies let only Pods of flux-system reach source-controller, and not everybody may use the proxy.
func TestArtifactsAreReachedByPortForwardWhereTheProxyDoesNotGetThere(t *testing.T) {
	i := newIsolated(t, "forwarded")
	ctx, admin := patient.Context(t), shared.Admin()
	source := &sourcev1.GitRepository{}
	if err := admin.Get(ctx, key(i.name), source); err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(source.Status.Artifact.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.StartForwarding(t.Context(), 9090, address.Host); err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: "forwarded-controller", Labels: map[string]string{"app": "forwarded-controller"}}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
		Selector: meta.Labels,
	}}
	pod := &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{NodeName: harness.ForwardingNode, Containers: []corev1.Container{
		{Name: "manager", Image: "none", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 9090}}},
	}}}
	for _, object := range []client.Object{service, pod} {
		if err := admin.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := admin.Delete(context.WithoutCancel(ctx), object, client.GracePeriodSeconds(0)); err != nil {
				t.Error(err)
			}
		})
	}
	address.Host = "forwarded-controller.flux-system.svc.cluster.local."
	patch := client.MergeFrom(source.DeepCopy())
	source.Status.Artifact.URL = address.String()
	if err := admin.Status().Patch(ctx, source, patch); err != nil {
		t.Fatal(err)
	}
	owner := []string{"--owner", "Kustomization/flux-system/" + i.name, "-n", "default"}
	as := append(slices.Clone(owner), "--as", "courier@contoso.com")
	want(t, drift(t, harness.OnCall, owner...), 2, "503 Service Unavailable; nor by port-forward: none of the 1 Pods behind Service flux-system/forwarded-controller is ready")
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := admin.Status().Update(ctx, pod); err != nil {
		t.Fatal(err)
	}
	grant(t, courier)
	want(t, drift(t, harness.OnCall, as...), 2, "403 Forbidden; the artifact is read through the API server, which takes the right to get services/proxy there; nor by port-forward: ",
		"it takes the right to get services, list pods and create pods/portforward in namespace flux-system")
	grant(t, forwards)
	want(t, drift(t, harness.OnCall, as...), 0, "In sync: 1 object of 1 owner")
	want(t, drift(t, harness.OnCall, owner...), 0, "In sync: 1 object of 1 owner")
}
