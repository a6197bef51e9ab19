package sealfleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// Service names the Service of a Sealed Secrets controller.
type Service struct{ Namespace, Name string }

// DefaultService is what the release manifests of Sealed Secrets call it, and where kubeseal looks for it.
var DefaultService = Service{Namespace: metav1.NamespaceSystem, Name: "sealed-secrets-controller"}

func (s Service) String() string { return s.Namespace + "/" + s.Name }

// chartLabel is on the Service that the Helm chart makes, whatever its name.
const chartLabel = "app.kubernetes.io/name=sealed-secrets"

// answerLimit is how much of an answer is read. A certificate has 2 KB.
const answerLimit = 1 << 20

// Controller is the Sealed Secrets controller of one cluster. It may be used concurrently; the controller limits how
// often one person may ask it to open something, 2 times a second by default, so that more at once are no faster.
type Controller struct {
	// Service is where it was found.
	Service Service
	// Selector are the labels of its Pods.
	Selector map[string]string

	client *http.Client
	url    string
}

// Connect finds the controller of a cluster. Without a service it is the default one, or else the one that Helm's chart
// installed.
func Connect(ctx context.Context, config *rest.Config, service Service) (*Controller, error) {
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	found, err := find(ctx, core, service)
	if err != nil {
		return nil, err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	// As kubeseal names it, for roles may allow these very names.
	proxied := fmt.Sprintf("api/v1/namespaces/%s/services/http:%s:%s/proxy", found.Namespace, found.Name, found.Spec.Ports[0].Name)
	return &Controller{
		Service:  Service{found.Namespace, found.Name},
		Selector: found.Spec.Selector,
		client:   client,
		url:      strings.TrimSuffix(base.String(), "/") + "/" + proxied,
	}, nil
}

func find(ctx context.Context, core kubernetes.Interface, wanted Service) (*corev1.Service, error) {
	at := wanted
	if at == (Service{}) {
		at = DefaultService
	}
	service, err := core.CoreV1().Services(at.Namespace).Get(ctx, at.Name, metav1.GetOptions{})
	switch {
	case err == nil:
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("the Service %s of the Sealed Secrets controller cannot be read: %w", at, err)
	case wanted != (Service{}):
		return nil, fmt.Errorf("there is no Service %s; say where the Sealed Secrets controller is with --controller-namespace and --controller-name", at)
	default:
		list, listErr := core.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: chartLabel})
		if listErr != nil || len(list.Items) != 1 {
			return nil, fmt.Errorf("there is no Service %s; say where the Sealed Secrets controller is with --controller-namespace and --controller-name", at)
		}
		service = &list.Items[0]
	}
	if len(service.Spec.Ports) == 0 {
		return nil, fmt.Errorf("Service %s/%s has no ports, so it is not that of a Sealed Secrets controller", service.Namespace, service.Name)
	}
	return service, nil
}

// Certificate returns what the controller serves for sealing: the certificate of its newest key, whichever that is.
func (c *Controller) Certificate(ctx context.Context) (*sealkey.Certificate, error) {
	code, body, _, err := c.send(ctx, http.MethodGet, "/v1/cert.pem", nil)
	if err != nil {
		return nil, err
	}
	if code != http.StatusOK {
		return nil, c.refusal("certificate", code, body)
	}
	served, err := sealkey.ParseCertificate(body)
	if err != nil {
		return nil, fmt.Errorf("what Service %s serves %w", c.Service, err)
	}
	return served, nil
}

// Opens reports whether the controller opens all of a SealedSecret with any of its keys, as it would if it were in its
// cluster. Nothing is made of it there.
func (c *Controller) Opens(ctx context.Context, sealed *v1alpha1.SealedSecret) (bool, error) {
	body, err := json.Marshal(sealed)
	if err != nil {
		return false, err
	}
	for {
		code, answer, header, err := c.send(ctx, http.MethodPost, "/v1/verify", body)
		switch {
		case err != nil:
			return false, err
		case code == http.StatusOK:
			return true, nil
		case code == http.StatusConflict:
			return false, nil
		case code != http.StatusTooManyRequests:
			return false, c.refusal("verification", code, answer)
		}
		if err := pause(ctx, retryAfter(header)); err != nil {
			return false, err
		}
	}
}

// retryAfter is how long the controller wants not to be asked; it says so in whole seconds.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		seconds = 1
	}
	return time.Duration(min(seconds, 60)) * time.Second
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

func (c *Controller) send(ctx context.Context, method, path string, body []byte) (code int, answer []byte, header http.Header, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	answer, err = io.ReadAll(io.LimitReader(response.Body, answerLimit))
	return response.StatusCode, answer, response.Header, err
}

// refusal says why there was no answer: the API server refused to pass the request on, or could not.
func (c *Controller) refusal(what string, code int, body []byte) error {
	status := metav1.Status{}
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		switch code {
		case http.StatusForbidden:
			return fmt.Errorf("you may not ask the controller for its %s: it takes get and create on services/proxy %q in namespace %s",
				what, "http:"+c.Service.Name+":", c.Service.Namespace)
		case http.StatusServiceUnavailable:
			return fmt.Errorf("the Sealed Secrets controller does not answer: %s", status.Message)
		}
		return &apierrors.StatusError{ErrStatus: status}
	}
	return fmt.Errorf("the Sealed Secrets controller answers %d %s", code, http.StatusText(code))
}
