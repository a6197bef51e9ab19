package sealfleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// soon is how long before its end a certificate is called near to it: kubeseal refuses expired ones.
const soon = 30 * 24 * time.Hour

// Doctor examines clusters that share a sealing key.
type Doctor struct {
	// Pinned is the certificate that everything is sealed with.
	Pinned *sealkey.Certificate
	// Retired are the fingerprints of keys that the team has had before, which may still open.
	Retired []string
	// Service is that of the controller; the zero value looks for it.
	Service Service
	// Now is the time of the examination.
	Now time.Time
}

// examination is that of one cluster.
type examination struct {
	Doctor
	pinned     string // its fingerprint
	client     client.Client
	controller *Controller
	served     string
	settings   settings
	settingErr error
	// held are the Secrets with keys, unless keysErr says why they are unknown.
	held    []sealingKey
	keysErr error
	found   Checkup
}

// Examine looks at one cluster and finds whatever it may look at; what it may not is Unknown. An error says that nothing
// could be looked at.
func (d Doctor) Examine(ctx context.Context, config *rest.Config) (Checkup, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, v1alpha1.AddToScheme, kustomizev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	e := &examination{Doctor: d, pinned: d.Pinned.Fingerprint, client: reader}
	if e.controller, err = Connect(ctx, config, d.Service); err != nil {
		return nil, err
	}
	e.settings, e.settingErr = e.readSettings(ctx)
	e.held, e.keysErr = e.readKeys(ctx)
	e.certificate(ctx)
	e.renewal(e.keys())
	e.expiry()
	e.secrets(ctx)
	e.flux(ctx)
	return e.found, ctx.Err()
}

func (e *examination) add(topic Topic, state State, message string, arguments ...any) *Finding {
	e.found = append(e.found, Finding{Topic: topic, State: state, Message: fmt.Sprintf(message, arguments...)})
	return &e.found[len(e.found)-1]
}

// readSettings reads the options of the Deployment whose Pods the controller's Service selects.
func (e *examination) readSettings(ctx context.Context) (settings, error) {
	var deployments appsv1.DeploymentList
	if err := e.client.List(ctx, &deployments, client.InNamespace(e.controller.Service.Namespace)); err != nil {
		return settings{prefix: defaultKeyPrefix}, denied(err, "list deployments in namespace "+e.controller.Service.Namespace)
	}
	selector := labels.SelectorFromSet(e.controller.Selector)
	for _, deployment := range deployments.Items {
		template := deployment.Spec.Template
		if len(e.controller.Selector) == 0 || !selector.Matches(labels.Set(template.Labels)) || len(template.Spec.Containers) == 0 {
			continue
		}
		return readSettings(template.Spec.Containers[0])
	}
	return settings{prefix: defaultKeyPrefix}, fmt.Errorf("no Deployment in namespace %s has the Pods of Service %s", e.controller.Service.Namespace, e.controller.Service)
}

// denied says what right is lacking, where that is so.
func denied(err error, right string) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("you may not %s", right)
	}
	return err
}

// certificate compares what the controller serves with what is pinned.
func (e *examination) certificate(ctx context.Context) {
	served, err := e.controller.Certificate(ctx)
	if err != nil {
		e.add(TopicCertificate, Unknown, "the certificate that the controller serves is unknown: %s", err)
		return
	}
	switch e.served = served.Fingerprint; {
	case e.served == e.pinned:
		e.add(TopicCertificate, Sound, "the controller serves the pinned certificate, %s", e.pinned)
	case slices.Contains(e.Retired, e.served):
		e.add(TopicCertificate, Pending, "the controller serves %s, which was pinned before: a rotation is under way, and this cluster is not done", e.served).
			Advice = "bring the pinned certificate's key into the cluster, if it is not there, and restart the controller"
	case slices.ContainsFunc(e.held, func(key sealingKey) bool { return key.fingerprint == e.served && e.succeeds(key) }):
		e.add(TopicCertificate, Pending, "the controller serves %s, which was brought in beside the pinned certificate's key: a rotation is under way", e.served)
	default:
		e.add(TopicCertificate, Wrong, "the controller serves %s, not the pinned certificate: what is sealed with it opens in no other cluster", e.served).
			Advice = "seal with the pinned certificate only, never with one that was fetched from a cluster"
	}
	e.found[len(e.found)-1].key = e.served
}

// readKeys reads the Secrets with keys in the controller's namespace, newest first.
func (e *examination) readKeys(ctx context.Context) ([]sealingKey, error) {
	namespace := e.controller.Service.Namespace
	var secrets corev1.SecretList
	if err := e.client.List(ctx, &secrets, client.InNamespace(namespace)); err != nil {
		return nil, denied(err, "list secrets in namespace "+namespace)
	}
	return sealingKeys(secrets.Items, e.settings.prefix), nil
}

// usable reports whether the controller opens with a key, and serves its certificate if it is the newest, once it has started.
func (k sealingKey) usable() bool { return k.loaded && k.err == nil && k.fingerprint == k.certified }

// succeeds reports whether a key is to succeed the pinned one, as far as a cluster shows that: it was brought in beside it, and
// is newer.
func (e *examination) succeeds(key sealingKey) bool {
	return key.usable() && !key.own && key.fingerprint != e.pinned && !slices.Contains(e.Retired, key.fingerprint) &&
		slices.ContainsFunc(e.held, func(pinned sealingKey) bool {
			return pinned.usable() && pinned.fingerprint == e.pinned && !key.notBefore.Before(pinned.notBefore)
		})
}

