package main

import (
	"context"
	"fmt"
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
)

// quoting are the reasons of a Kustomization's failures whose messages quote what was built: kustomize's errors, the API
// server's answers.
var quoting = []string{fluxmeta.BuildFailedReason, fluxmeta.ReconciliationFailedReason}

// plain are the reasons under which a HelmRelease tells of other objects and of progress. Under all others its message is
// Helm's, which quotes what the chart rendered.
var plain = []string{
	"", fluxmeta.ProgressingReason, fluxmeta.DependencyNotReadyReason, fluxmeta.ArtifactFailedReason, "SourceNotReady",
}

// hideSecrets masks in Flux's messages the values of Secrets that they may quote. A message of which that cannot be
// told is left out.
func hideSecrets(ctx context.Context, c client.Reader, builder *desired.Builder, results []reconcile.Result) {
	for i := range results {
		result := &results[i]
		result.Message = quote(ctx, c, builder, result.Object, result.Reason, result.Message)
		for n := range result.Culprits {
			culprit := &result.Culprits[n]
			culprit.Message = quote(ctx, c, builder, culprit.Object, culprit.Reason, culprit.Message)
			for e := range culprit.Events {
				event := &culprit.Events[e]
				event.Message = quote(ctx, c, builder, event.Object, event.Reason, event.Message)
			}
		}
	}
}

func quote(ctx context.Context, c client.Reader, builder *desired.Builder, object reconcile.Object, reason, message string) string {
	var quoted string
	var err error
	key := client.ObjectKey{Namespace: object.Namespace, Name: object.Name}
	switch {
	case message == "":
		return ""
	case object.Kind == kustomizev1.KustomizationKind && slices.Contains(quoting, reason):
		ks := &kustomizev1.Kustomization{}
		if err = c.Get(ctx, key, ks); err == nil {
			quoted, err = builder.Quote(ctx, ks, message)
		}
	case object.Kind == helmv2.HelmReleaseKind && !slices.Contains(plain, reason):
		hr := &helmv2.HelmRelease{}
		if err = c.Get(ctx, key, hr); err == nil {
			quoted, err = builder.QuoteRelease(ctx, hr, message)
		}
	default:
		return message
	}
	if err != nil {
		return fmt.Sprintf("Flux's message is not shown, because it may quote a Secret's values: %v", err)
	}
	return quoted
}
