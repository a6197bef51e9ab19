package drift

import (
	"context"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/origin"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// releasesIn are the files of the HelmReleases that a Kustomization's state has.
func releasesIn(state *desired.State) map[ownership.Owner]string {
	out := map[ownership.Owner]string{}
	for _, object := range state.Objects {
		if object.File != "" && object.GroupVersionKind().GroupKind() == helmv2.GroupVersion.WithKind(helmv2.HelmReleaseKind).GroupKind() {
			out[ownership.Owner{Kind: ownership.HelmRelease, Namespace: object.GetNamespace(), Name: object.GetName()}] = object.File
		}
	}
	return out
}

// locateReleases names the file of the HelmRelease in what was found about its objects: what they are made of is in the
// chart and in the values of that file and others, and no line of these can be proven to be the one.
func (s *Scanner) locateReleases(ctx context.Context, builder *desired.Builder, results []OwnerResult, releases []helmv2.HelmRelease, known *known) {
	for i := range releases {
		hr := &releases[i]
		owner := ownership.Owner{Kind: ownership.HelmRelease, Namespace: hr.Namespace, Name: hr.Name}
		for n := range results {
			found := results[n].Findings
			if results[n].Owner != owner || len(found) == 0 {
				continue
			}
			file, told := known.files[owner]
			if !told {
				file = s.fileOf(ctx, builder, hr)
			}
			for f := range found {
				found[f].Origin = origin.Origin{File: file}
			}
		}
	}
}

// fileOf is the file of a HelmRelease that a Kustomization applies which is not compared itself; empty if there is none, or
// if that cannot be told.
func (s *Scanner) fileOf(ctx context.Context, builder *desired.Builder, hr *helmv2.HelmRelease) string {
	owner, ok := ownership.ProvenAs(hr, ownership.Kustomization)
	if !ok {
		return ""
	}
	var ks kustomizev1.Kustomization
	if s.Client.Get(ctx, client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}, &ks) != nil {
		return ""
	}
	state, err := builder.Build(ctx, &ks)
	if err != nil {
		return ""
	}
	return releasesIn(state)[ownership.Owner{Kind: ownership.HelmRelease, Namespace: hr.Namespace, Name: hr.Name}]
}
