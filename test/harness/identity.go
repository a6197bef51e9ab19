package harness

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// tokenLifetime outlives any test run, for nobody renews the tokens as kubelet would.
const tokenLifetime = 24 * time.Hour

// podToken requests, as kubelet, what kubelet projects into the Pod: a token of its service account that is bound to it.
// The API server refuses it once the Pod is gone.
func (c *Cluster) podToken(ctx context.Context, pod *corev1.Pod) (string, error) {
	seconds := int64(tokenLifetime / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &seconds,
		BoundObjectRef: &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID,
		},
	}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Spec.ServiceAccountName}}
	node, err := client.New(c.RESTConfig(kubelet), client.Options{Scheme: c.admin.Scheme(), Mapper: c.admin.RESTMapper()})
	if err != nil {
		return "", err
	}
	if err := node.SubResource("token").Create(ctx, account, request); err != nil {
		return "", fmt.Errorf("request a token for Pod %s: %w", client.ObjectKeyFromObject(pod), err)
	}
	return request.Status.Token, nil
}

// PodConfig returns a client configuration, without client-side rate limits, of a Pod of the Deployment that nobody runs
// as: for a controller that lives in the test's own process. It waits for the Pod that the ReplicaSet controller makes.
func (c *Cluster) PodConfig(ctx context.Context, deployment client.ObjectKey) (*rest.Config, error) {
	pod, err := c.takePod(ctx, deployment, &Instance{})
	if err != nil {
		return nil, err
	}
	token, err := c.podToken(ctx, pod)
	if err != nil {
		return nil, err
	}
	return c.restConfig(token), nil
}

// pause waits a moment between two polls; its error tells that ctx ended.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(25 * time.Millisecond):
		return nil
	}
}
