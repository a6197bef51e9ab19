package servingcert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

const (
	// AuthorityLifetime is the default of a Keeper's field of that name.
	AuthorityLifetime = 365 * 24 * time.Hour
	// CertificateLifetime is the default of a Keeper's field of that name.
	CertificateLifetime = 7 * 24 * time.Hour

	// propagation is how long a new authority is published before it signs for a replica that can wait: every API
	// server must have seen the bundle.
	propagation = 3 * time.Second
	// recheck is the longest time between two looks at everything. The timers of a machine that was suspended are
	// late, and nothing tells that the Secret is gone.
	recheck = 5 * time.Minute
	// Retries after an error.
	minRetry = 200 * time.Millisecond
	maxRetry = 30 * time.Second
)

// Keeper keeps one replica's certificate, the authority that all replicas share, and the caBundles of the webhook
// configurations. Its exported fields must not change after SetupWithManager.
type Keeper struct {
	// Client must read from the API server, not from a cache.
	Client client.Client
	// Secret is the authority's.
	Secret client.ObjectKey
	// Configurations are the names of ValidatingWebhookConfigurations. Their clientConfigs tell the names that the
	// certificate is for. Those that do not exist are passed over.
	Configurations []string
	// AuthorityLifetime and CertificateLifetime are how long the authority and the certificates that it signs are
	// valid; both are replaced after two thirds of it. Zero means the defaults.
	AuthorityLifetime, CertificateLifetime time.Duration
	// Clock is the time; nil means the real one.
	Clock clock.PassiveClock

	mu   sync.RWMutex
	leaf *tls.Certificate
}

var _ reconcile.Reconciler = (*Keeper)(nil)

// SetupWithManager registers the keeper on every replica, leader or not.
func (k *Keeper) SetupWithManager(mgr ctrl.Manager) error {
	every := false
	build := ctrl.NewControllerManagedBy(mgr).
		Named("serving-certificate").
		WithOptions(controller.Options{
			NeedLeaderElection: &every,
			RateLimiter:        workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minRetry, maxRetry),
		})
	for _, name := range k.Configurations {
		// The right to list and watch one object by name needs a selector of that name, and a cache has one selector.
		watched, err := cache.New(mgr.GetConfig(), cache.Options{
			HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
			ByObject: map[client.Object]cache.ByObject{
				&admissionregistrationv1.ValidatingWebhookConfiguration{}: {Field: fields.OneTermEqualSelector("metadata.name", name)},
			},
		})
		if err != nil {
			return err
		}
		if err := mgr.Add(everywhere{watched}); err != nil {
			return err
		}
		// All of them are looked at together.
		build = build.WatchesRawSource(source.Kind(watched, &admissionregistrationv1.ValidatingWebhookConfiguration{},
			handler.TypedEnqueueRequestsFromMapFunc(func(context.Context, *admissionregistrationv1.ValidatingWebhookConfiguration) []reconcile.Request {
				return []reconcile.Request{{NamespacedName: k.Secret}}
			})))
	}
	return build.Complete(k)
}

// everywhere runs a cache on every replica; the manager would take it for one that the leader alone runs.
type everywhere struct{ cache.Cache }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (everywhere) NeedLeaderElection() bool { return false }

// Reconcile brings certificate, authority and caBundles up to date and returns when they need to be looked at again.
// There is only one request.
func (k *Keeper) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	next, err := k.keep(ctx)
	switch {
	case apierrors.IsConflict(err):
		// Another replica was quicker; its work is taken over.
		log.FromContext(ctx).V(1).Info("Looking again at the certificate authority", "because", err.Error())
		return reconcile.Result{RequeueAfter: minRetry}, nil
	case err != nil || next.IsZero():
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: min(max(next.Sub(k.now()), minRetry), recheck)}, nil
}

// keep does the work of Reconcile. It returns when something is due next, zero if there is nothing to keep.
func (k *Keeper) keep(ctx context.Context) (time.Time, error) {
	configurations, err := k.configurations(ctx)
	if err != nil || len(configurations) == 0 {
		return time.Time{}, err
	}
	now := k.now()
	ca, bundle, err := k.authority(ctx, configurations, now)
	if err != nil {
		return time.Time{}, fmt.Errorf("certificate authority in Secret %s: %w", k.Secret, err)
	}
	// The API server must trust an authority before a certificate that it signed is served.
	for _, configuration := range configurations {
		if err := k.publish(ctx, configuration, bundle); err != nil {
			return time.Time{}, err
		}
	}
	due, err := k.renew(ca, bundle, hosts(configurations), now)
	if caDue := renewal(ca.cert); caDue.Before(due) {
		due = caDue
	}
	return due, err
}

