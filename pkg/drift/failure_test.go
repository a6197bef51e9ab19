package drift

import (
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// Flux holds values that nobody else can know, but what it waits for is no value.
func TestWhatAKustomizationWaitsForIsShown(t *testing.T) {
	ks := &kustomizev1.Kustomization{Spec: kustomizev1.KustomizationSpec{Decryption: &kustomizev1.Decryption{Provider: "sops"}}}
	builder := desired.NewBuilder(nil, nil)
	for reason, want := range map[string]string{
		meta.DependencyNotReadyReason: "dependency 'flux-system/infra' is not ready",
		meta.BuildFailedReason:        "BuildFailed (Flux's message is not shown, because it may quote a Secret's values)",
	} {
		got := failure(t.Context(), builder, ks, &metav1.Condition{Reason: reason, Message: "dependency 'flux-system/infra' is not ready"})
		if got != want {
			t.Errorf("%s: %s", reason, got)
		}
	}
}
