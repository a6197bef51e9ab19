package desired

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	streaming "k8s.io/streaming/pkg/httpstream"
)

// forwarder reaches a service as kubectl port-forward does: through the API server and the kubelet of a Pod behind it. That
// works where the API server itself cannot reach Pods, as behind Flux's own NetworkPolicies, or where the service proxy is
// not allowed.
type forwarder struct {
	config *rest.Config
	core   typedcorev1.CoreV1Interface
}

func newForwarder(config *rest.Config) (*forwarder, error) {
	core, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &forwarder{config: config, core: core}, nil
}

// get asks for what a service serves and gives the answer to read.
func (f *forwarder) get(ctx context.Context, address clusterAddress, read func(*http.Response) error) error {
	pod, port, err := f.backend(ctx, address)
	if err != nil {
		return permit(err, address.namespace)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	local, err := f.forward(ctx, pod, port)
	if err != nil {
		return permit(err, address.namespace)
	}
	target := url.URL{Scheme: "http", Host: local, Path: address.path}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	request.Host = address.host
	// A connection of its own, which ends with the forwarding.
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	return errors.Join(read(response), response.Body.Close())
}

// backend is a ready Pod behind the service, and its port.
func (f *forwarder) backend(ctx context.Context, address clusterAddress) (*corev1.Pod, int32, error) {
	service, err := f.core.Services(address.namespace).Get(ctx, address.service, metav1.GetOptions{})
	if err != nil {
		return nil, 0, err
	}
	at := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == address.port })
	if at < 0 || len(service.Spec.Selector) == 0 {
		return nil, 0, fmt.Errorf("Service %s/%s has no Pods behind port %d", address.namespace, address.service, address.port)
	}
	pods, err := f.core.Pods(address.namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(service.Spec.Selector).String()})
	if err != nil {
		return nil, 0, err
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if port := targetPort(pod, service.Spec.Ports[at]); ready(pod) && port > 0 {
			return pod, port, nil
		}
	}
	return nil, 0, fmt.Errorf("none of the %d Pods behind Service %s/%s is ready", len(pods.Items), address.namespace, address.service)
}

func ready(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// targetPort is the port of pod that a service's port leads to, 0 if there is none.
func targetPort(pod *corev1.Pod, port corev1.ServicePort) int32 {
	switch target := port.TargetPort; {
	case target.Type == intstr.Int && target.IntVal == 0:
		return port.Port
	case target.Type == intstr.Int:
		return target.IntVal
	}
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if p.Name == port.TargetPort.StrVal {
				return p.ContainerPort
			}
		}
	}
	return 0
}

// forward returns a local address that leads to a port of pod for as long as ctx.
func (f *forwarder) forward(ctx context.Context, pod *corev1.Pod, port int32) (string, error) {
	target := f.core.RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(f.config)
	if err != nil {
		return "", err
	}
	websockets, err := portforward.NewSPDYOverWebsocketDialerForStreaming(target, f.config)
	if err != nil {
		return "", err
	}
	dialer := portforward.NewFallbackDialerForStreaming(websockets,
		spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target),
		func(err error) bool { return streaming.IsUpgradeFailure(err) || streaming.IsHTTPSProxyError(err) })
	started := make(chan struct{})
	var complaints strings.Builder
	session, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, ctx.Done(), started, io.Discard, &complaints)
	if err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- session.ForwardPorts() }()
	select {
	case <-started:
	case err := <-ended:
		if err == nil {
			err = errors.New("it ended at once")
		}
		return "", err
	case <-ctx.Done():
		return "", ctx.Err()
	}
	ports, err := session.GetPorts()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local), nil
}

// permit adds to a refusal what the port-forward takes.
func permit(err error, namespace string) error {
	if apierrors.IsForbidden(err) || strings.Contains(err.Error(), "forbidden") { // which a failed upgrade says in words
		return fmt.Errorf("%w; it takes the right to get services, list pods and create pods/portforward in namespace %s", err, namespace)
	}
	return err
}
