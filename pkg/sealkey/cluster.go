package sealkey

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Label marks the Secrets that a controller takes its keys from, with the value Active; what carries another value is a key
// that was taken out of use.
const (
	Label  = "sealedsecrets.bitnami.com/sealed-secrets-key"
	Active = "active"
)

// Secrets lists the key Secrets of the controller in a namespace, active or not.
func Secrets(ctx context.Context, c client.Reader, namespace string) ([]corev1.Secret, error) {
	var list corev1.SecretList
	if err := c.List(ctx, &list, client.InNamespace(namespace), client.HasLabels{Label}); apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("you may not list secrets in namespace %s, where the controller keeps its keys; whoever may can hand a key over as a file, for --key", namespace)
	} else if err != nil {
		return nil, fmt.Errorf("list the key Secrets of namespace %s: %w", namespace, err)
	}
	return list.Items, nil
}

// FromCluster returns the keys that the controller in a namespace opens secrets with. It needs the right to list Secrets there,
// which is the right to read everything that was ever sealed for the cluster.
func FromCluster(ctx context.Context, c client.Reader, namespace string) (Keyring, error) {
	secrets, err := Secrets(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	ring := Keyring{}
	for _, secret := range secrets {
		if secret.Labels[Label] != Active {
			continue
		}
		if err := ring.addPEM(secret.Data[corev1.TLSPrivateKeyKey]); err != nil {
			return nil, fmt.Errorf("Secret %s/%s: tls.key %w", secret.Namespace, secret.Name, err)
		}
	}
	if len(ring) == 0 {
		return nil, fmt.Errorf("namespace %s has no Secret with the label %s=%s; where does the Sealed Secrets controller run?", namespace, Label, Active)
	}
	return ring, nil
}
