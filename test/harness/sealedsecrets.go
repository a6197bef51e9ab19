package harness

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"io/fs"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// sealedSecretCRDs holds the kind SealedSecret.
//
//go:embed crds/sealed-secrets/*.yaml
var sealedSecretCRDs embed.FS

//go:embed sealed-secrets.yaml
var sealedSecretsInstall []byte

// SealedSecretsController names the Deployment and the Service of the Sealed Secrets controller, as its release
// manifests and kubeseal do.
var SealedSecretsController = client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "sealed-secrets-controller"}

// StartSealedSecrets installs Sealed Secrets and starts the real controller, whose arguments stand in its Deployment,
// too. It returns when users can reach it as kubeseal does, through the API server. Keys that shall be there before the
// controller are to be created before. A kind SealedSecret that is there, from git perhaps, stays.
func (c *Cluster) StartSealedSecrets(ctx context.Context, args ...string) (*Instance, error) {
	if err := c.installSealedSecretKind(ctx); err != nil {
		return nil, err
	}
	text, err := json.Marshal(append([]string{}, args...))
	if err != nil {
		return nil, err
	}
	if err := c.apply(ctx, bytes.Replace(sealedSecretsInstall, []byte("args: []"), append([]byte("args: "), text...), 1)); err != nil {
		return nil, err
	}
	controller, err := c.StartWorkload(ctx, Workload{
		Deployment: SealedSecretsController,
		Program:    "sealed-secrets-controller",
		Args: append([]string{
			"--listen-addr=127.0.0.1:$(HTTP)",
			"--listen-metrics-addr=127.0.0.1:$(METRICS)",
		}, args...),
		Ports:    []string{"HTTP", "METRICS"},
		Ready:    "http://127.0.0.1:$(HTTP)/healthz",
		Confined: true,
	})
	if err != nil {
		return nil, err
	}
	return controller, c.Expose(ctx, SealedSecretsController, controller, "HTTP", "/healthz")
}

// installSealedSecretKind installs the CRD if it is not there.
func (c *Cluster) installSealedSecretKind(ctx context.Context) error {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	err := c.admin.Get(ctx, client.ObjectKey{Name: "sealedsecrets.bitnami.com"}, crd)
	if err == nil || !apierrors.IsNotFound(err) {
		return err
	}
	files, err := fs.Glob(sealedSecretCRDs, "crds/sealed-secrets/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range files {
		manifest, err := sealedSecretCRDs.ReadFile(file)
		if err != nil {
			return err
		}
		if err := c.apply(ctx, manifest); err != nil {
			return err
		}
	}
	return c.awaitCRDs(ctx)
}