// keys looks at the Secrets that hold keys, and returns when the newest one that the controller loads began; zero if
// that is unknown.
func (e *examination) keys() (newest time.Time) {
	namespace, keys := e.controller.Service.Namespace, e.held
	if e.keysErr != nil {
		e.add(TopicKeys, Unknown, "the keys are unknown: %s", e.keysErr)
		return newest
	}
	shared := false
	var began time.Time // of the shared key
	for _, key := range keys {
		if key.loaded && key.err == nil && key.fingerprint == e.pinned {
			began = key.notBefore
		}
	}
	for _, key := range keys {
		if key.loaded && key.err == nil && newest.IsZero() {
			newest = key.notBefore
		}
		switch object := "Secret " + namespace + "/" + key.name; {
		case key.err != nil:
			e.about(object, Wrong, "it is labelled as a key, and %s: the controller crashes when it starts next", key.err).
				Advice = "repair it, or take the label " + sealkey.Label + " off"
		case !key.loaded && key.fingerprint != e.pinned && key.certified != e.pinned:
		case key.fingerprint != key.certified:
			e.about(object, Wrong, "its private key does not match its certificate: the controller serves one and opens with the other").
				Advice = "put key and certificate there that belong together"
		case key.fingerprint == e.pinned && !key.loaded:
			e.about(object, Wrong, "it holds the shared key, but the controller does not load it without its label").
				Advice = fmt.Sprintf("kubectl label secret %s -n %s %s=%s, and restart the controller", key.name, namespace, sealkey.Label, sealkey.Active)
		case key.fingerprint == e.pinned:
			shared = true
			e.sharedKey(object, key, keys)
		case slices.Contains(e.Retired, key.fingerprint):
			e.about(object, Sound, "it holds a key that was shared before, which still opens what was sealed with it")
		case e.succeeds(key):
			loaded := ""
			if e.served == e.pinned {
				loaded = ", but the controller has not loaded it"
			}
			e.about(object, Pending, "it holds %s, a newer key that was brought in beside the pinned one%s: a rotation is under way", key.fingerprint, loaded).key = key.fingerprint
			if loaded != "" {
				e.found[len(e.found)-1].Advice = "restart the controller: it looks for keys when it starts"
			}
		default:
			newer := ""
			if !key.notBefore.Before(began) {
				newer = ", not older than the shared one, so that the controller may serve it"
			}
			f := e.about(object, Wrong, "it is another active key, %s%s: only this cluster opens what is sealed with it, and verification passes with it", key.fingerprint, newer)
			f.key, f.Advice = key.fingerprint, fmt.Sprintf("reseal what needs it, label it %s=compromised, and restart the controller", sealkey.Label)
		}
	}
	if !shared {
		e.add(TopicKeys, Wrong, "no Secret in namespace %s that the controller loads holds the shared key: it opens nothing that is sealed with it", namespace).
			Advice = "create it before the controller starts, or restart the controller afterwards"
	}
	return newest
}

// about adds a finding about a Secret with a key.
func (e *examination) about(object string, state State, message string, arguments ...any) *Finding {
	f := e.add(TopicKeys, state, message, arguments...)
	f.Object = object
	return f
}

// sharedKey tells whether the controller has loaded the shared key, as far as that can be seen: it serves the newest one.
func (e *examination) sharedKey(object string, shared sealingKey, keys []sealingKey) {
	newest := !slices.ContainsFunc(keys, func(other sealingKey) bool {
		return other.loaded && other.err == nil && other.fingerprint != e.pinned && !other.notBefore.Before(shared.notBefore)
	})
	if newest && e.served != "" && e.served != e.pinned {
		e.about(object, Wrong, "it holds the shared key, but the controller has not loaded it").
			Advice = "restart the controller: it looks for keys when it starts"
		return
	}
	e.about(object, Sound, "it holds the shared key, labelled, and its certificate matches")
}

// renewal tells when the controller makes a key of its own: a period after the newest one began, or at once if that is
// over.
func (e *examination) renewal(newest time.Time) {
	if e.settingErr != nil {
		e.add(TopicRenewal, Unknown, "the renewal period is unknown: %s", e.settingErr)
		return
	}
	s := e.settings
	if s.cutoff != "" {
		e.add(TopicRenewal, Wrong, "the controller makes a key of its own when it starts, if its newest is older than %s (--key-cutoff-time)", s.cutoff).
			Advice = "remove --key-cutoff-time"
	}
	if s.renewal == 0 {
		e.add(TopicRenewal, Sound, "the renewal period is 0: the controller makes no key of its own")
		return
	}
	period, when := s.renewal.String(), ""
	if s.from == "" {
		period += ", the default"
	}
	switch next := newest.Add(s.renewal); {
	case newest.IsZero():
	case next.After(e.Now):
		when = " on " + next.UTC().Format("2006-01-02")
	default:
		when = " as soon as it starts"
	}
	e.add(TopicRenewal, Wrong, "the renewal period is %s: the controller makes a key of its own%s, serves that, and so what is sealed with it opens in no other cluster", period, when).
		Advice = "set --key-renew-period=0"
}

func (e *examination) expiry() {
	end := e.Pinned.NotAfter
	day := end.UTC().Format("2006-01-02")
	switch {
	case e.Now.After(end):
		e.add(TopicExpiry, Wrong, "the pinned certificate expired on %s: controllers go on, but kubeseal refuses it", day).Since = end
	case e.Now.Add(soon).After(end):
		e.add(TopicExpiry, Wrong, "the pinned certificate expires on %s", day)
	default:
		e.add(TopicExpiry, Sound, "the pinned certificate is valid until %s", day)
		return
	}
	e.found[len(e.found)-1].Advice = "make a new key, and seal everything again with it"
}