// configurations reads those that exist.
func (k *Keeper) configurations(ctx context.Context) ([]*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	var out []*admissionregistrationv1.ValidatingWebhookConfiguration
	for _, name := range k.Configurations {
		configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
		err := k.Client.Get(ctx, client.ObjectKey{Name: name}, configuration)
		switch {
		case err == nil:
			out = append(out, configuration)
		case !apierrors.IsNotFound(err):
			return nil, err
		}
	}
	return out, nil
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
	if err := k.Client.Patch(ctx, configuration, patch); err != nil {
		return fmt.Errorf("publish the certificate authority in ValidatingWebhookConfiguration %s: %w", configuration.Name, err)
	}
	log.FromContext(ctx).Info("Published the certificate authority", "configuration", configuration.Name, "trusted", len(parseBundle(bundle)))
	return nil
}

// renew replaces the certificate if it grows old, is for other hosts or not trusted any more, and returns when it is
// due next.
func (k *Keeper) renew(ca *authority, bundle []byte, hosts []string, now time.Time) (time.Time, error) {
	if len(hosts) == 0 {
		return time.Time{}, errors.New("the ValidatingWebhookConfiguration names no service and no URL")
	}
	k.mu.RLock()
	leaf := k.leaf
	k.mu.RUnlock()
	if leaf != nil && trusts(bundle, leaf.Leaf, hosts, now) {
		due := renewal(leaf.Leaf)
		// Better an old certificate than one of an authority that some API server has not heard of yet.
		if known := made(ca.cert).Add(propagation); known.After(due) && known.Before(leaf.Leaf.NotAfter) {
			due = known
		}
		if now.Before(due) {
			return due, nil
		}
	}
	leaf, err := ca.sign(hosts, now, lifetime(k.CertificateLifetime, CertificateLifetime))
	if err != nil {
		return time.Time{}, err
	}
	k.mu.Lock()
	k.leaf = leaf
	k.mu.Unlock()
	return renewal(leaf.Leaf), nil
}

// hosts are the names under which the API server calls the webhooks, sorted.
func hosts(configurations []*admissionregistrationv1.ValidatingWebhookConfiguration) []string {
	var out []string
	for _, c := range clients(configurations) {
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

// bundles is what the API server trusts now, for any of the webhooks.
func bundles(configurations []*admissionregistrationv1.ValidatingWebhookConfiguration) []byte {
	var out []byte
	for _, c := range clients(configurations) {
		out = append(append(out, c.CABundle...), '\n')
	}
	return out
}

func clients(configurations []*admissionregistrationv1.ValidatingWebhookConfiguration) []admissionregistrationv1.WebhookClientConfig {
	var out []admissionregistrationv1.WebhookClientConfig
	for _, configuration := range configurations {
		for _, webhook := range configuration.Webhooks {
			out = append(out, webhook.ClientConfig)
		}
	}
	return out
}

func (k *Keeper) now() time.Time {
	if k.Clock == nil {
		return time.Now()
	}
	return k.Clock.Now()
}

func lifetime(set, otherwise time.Duration) time.Duration {
	if set == 0 {
		return otherwise
	}
	return set
}

// Certificate is for tls.Config.GetCertificate. Handshakes fail until there is one.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.leaf == nil {
		return nil, fmt.Errorf("no serving certificate yet: waiting for ValidatingWebhookConfiguration %s", k.Configurations[0])
	}
	return k.leaf, nil
}

// Expiry is when the present certificate ends; zero if there is none.
func (k *Keeper) Expiry() time.Time {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.leaf == nil {
		return time.Time{}
	}
	return k.leaf.Leaf.NotAfter
}

// Ready is a healthz.Checker: there is a certificate and it is valid.
func (k *Keeper) Ready(*http.Request) error {
	leaf, err := k.Certificate(nil)
	if err != nil {
		return err
	}
	if !valid(leaf.Leaf, k.now()) {
		return errors.New("the serving certificate has expired, or is not valid yet")
	}
	return nil
}

func valid(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && now.Before(c.NotAfter)
}
