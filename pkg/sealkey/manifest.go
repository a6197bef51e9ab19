package sealkey

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Secret is what a controller in a namespace takes the pair from.
func (p *Pair) Secret(namespace, name string) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{Label: Active}},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: p.Certificate.PEM(), corev1.TLSPrivateKeyKey: p.KeyPEM()},
	}
}

// Vault is an Azure Key Vault that keeps the pair as two secrets, named after the Secret: NAME-crt and NAME-key.
type Vault struct {
	// Name is the vault's name, Tenant the ID of its tenant.
	Name, Tenant string
	// Client is the client ID of the workload identity that may read it.
	Client string
}

// Object is the name of the vault's secret that keeps a key of the Kubernetes Secret, tls.crt or tls.key.
func Object(secret, key string) string { return secret + "-" + strings.TrimPrefix(key, "tls.") }

// SecretProviderClass is the manifest that has the Secrets Store CSI driver sync a pair from a vault into the Secret of a
// controller's namespace. It has the name of the Secret. The driver makes the Secret when a Pod mounts the class, and only then.
func (v Vault) SecretProviderClass(namespace, secret string) ([]byte, error) {
	keys := []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey}
	var objects strings.Builder
	objects.WriteString("array:\n")
	var data []any
	for _, key := range keys {
		fmt.Fprintf(&objects, "  - |\n    objectName: %s\n    objectType: secret\n", Object(secret, key))
		data = append(data, map[string]any{"objectName": Object(secret, key), "key": key})
	}
	parameters := map[string]any{
		"usePodIdentity": "false", "keyvaultName": v.Name, "tenantId": v.Tenant, "clientID": v.Client, "objects": objects.String(),
	}
	maps.DeleteFunc(parameters, func(_ string, value any) bool { return value == "" })
	return yaml.Marshal(map[string]any{
		"apiVersion": "secrets-store.csi.x-k8s.io/v1",
		"kind":       "SecretProviderClass",
		"metadata":   map[string]any{"namespace": namespace, "name": secret},
		"spec": map[string]any{
			"provider":   "azure",
			"parameters": parameters,
			"secretObjects": []any{map[string]any{
				"secretName": secret, "type": string(corev1.SecretTypeTLS), "labels": map[string]any{Label: Active}, "data": data,
			}},
		},
	})
}

// Values are those of the Sealed Secrets Helm chart with which a controller keeps to shared keys: it makes none of its own
// later on, and with SecretProviderClasses it does not start before their Secrets are there, because mounting a Secret waits
// for it. Classes are the names of SecretProviderClasses, none without a vault.
func Values(classes ...string) ([]byte, error) {
	values := map[string]any{"keyrenewperiod": "0"}
	var volumes, mounts []any
	for _, name := range slices.Sorted(slices.Values(classes)) {
		volumes = append(volumes,
			map[string]any{"name": name + "-vault", "csi": map[string]any{
				"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": map[string]any{"secretProviderClass": name},
			}},
			map[string]any{"name": name, "secret": map[string]any{"secretName": name}})
		mounts = append(mounts,
			map[string]any{"name": name + "-vault", "mountPath": "/var/run/" + name + "-vault", "readOnly": true},
			map[string]any{"name": name, "mountPath": "/var/run/" + name, "readOnly": true})
	}
	if len(volumes) > 0 {
		values["additionalVolumes"], values["additionalVolumeMounts"] = volumes, mounts
	}
	return yaml.Marshal(values)
}
