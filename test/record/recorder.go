package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// recorder is a webhook that admits everything and keeps what it was asked.
type recorder struct {
	mu       sync.Mutex
	requests []*admissionv1.AdmissionRequest
}

// startRecorder serves until the program ends, and registers itself for the writes in the namespaces payments and
// flux-system and for those of cluster-scoped objects.
func startRecorder(ctx context.Context, cluster *harness.Cluster) (*recorder, error) {
	certPEM, keyPEM, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &recorder{}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	go func() { _ = server.ServeTLS(listener, "", "") }()

	url := "https://" + listener.Addr().String()
	ignore, none, all := admissionregistrationv1.Ignore, admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.AllScopes
	return r, cluster.Admin().Create(ctx, &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "recorder"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name:                    "recorder.contoso.com",
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             &none,
			FailurePolicy:           &ignore,
			ClientConfig:            admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: certPEM},
			NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
				Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpIn, Values: []string{"payments", harness.FluxNamespace},
			}}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update, admissionregistrationv1.Delete},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"}, Scope: &all},
			}},
		}},
	})
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	review := &admissionv1.AdmissionReview{}
	if err := json.NewDecoder(req.Body).Decode(review); err != nil || review.Request == nil {
		http.Error(w, fmt.Sprintf("no AdmissionReview: %v", err), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.requests = append(r.requests, review.Request)
	r.mu.Unlock()
	review.Response, review.Request = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}, nil
	_ = json.NewEncoder(w).Encode(review)
}

func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

// find returns the first request that match accepts, nil if there is none.
func (r *recorder) find(match func(*admissionv1.AdmissionRequest) bool) *admissionv1.AdmissionRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.requests {
		if match(in) {
			return in
		}
	}
	return nil
}

func (r *recorder) wait(ctx context.Context, match func(*admissionv1.AdmissionRequest) bool) (*admissionv1.AdmissionRequest, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		if in := r.find(match); in != nil {
			return in, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no such request has come: %w", ctx.Err())
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// await waits until the API server calls the recorder.
func (r *recorder) await(ctx context.Context, cluster *harness.Cluster) error {
	for {
		if _, err := cluster.Kubectl(ctx, harness.Admin, "", "-n", "payments", "create", "configmap", "probe", "--dry-run=server"); err != nil {
			return err
		}
		if r.find(func(in *admissionv1.AdmissionRequest) bool { return in.Name == "probe" }) != nil {
			return nil
		}
	}
}
