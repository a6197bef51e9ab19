package servingcert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// bundleKey is where the Secret keeps the certificates that clients should trust; its other keys are those of
// kubernetes.io/tls.
const bundleKey = "ca.crt"

// owner is the field manager that creates the Secret.
const owner = client.FieldOwner("gitops-drift")

// authority reads the shared authority and its bundle. It replaces an authority that grows old, that cannot be read, or
// that is not there; the certificates that clients of the configurations trust now stay trusted then. Of replicas that
// do so at the same time one wins, and the others get a conflict.
func (k *Keeper) authority(ctx context.Context, configurations []*admissionregistrationv1.ValidatingWebhookConfiguration, now time.Time) (*authority, []byte, error) {
	secret, err := k.secret(ctx, configurations[0])
	if err != nil {
		return nil, nil, err
	}
	ca, err := read(secret, now)
	if err == nil {
		return ca, secret.Data[bundleKey], nil
	}
	next, err := k.replace(ctx, secret, bundles(configurations), now, err)
	if err != nil {
		return nil, nil, err
	}
	return next, secret.Data[bundleKey], nil
}

// secret reads the Secret, which may be empty. One that is missing is created by an apply, the one way to create an
// object whose name authorization can see; the right to create any Secret would be the right to every service account
// of the namespace. The Secret goes when the configuration does.
func (k *Keeper) secret(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := k.Client.Get(ctx, k.Secret, secret)
	if !apierrors.IsNotFound(err) {
		return secret, err
	}
	empty := applycorev1.Secret(k.Secret.Name, k.Secret.Namespace).WithType(corev1.SecretTypeOpaque).
		WithOwnerReferences(OwnedBy(configuration))
	if err := k.Client.Apply(ctx, empty, owner); err != nil {
		return nil, err
	}
	return secret, k.Client.Get(ctx, k.Secret, secret)
}

// OwnedBy makes the garbage collector delete an object when the configuration is deleted.
func OwnedBy(configuration *admissionregistrationv1.ValidatingWebhookConfiguration) *applymetav1.OwnerReferenceApplyConfiguration {
	kind := admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingWebhookConfiguration")
	return applymetav1.OwnerReference().WithAPIVersion(kind.GroupVersion().String()).WithKind(kind.Kind).
		WithName(configuration.Name).WithUID(configuration.UID)
}

// read returns the authority in the Secret; the error says why there has to be another one.
func read(secret *corev1.Secret, now time.Time) (*authority, error) {
	if len(secret.Data) == 0 {
		return nil, errors.New("there is none yet")
	}
	ca, err := parseAuthority(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	switch {
	case err != nil:
		return nil, err
	case now.Before(ca.cert.NotBefore):
		return nil, fmt.Errorf("it is not valid before %s: a clock was wrong", ca.cert.NotBefore)
	case !now.Before(renewal(ca.cert)):
		return nil, fmt.Errorf("it is valid until %s only", ca.cert.NotAfter)
	case !intact(secret.Data[bundleKey], ca):
		return nil, errors.New("its bundle is damaged")
	}
	return ca, nil
}

// intact reports whether a bundle holds the authority's certificate, and nothing that the API server would not accept.
func intact(bundle []byte, ca *authority) bool {
	var readable []byte
	for _, c := range parseBundle(bundle) {
		readable = append(readable, encodeCert(c)...)
	}
	return bytes.Equal(readable, bundle) && bytes.Contains(bundle, encodeCert(ca.cert))
}

// replace makes another authority and keeps it in the Secret.
func (k *Keeper) replace(ctx context.Context, secret *corev1.Secret, trusted []byte, now time.Time, why error) (*authority, error) {
	next, err := newAuthority(k.Secret.Name, now, lifetime(k.AuthorityLifetime, AuthorityLifetime))
	if err != nil {
		return nil, err
	}
	certPEM, keyPEM, err := next.encode()
	if err != nil {
		return nil, err
	}
	// The bundles may lack their last line end.
	old := bytes.Join([][]byte{secret.Data[corev1.TLSCertKey], secret.Data[bundleKey], trusted}, []byte("\n"))
	secret.Data = map[string][]byte{corev1.TLSCertKey: certPEM, corev1.TLSPrivateKeyKey: keyPEM, bundleKey: next.bundle(old)}
	// The resource version of what was read makes this fail for all replicas but one.
	if err := k.Client.Update(ctx, secret); err != nil {
		return nil, err
	}
	log.FromContext(ctx).Info("Made a new certificate authority", "secret", k.Secret, "because", why.Error(), "until", next.cert.NotAfter)
	return next, nil
}
