package main

import (
	"context"
	"fmt"
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// quoting are the reasons of failures whose messages quote what was built: kustomize's errors, the API server's answers.
var quoting = []string{fluxmeta.BuildFailedReason, fluxmeta.ReconciliationFailedReason}

// hideSecrets masks in Flux's messages the values of Secrets that they may quote. A message of which that cannot be
// told is left out.
func hideSecrets(ctx context.Context, config *rest.Config, mapper meta.RESTMapper, results []reconcile.Result) {
	for i := range results {
		result := &results[i]
		if result.Object.Kind != kustomizev1.KustomizationKind || !slices.Contains(quoting, result.Reason) {
			continue
		}
		message, err := quote(ctx, config, mapper, result.Object, result.Message)
		if err != nil {
			message = fmt.Sprintf("Flux's message is not shown, because it may quote a Secret's values: %v", err)
		}
		result.Message = message
	}
}

func quote(ctx context.Context, config *rest.Config, mapper meta.RESTMapper, object reconcile.Object, message string) (string, error) {
	c, builder, err := cli.Connect(config, mapper)
	if err != nil {
		return "", err
	}
	ks := &kustomizev1.Kustomization{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: object.Namespace, Name: object.Name}, ks); err != nil {
		return "", err
	}
	return builder.Quote(ctx, ks, message)
}
