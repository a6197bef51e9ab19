package reconcile

import (
	"fmt"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object names an object of a cluster, of any kind.
type Object struct {
	Group, Kind, Namespace, Name string
}

// Kustomization returns the Object of a Flux Kustomization.
func Kustomization(namespace, name string) Object {
	return Object{Group: kustomizev1.GroupVersion.Group, Kind: kustomizev1.KustomizationKind, Namespace: namespace, Name: name}
}

// String is the object's name in sentences: "Kustomization flux-system/apps".
func (o Object) String() string {
	if o.Namespace == "" {
		return fmt.Sprintf("%s %s", o.Kind, o.Name)
	}
	return fmt.Sprintf("%s %s/%s", o.Kind, o.Namespace, o.Name)
}

func (o Object) groupKind() schema.GroupKind {
	return schema.GroupKind{Group: o.Group, Kind: o.Kind}
}

// Kind is a kind that Flux reconciles on request.
type Kind struct {
	schema.GroupKind
	// Plural and Short are the names that kubectl takes for it, besides the Kind itself.
	Plural, Short string
	// cli is what the flux CLI calls it.
	cli string
}

// kinds are all of them: what applies, then what it is fetched from.
var kinds = []Kind{
	{kustomizev1.GroupVersion.WithKind(kustomizev1.KustomizationKind).GroupKind(), "kustomizations", "ks", "kustomization"},
	{helmv2.GroupVersion.WithKind(helmv2.HelmReleaseKind).GroupKind(), "helmreleases", "hr", "helmrelease"},
	{sourcev1.GroupVersion.WithKind(sourcev1.GitRepositoryKind).GroupKind(), "gitrepositories", "gitrepo", "source git"},
	{sourcev1.GroupVersion.WithKind(sourcev1.OCIRepositoryKind).GroupKind(), "ocirepositories", "ocirepo", "source oci"},
	{sourcev1.GroupVersion.WithKind(sourcev1.BucketKind).GroupKind(), "buckets", "", "source bucket"},
	{sourcev1.GroupVersion.WithKind(sourcev1.HelmRepositoryKind).GroupKind(), "helmrepositories", "helmrepo", "source helm"},
	{sourcev1.GroupVersion.WithKind(sourcev1.HelmChartKind).GroupKind(), "helmcharts", "hc", "source chart"},
}

// Kinds returns the kinds that Flux reconciles on request: Kustomization and HelmRelease, then the sources. An
// ExternalArtifact, which both may name as their source, is written by controllers that are not Flux's.
func Kinds() []Kind { return slices.Clone(kinds) }

// Requestable reports whether Flux reconciles objects of a kind on request.
func Requestable(kind schema.GroupKind) bool {
	return slices.ContainsFunc(kinds, func(k Kind) bool { return k.GroupKind == kind })
}

func (o Object) kind() Kind {
	for _, k := range kinds {
		if k.GroupKind == o.groupKind() {
			return k
		}
	}
	return Kind{GroupKind: o.groupKind()}
}

// controller is the one of Flux's that reconciles the kind.
func (k Kind) controller() string {
	group, _, _ := strings.Cut(k.Group, ".") // kustomize, helm, source
	return group + "-controller"
}

func (o Object) isKustomization() bool { return o.Kind == kustomizev1.KustomizationKind }
func (o Object) isRelease() bool       { return o.Kind == helmv2.HelmReleaseKind }
func (o Object) isChart() bool         { return o.Kind == sourcev1.HelmChartKind }

// applies reports whether the object puts others into the cluster, which sources do not.
func (o Object) applies() bool { return o.isKustomization() || o.isRelease() }
