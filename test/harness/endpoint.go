package harness

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Expose lets people reach the first port of a Service through the API server, as `kubectl get --raw` and kubeseal do: it
// leads to the instance's port of that name. It returns when health, a path, answers. Pods here have no address, and
// EndpointSlices refuse those of loopback: the Pod gets one that only the router knows.
func (c *Cluster) Expose(ctx context.Context, key client.ObjectKey, i *Instance, name, health string) error {
	var service corev1.Service
	if err := c.admin.Get(ctx, key, &service); err != nil {
		return err
	}
	port := service.Spec.Ports[0]
	ip := c.router.expose(i.Address(name), port.Port)
	before := i.pod.DeepCopy()
	i.pod.Status.Phase, i.pod.Status.PodIP, i.pod.Status.PodIPs = corev1.PodRunning, ip, []corev1.PodIP{{IP: ip}}
	if err := c.admin.Status().Patch(ctx, i.pod, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("give Pod %s an address: %w", client.ObjectKeyFromObject(i.pod), err)
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: i.pod.Name, Labels: map[string]string{
			discoveryv1.LabelServiceName: key.Name, discoveryv1.LabelManagedBy: "harness",
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{ip},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: i.pod.Namespace, Name: i.pod.Name, UID: i.pod.UID},
		}},
		Ports: []discoveryv1.EndpointPort{{Name: &port.Name, Port: &port.Port, Protocol: &port.Protocol}},
	}
	if err := c.admin.Create(ctx, slice); err != nil {
		return err
	}
	admin, err := rest.HTTPClientFor(c.RESTConfig(Admin))
	if err != nil {
		return err
	}
	ready := httpReady(admin, fmt.Sprintf("%s/api/v1/namespaces/%s/services/http:%s:%s/proxy%s", c.url, key.Namespace, key.Name, port.Name, health))
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		if waiting := pause(ctx); waiting != nil {
			return fmt.Errorf("Service %s does not answer through the API server: %w (%w)", key, err, waiting)
		}
	}
}

// expose returns the address of a Pod of which port is that of a process.
func (r *router) expose(address string, port int32) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.pods) + 1
	ip := fmt.Sprintf("10.244.%d.%d", n/256, n%256)
	r.pods[net.JoinHostPort(ip, strconv.Itoa(int(port)))] = address
	return ip
}
