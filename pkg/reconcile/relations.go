package reconcile

import (
	"fmt"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/object"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// speaksCommits reports whether revisions of the object are those of a source: commits, tags, digests. Others are
// versions of charts, or digests of an index.
func (o Object) speaksCommits() bool {
	switch o.Kind {
	case kustomizev1.KustomizationKind, sourcev1.GitRepositoryKind, sourcev1.OCIRepositoryKind, sourcev1.BucketKind:
		return true
	}
	return false
}

// source is what the object is fetched from; none for what is fetched from outside the cluster.
func (o observed) source() (Object, error) {
	switch {
	case o.object.isKustomization(), o.object.isChart():
		return o.sourceAt(o.Spec.SourceRef)
	case o.object.isRelease() && o.Spec.ChartRef.Name != "":
		return o.sourceAt(o.Spec.ChartRef)
	case o.object.isRelease() && o.chartTemplate() != nil:
		if namespace, name, found := strings.Cut(o.Status.HelmChart, "/"); found {
			return sourceObject(sourcev1.HelmChartKind, namespace, name), nil
		}
		namespace := o.in(o.chartTemplate().Namespace)
		return sourceObject(sourcev1.HelmChartKind, namespace, o.object.Namespace+"-"+o.object.Name), nil
	}
	return Object{}, nil
}

// template is the repository that a HelmRelease takes its chart from; none where it refers to a chart.
func (o observed) template() Object {
	ref := o.chartTemplate()
	if ref == nil {
		return Object{}
	}
	repository, err := o.sourceAt(*ref)
	if err != nil {
		return Object{}
	}
	return repository
}

// chartTemplate is spec.chart.spec.sourceRef of a HelmRelease; nil if there is none.
func (o observed) chartTemplate() *reference {
	template, ok := o.Spec.Chart.(map[string]any)
	if !o.object.isRelease() || !ok {
		return nil
	}
	field := func(name string) string {
		text, _, _ := unstructured.NestedString(template, "spec", "sourceRef", name) // "" is as good as none
		return text
	}
	return &reference{Kind: field("kind"), Namespace: field("namespace"), Name: field("name")}
}

func (o observed) sourceAt(ref reference) (Object, error) {
	source := sourceObject(ref.Kind, o.in(ref.Namespace), ref.Name)
	if !Requestable(source.groupKind()) {
		return Object{}, &objectError{message: fmt.Sprintf("%s takes what it applies from a %s, which Flux cannot be asked to fetch; leave its source out",
			o.object, ref.Kind)}
	}
	return source, nil
}

func sourceObject(kind, namespace, name string) Object {
	return Object{Group: sourcev1.GroupVersion.Group, Kind: kind, Namespace: namespace, Name: name}
}

// in is the namespace of a reference, which need not have one.
func (o observed) in(namespace string) string {
	if namespace == "" {
		return o.object.Namespace
	}
	return namespace
}

// dependencies are what spec.dependsOn names: objects of the same kind.
func (o observed) dependencies() []Object {
	var out []Object
	for _, ref := range o.Spec.DependsOn {
		out = append(out, Object{Group: o.object.Group, Kind: o.object.Kind, Namespace: o.in(ref.Namespace), Name: ref.Name})
	}
	return out
}

// parent is the Kustomization that applies the object, by its labels; none if it has no such labels.
func (o observed) parent() Object {
	group := kustomizev1.GroupVersion.Group
	namespace, name := o.Metadata.Labels[group+"/namespace"], o.Metadata.Labels[group+"/name"]
	if name == "" {
		return Object{}
	}
	return Kustomization(namespace, name)
}

// branch is the one that a GitRepository follows; none where it is at a tag or a commit.
func (o observed) branch() string {
	ref := o.Spec.Ref
	switch {
	case o.object.Kind != sourcev1.GitRepositoryKind, ref.Commit != "", ref.Tag != "", ref.Semver != "":
		return ""
	case ref.Name != "":
		branch, found := strings.CutPrefix(ref.Name, "refs/heads/")
		if !found {
			return ""
		}
		return branch
	case ref.Branch != "":
		return ref.Branch
	}
	return "master"
}

// children are the HelmReleases and Kustomizations that the object has applied here.
func (o observed) children() []Object {
	if o.Spec.KubeConfig != nil {
		return nil
	}
	var out []Object
	for _, child := range o.inventory() {
		if child.applies() && child != o.object &&
			(child.Group == helmv2.GroupVersion.Group || child.Group == kustomizev1.GroupVersion.Group) {
			out = append(out, child)
		}
	}
	return out
}

// inventory are the objects that the object has applied. Entries that cannot be read are left out.
func (o observed) inventory() []Object {
	var out []Object
	for _, entry := range o.Status.Inventory.Entries {
		if id, err := object.ParseObjMetadata(entry.ID); err == nil {
			out = append(out, Object{Group: id.GroupKind.Group, Kind: id.GroupKind.Kind, Namespace: id.Namespace, Name: id.Name})
		}
	}
	return out
}
