package corpus

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// everyKind is the Kustomization that has an object of every built-in kind.
const everyKind = "every-kind"

// copyKinds adds the manifests that the random edits start from, with all their odd spellings, to the folder.
func copyKinds(t *testing.T, to string) {
	t.Helper()
	for _, name := range []string{"still", "cluster", "config", "network", "workloads"} {
		content, err := os.ReadFile(filepath.Join("../differential/testdata/random", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name+".yaml"), []byte(strings.ReplaceAll(string(content), "fuzz", everyKind)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// impossible are kinds that cannot be applied: questions, answered and not kept, and requests that someone has to sign.
var impossible = []string{
	"Binding", "TokenReview", "SelfSubjectReview", "SubjectAccessReview", "LocalSubjectAccessReview", "SelfSubjectAccessReview",
	"SelfSubjectRulesReview", "CertificateSigningRequest", "PodCertificateRequest", "ComponentStatus",
}

// compareKinds demands that no built-in kind was forgotten.
func compareKinds(ctx context.Context, t *testing.T, cluster *harness.Cluster, builder *desired.Builder, list []*kustomizev1.Kustomization) {
	t.Helper()
	at := slices.IndexFunc(list, func(ks *kustomizev1.Kustomization) bool { return ks.Name == everyKind })
	state, err := builder.Build(ctx, list[at])
	if err != nil {
		t.Fatal(err)
	}
	have := map[schema.GroupKind]bool{}
	for _, object := range state.Objects {
		have[object.GroupVersionKind().GroupKind()] = true
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(cluster.RESTConfig(harness.Admin))
	if err != nil {
		t.Fatal(err)
	}
	resources, err := kinds.ServerPreferredResources()
	if err != nil && resources == nil { // an APIService of the corpus has no server
		t.Fatal(err)
	}
	count := 0
	for _, list := range resources {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range list.APIResources {
			kind := version.WithKind(resource.Kind)
			if !scheme.Scheme.Recognizes(kind) || !slices.Contains(resource.Verbs, "create") || slices.Contains(impossible, kind.Kind) {
				continue
			}
			count++
			if !have[kind.GroupKind()] && kind.GroupKind() != (schema.GroupKind{Group: "events.k8s.io", Kind: "Event"}) { // the core one
				t.Errorf("no object of kind %s is tried", kind)
			}
		}
	}
	t.Logf("%d built-in kinds", count)
}

// meddle does what the controllers of a cluster do to objects that Flux has applied.
func meddle(ctx context.Context, t *testing.T, cluster *harness.Cluster) {
	t.Helper()
	patch := func(apiVersion, kind, name, manager, subresource, body string) {
		t.Helper()
		object := &unstructured.Unstructured{}
		object.SetAPIVersion(apiVersion)
		object.SetKind(kind)
		object.SetName(name)
		if kind != "ValidatingWebhookConfiguration" {
			object.SetNamespace(everyKind)
		}
		change := client.RawPatch(types.JSONPatchType, []byte(body))
		var err error
		if subresource != "" {
			err = cluster.Admin().SubResource(subresource).Patch(ctx, object, change, client.FieldOwner(manager))
		} else {
			err = cluster.Admin().Patch(ctx, object, change, client.FieldOwner(manager))
		}
		if err != nil {
			t.Fatalf("%s %s: %v", kind, name, err)
		}
	}
	patch("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "every-kind-injected", "cainjector", "",
		`[{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJlRENDQVI2Z0F3SUJBZ0lCQURBS0JnZ3Foa2pPUFFRREFqQWtNU0l3SUFZRFZRUUREQmxyTTNNdGMyVnkKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="}]`)
	patch("apps/v1", "Deployment", "scaled", "kube-controller-manager", "scale", `[{"op": "replace", "path": "/spec/replicas", "value": 3}]`)
	patch("v1", "Secret", "annotated", "cert-manager-certificates-issuing", "", `[{"op": "add", "path": "/metadata/annotations", "value": {"cert-manager.io/certificate-name": "a"}}]`)
	patch("networking.k8s.io/v1", "Ingress", "annotated", "kube-controller-manager", "", `[{"op": "add", "path": "/metadata/annotations", "value": {"example.com/address": "192.0.2.1"}}]`)
}
