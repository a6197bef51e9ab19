package sealfleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitops-drift/gitops-drift/pkg/sealhealth"
)

// secrets looks at the SealedSecrets of the cluster.
func (e *examination) secrets(ctx context.Context) {
	var list v1alpha1.SealedSecretList
	if err := e.client.List(ctx, &list); err != nil {
		e.add(TopicSynced, Unknown, "whether SealedSecrets were opened is unknown: %s", denied(err, "list sealedsecrets.bitnami.com"))
		return
	}
	opened := 0
	for i := range list.Items {
		sealed := &list.Items[i]
		message, since := unsynced(sealed)
		if message == "" {
			opened++
			continue
		}
		f := e.add(TopicSynced, Wrong, "%s", message)
		f.Object, f.Since = fmt.Sprintf("SealedSecret %s/%s", sealed.Namespace, sealed.Name), since
	}
	if opened == len(list.Items) {
		e.add(TopicSynced, Sound, "the controller has opened all SealedSecrets, %d", opened)
	}
}

// unsynced says why a SealedSecret is not the Secret that it should be, and since when; it is empty if it is.
func unsynced(sealed *v1alpha1.SealedSecret) (string, time.Time) {
	if sealed.Status == nil {
		return "the controller has not looked at it", sealed.CreationTimestamp.Time
	}
	for _, condition := range sealed.Status.Conditions {
		if condition.Type == v1alpha1.SealedSecretSynced && condition.Status != corev1.ConditionTrue {
			return "it is not opened: " + told(condition.Message), condition.LastTransitionTime.Time
		}
	}
	if sealed.Status.ObservedGeneration < sealed.Generation {
		return "the controller has not looked at its last change", time.Time{}
	}
	return "", time.Time{}
}

// harmless are parts of the controller's messages that quote no value. Those about templates may.
var harmless = []string{
	"no key could decrypt secret", "illegal base64 data", "is not managed by SealedSecret", "the target Secret is immutable",
	"deprecated", "forbidden",
}

// told is what may be told of a message of the controller.
func told(message string) string {
	switch {
	case strings.Contains(message, "template:"):
		return "its template cannot be filled in"
	case slices.ContainsFunc(harmless, func(part string) bool { return strings.Contains(message, part) }):
		return message
	}
	return "the controller says why in its status"
}

// inventorySuffix is how the ids of SealedSecrets end in the inventory of a Kustomization: namespace_name_group_kind.
const inventorySuffix = "_" + v1alpha1.GroupName + "_" + sealhealth.Kind

// flux looks at the Kustomizations that apply SealedSecrets.
func (e *examination) flux(ctx context.Context) {
	var list kustomizev1.KustomizationList
	if err := e.client.List(ctx, &list); err != nil {
		if apierrors.IsNotFound(err) || strings.Contains(err.Error(), "no matches for kind") {
			e.add(TopicFlux, Sound, "there is no Flux in this cluster")
			return
		}
		e.add(TopicFlux, Unknown, "whether Flux notices is unknown: %s", denied(err, "list kustomizations.kustomize.toolkit.fluxcd.io"))
		return
	}
	applying := 0
	for i := range list.Items {
		ks := &list.Items[i]
		var applied []sealhealth.Object
		if ks.Status.Inventory != nil {
			for _, entry := range ks.Status.Inventory.Entries {
				if id, ok := strings.CutSuffix(entry.ID, inventorySuffix); ok {
					namespace, name, _ := strings.Cut(id, "_")
					applied = append(applied, sealhealth.Object{Namespace: namespace, Name: name})
				}
			}
		}
		if len(applied) == 0 {
			continue
		}
		applying++
		if why := sealhealth.Unnoticed(ks, applied); why != "" {
			f := e.add(TopicFlux, Wrong, "Flux does not notice if its SealedSecrets do not open: %s", why)
			f.Object, f.Advice = fmt.Sprintf("Kustomization %s/%s", ks.Namespace, ks.Name), sealhealth.Advice
		}
	}
	if !slices.ContainsFunc(e.found, func(f Finding) bool { return f.Topic == TopicFlux }) {
		e.add(TopicFlux, Sound, "Flux notices what does not open: Kustomizations that apply SealedSecrets, %d", applying)
	}
}
