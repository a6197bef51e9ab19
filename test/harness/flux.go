package harness

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

//go:generate ./crds/generate.sh

// crds holds Flux's CustomResourceDefinitions: those that kustomize-controller and source-controller
// publish, and helm-controller's generated from its API module, for it publishes none through the proxy.
//
//go:embed crds/*.yaml
var crds embed.FS

// fluxInstall is what `flux install` makes, as far as it has an effect here: namespace, service accounts,
// rights, and the Deployments whose Pods are the controllers' identities.
//
//go:embed flux.yaml
var fluxInstall []byte

// FluxNamespace is where Flux is installed.
const FluxNamespace = "flux-system"

// startFlux installs Flux, starts the real kustomize-controller and the source server.
func (c *Cluster) startFlux(ctx context.Context) error {
	if err := c.installCRDs(ctx); err != nil {
		return err
	}
	if err := c.apply(ctx, fluxInstall); err != nil {
		return err
	}
	var err error
	if c.flux, err = c.StartWorkload(ctx, Workload{
		Deployment: client.ObjectKey{Namespace: FluxNamespace, Name: "kustomize-controller"},
		Program:    "kustomize-controller",
		Args: []string{
			"--watch-all-namespaces",
			"--log-level=info",
			"--log-encoding=json",
			"--events-addr=",
			"--metrics-addr=0",
			"--health-addr=127.0.0.1:$(HEALTH)",
			"--requeue-dependency=1s",
			"--feature-gates=ExternalArtifact=true",
		},
		Env:   []string{"RUNTIME_NAMESPACE=" + FluxNamespace},
		Ports: []string{"HEALTH"},
		Ready: "http://127.0.0.1:$(HEALTH)/readyz",
	}); err != nil {
		return err
	}
	c.sources, err = c.newSources(ctx)
	return err
}

// Flux returns the running kustomize-controller; nil without Flux.
func (c *Cluster) Flux() *Instance { return c.flux }

// installCRDs applies Flux's CRDs and waits until the API server serves them.
func (c *Cluster) installCRDs(ctx context.Context) error {
	files, err := fs.Glob(crds, "crds/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range files {
		manifest, err := crds.ReadFile(file)
		if err != nil {
			return err
		}
		if err := c.apply(ctx, manifest); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return c.awaitCRDs(ctx)
}

// awaitCRDs waits until the API server serves every CRD.
func (c *Cluster) awaitCRDs(ctx context.Context) error {
	for {
		pending, err := c.unestablished(ctx)
		if err != nil {
			return err
		}
		if pending == "" {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("CustomResourceDefinition %s is not served: %w", pending, err)
		}
	}
}

// unestablished returns the name of a CRD that is not served yet, or "".
func (c *Cluster) unestablished(ctx context.Context) (string, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList"})
	if err := c.admin.List(ctx, list); err != nil {
		return "", err
	}
	for _, crd := range list.Items {
		// Absent, or null, until the API server has looked at the CRD.
		value, _, err := unstructured.NestedFieldNoCopy(crd.Object, "status", "conditions")
		if err != nil {
			return "", err
		}
		conditions, _ := value.([]any)
		established := false
		for _, condition := range conditions {
			fields, ok := condition.(map[string]any)
			established = established || ok && fields["type"] == "Established" && fields["status"] == "True"
		}
		if !established {
			return crd.GetName(), nil
		}
	}
	return "", nil
}
