package sealhealth

import (
	"context"
	"fmt"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is that of SealedSecrets.
const Kind = "SealedSecret"

// Expressions are health checks that notice; see https://fluxcd.io/flux/cheatsheets/cel-healthchecks/.
const Expressions = `healthCheckExprs:
  - apiVersion: bitnami.com/v1alpha1
    kind: SealedSecret
    failed: status.conditions.filter(e, e.type == 'Synced').all(e, e.status == 'False')
    current: status.conditions.filter(e, e.type == 'Synced').all(e, e.status == 'True')`

// Advice is what to do about a Kustomization that does not notice, in one line.
const Advice = "add spec.wait: true and spec.healthCheckExprs for SealedSecret (kubectl gitops-seal check --help has them)"

// Object is a SealedSecret that a Kustomization applies.
type Object struct{ Namespace, Name string }

// Unnoticed says why Flux would not notice that one of these SealedSecrets, which ks applies, is not opened; it is empty
// if it would notice each of them.
func Unnoticed(ks *kustomizev1.Kustomization, applied []Object) string {
	if !ks.Spec.Wait && len(ks.Spec.HealthChecks) == 0 {
		return "it checks no health: spec.wait is not true"
	}
	expressions := find(ks.Spec.HealthCheckExprs)
	if expressions == nil {
		return "spec.healthCheckExprs has nothing for SealedSecret"
	}
	if why := blind(expressions); why != "" {
		return why
	}
	if ks.Spec.Wait {
		return ""
	}
	checked := map[Object]bool{}
	for _, reference := range ks.Spec.HealthChecks {
		if version, err := schema.ParseGroupVersion(reference.APIVersion); err == nil && version.Group == v1alpha1.GroupName && reference.Kind == Kind {
			checked[Object{reference.Namespace, reference.Name}] = true
		}
	}
	for _, object := range applied {
		if !checked[object] {
			return fmt.Sprintf("spec.healthChecks does not list SealedSecret %s/%s, and spec.wait is not true", object.Namespace, object.Name)
		}
	}
	return ""
}

// find returns the expressions for SealedSecrets; kustomize-controller takes the last that are for a group and kind.
func find(checks []kustomize.CustomHealthCheck) *kustomize.HealthCheckExpressions {
	var found *kustomize.HealthCheckExpressions
	for i := range checks {
		version, err := schema.ParseGroupVersion(checks[i].APIVersion)
		if err == nil && version.Group == v1alpha1.GroupName && checks[i].Kind == Kind {
			found = &checks[i].HealthCheckExpressions
		}
	}
	return found
}

// blind evaluates the expressions as Flux does, for a SealedSecret that was opened and one that was not.
func blind(expressions *kustomize.HealthCheckExpressions) string {
	evaluator, err := cel.NewStatusEvaluator(expressions)
	if err != nil {
		return fmt.Sprintf("spec.healthCheckExprs for SealedSecret cannot be read: %s", err)
	}
	health := func(synced string) status.Status {
		result, err := evaluator.Evaluate(context.Background(), sample(synced))
		if err != nil {
			return status.UnknownStatus
		}
		return result.Status
	}
	switch {
	case health("False") == status.CurrentStatus:
		return "spec.healthCheckExprs calls a SealedSecret healthy that was not opened"
	case health("True") != status.CurrentStatus:
		return "spec.healthCheckExprs never calls a SealedSecret healthy"
	}
	return ""
}

// sample is a SealedSecret as the controller leaves it.
func sample(synced string) *unstructured.Unstructured {
	condition := map[string]any{"type": string(v1alpha1.SealedSecretSynced), "status": synced, "lastUpdateTime": "2026-11-23T12:00:00Z", "lastTransitionTime": "2026-11-23T12:00:00Z"}
	if synced == "False" {
		condition["message"] = "no key could decrypt secret (password)"
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.SchemeGroupVersion.String(),
		"kind":       Kind,
		"metadata":   map[string]any{"name": "sample", "namespace": "sample", "generation": int64(1)},
		"spec":       map[string]any{"encryptedData": map[string]any{"password": "AgA="}},
		"status":     map[string]any{"observedGeneration": int64(1), "conditions": []any{condition}},
	}}
}
