package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/object"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/spf13/cobra"
)

// completing is how long people wait for what they may type next.
const completing = 3 * time.Second

// owners are the Kustomizations of the cluster that the flags choose, the first of several; none where it cannot be asked.
func (o *options) owners(cmd *cobra.Command) []kustomizev1.Kustomization {
	clusters, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completing)
	defer cancel()
	scanner, _, err := o.connect(ctx, clusters[0], io.Discard)
	if err != nil {
		return nil
	}
	var list kustomizev1.KustomizationList
	if err := scanner.Client.List(ctx, &list); err != nil {
		return nil
	}
	return list.Items
}

func (o *options) completeOwner(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, ks := range o.owners(cmd) {
		out = append(out, "Kustomization/"+ks.Namespace+"/"+ks.Name)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeObject offers what Flux applied, as kubectl names it.
func (o *options) completeObject(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, ks := range o.owners(cmd) {
		if ks.Status.Inventory == nil {
			continue
		}
		for _, entry := range ks.Status.Inventory.Entries {
			id, err := object.ParseObjMetadata(entry.ID)
			if err != nil || o.namespace() != "" && id.Namespace != o.namespace() {
				continue
			}
			kind := strings.ToLower(id.GroupKind.Kind)
			if id.GroupKind.Group != "" {
				kind += "." + id.GroupKind.Group
			}
			out = append(out, kind+"/"+id.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), cobra.ShellCompDirectiveNoFileComp
}
