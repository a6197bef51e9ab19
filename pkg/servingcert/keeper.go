package servingcert

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// bundleKey is where the Secret keeps the certificates that clients should trust; its other keys are those of
// kubernetes.io/tls.
const bundleKey = "ca.crt"

// Keeper keeps one replica's certificate, the authority that all replicas share, and the webhook configuration's
// caBundle.
type Keeper struct {
	// Reader must read the Secret from the API server, not from a cache.
	Reader client.Reader
	Writer client.Client
	// Secret is the authority's.
	Secret client.ObjectKey
	// Configuration is the name of the ValidatingWebhookConfiguration. Its clientConfigs tell the names that the
	// certificate is for.
	Configuration string

	mu   sync.RWMutex
	leaf *tls.Certificate
}

var _ reconcile.Reconciler = (*Keeper)(nil)

// SetupWithManager registers the keeper on every replica, leader or not. The manager's cache needs to hold only the one
// configuration.
func (k *Keeper) SetupWithManager(mgr ctrl.Manager) error {
	every := false
	return ctrl.NewControllerManagedBy(mgr).
		Named("serving-certificate").
		For(&admissionregistrationv1.ValidatingWebhookConfiguration{}).
		WithOptions(controller.Options{NeedLeaderElection: &every}).
		Complete(k)
}

// Reconcile brings certificate, authority and caBundle up to date and returns when they need to be looked at again.
func (k *Keeper) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if req.Name != k.Configuration {
		return reconcile.Result{}, nil
	}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := k.Writer.Get(ctx, req.NamespacedName, configuration); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	now := time.Now()
	ca, bundle, err := k.authority(ctx, now)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("certificate authority in Secret %s: %w", k.Secret, err)
	}
	// The API server must trust an authority before a certificate that it signed is served.
	if err := k.publish(ctx, configuration, bundle); err != nil {
		return reconcile.Result{}, err
	}
	leaf, err := k.renew(ca, bundle, hosts(configuration), now)
	if err != nil {
		return reconcile.Result{}, err
	}
	next := renewal(leaf.Leaf)
	if caNext := renewal(ca.cert); caNext.Before(next) {
		next = caNext
	}
	return reconcile.Result{RequeueAfter: max(time.Until(next), time.Minute)}, nil
}

// authority reads the shared authority; it creates it if there is none and replaces it when it grows old. Of replicas
// that do so at the same time one wins, and the others take its authority over with their next try.
func (k *Keeper) authority(ctx context.Context, now time.Time) (*authority, []byte, error) {
	secret := &corev1.Secret{}
	err := k.Reader.Get(ctx, k.Secret, secret)
	if apierrors.IsNotFound(err) {
		return k.create(ctx, now)
	}
	if err != nil {
		return nil, nil, err
	}
	ca, err := parseAuthority(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w; delete the Secret to have it made anew", err)
	case now.Before(renewal(ca.cert)):
		return ca, ca.bundle(secret.Data[bundleKey], now), nil
	}
	next, err := newAuthority(ca.cert.Subject.CommonName, now)
	if err != nil {
		return nil, nil, err
	}
	bundle := next.bundle(ca.bundle(secret.Data[bundleKey], now), now)
	if secret.Data, err = data(next, bundle); err != nil {
		return nil, nil, err
	}
	return next, bundle, k.Writer.Update(ctx, secret)
}

func (k *Keeper) create(ctx context.Context, now time.Time) (*authority, []byte, error) {
	ca, err := newAuthority(k.Secret.Name, now)
	if err != nil {
		return nil, nil, err
	}
	bundle := ca.bundle(nil, now)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.Secret.Namespace, Name: k.Secret.Name},
		Type:       corev1.SecretTypeTLS,
	}
	if secret.Data, err = data(ca, bundle); err != nil {
		return nil, nil, err
	}
	return ca, bundle, k.Writer.Create(ctx, secret)
}

func data(ca *authority, bundle []byte) (map[string][]byte, error) {
	certPEM, keyPEM, err := ca.encode()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{corev1.TLSCertKey: certPEM, corev1.TLSPrivateKeyKey: keyPEM, bundleKey: bundle}, nil
}

// publish puts the bundle into every webhook of the configuration.
func (k *Keeper) publish(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration, bundle []byte) error {
	patch := client.MergeFromWithOptions(configuration.DeepCopy(), client.MergeFromWithOptimisticLock{})
	changed := false
	for i := range configuration.Webhooks {
		c := &configuration.Webhooks[i].ClientConfig
		changed = changed || !bytes.Equal(c.CABundle, bundle)
		c.CABundle = bundle
	}
	if !changed {
		return nil
	}
	if err := k.Writer.Patch(ctx, configuration, patch); err != nil {
		return fmt.Errorf("publish the certificate authority: %w", err)
	}
	return nil
}

// renew returns the present certificate, or another one if it grows old, is for other hosts or not trusted any more.
func (k *Keeper) renew(ca *authority, bundle []byte, hosts []string, now time.Time) (*tls.Certificate, error) {
	if len(hosts) == 0 {
		return nil, errors.New("the ValidatingWebhookConfiguration names no service and no URL")
	}
	k.mu.RLock()
	leaf := k.leaf
	k.mu.RUnlock()
	if leaf != nil && now.Before(renewal(leaf.Leaf)) && trusted(leaf.Leaf, bundle) && !slices.ContainsFunc(hosts, func(host string) bool {
		return leaf.Leaf.VerifyHostname(host) != nil
	}) {
		return leaf, nil
	}
	leaf, err := ca.sign(hosts, now)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.leaf = leaf
	k.mu.Unlock()
	return leaf, nil
}

// hosts are the names under which the API server calls the configuration's webhooks, sorted.
func hosts(configuration *admissionregistrationv1.ValidatingWebhookConfiguration) []string {
	var out []string
	for _, webhook := range configuration.Webhooks {
		c := webhook.ClientConfig
		switch {
		case c.Service != nil:
			out = append(out, c.Service.Name+"."+c.Service.Namespace+".svc")
		case c.URL != nil:
			if u, err := url.Parse(*c.URL); err == nil && u.Hostname() != "" {
				out = append(out, u.Hostname())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Certificate is for tls.Config.GetCertificate. Handshakes fail until there is one.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.leaf == nil {
		return nil, fmt.Errorf("no serving certificate yet: waiting for ValidatingWebhookConfiguration %s", k.Configuration)
	}
	return k.leaf, nil
}

// Ready is a healthz.Checker: there is a certificate and it is valid.
func (k *Keeper) Ready(*http.Request) error {
	leaf, err := k.Certificate(nil)
	if err != nil {
		return err
	}
	if time.Now().After(leaf.Leaf.NotAfter) {
		return errors.New("the serving certificate has expired")
	}
	return nil
}
