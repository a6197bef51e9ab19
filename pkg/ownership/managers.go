package ownership

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// Shape learns from the fields of all managers which lists are associative.
func Shape(managers ...[]Manager) *fields.Shape {
	var sets []*fieldpath.Set
	// Two states of an object share most sets.
	seen := map[*fieldpath.Set]bool{}
	for _, list := range managers {
		for _, m := range list {
			if !seen[m.Fields] {
				seen[m.Fields] = true
				sets = append(sets, m.Fields)
			}
		}
	}
	return fields.NewShape(sets...)
}

// Declared returns the fields that the owner's controller declared in its applied entry, and whether there is one.
// For releases that Helm installed without server-side apply that is helm-controller's update entry.
// A field that somebody else changed with an update has left this set although git still declares it.
func Declared(managers []Manager, kind Kind) (*fieldpath.Set, bool) {
	var declared []*fieldpath.Set
	for _, m := range managers {
		if m.applied(kind.Manager()) || kind == HelmRelease && m.Name == HelmManager && m.Subresource == "" {
			declared = append(declared, m.Fields)
		}
	}
	return fields.Union(declared...), len(declared) > 0
}

func (m Manager) applied(name string) bool {
	return m.Name == name && m.Operation == metav1.ManagedFieldsOperationApply && m.Subresource == ""
}

// Last returns the manager other than kind's own whose entry holds path or something below it and changed last,
// and whether there is one.
func Last(managers []Manager, kind Kind, path fieldpath.Path) (Manager, bool) {
	var last Manager
	found := false
	for _, m := range managers {
		if m.applied(kind.Manager()) || !Holds(m.Fields, path) {
			continue
		}
		if !found || m.Time.After(last.Time) {
			last, found = m, true
		}
	}
	return last, found
}

// Holds reports whether set has path, something below it, or an atomic field above it.
func Holds(set *fieldpath.Set, path fieldpath.Path) bool {
	for i, element := range path {
		if set.Members.Has(element) {
			if i == len(path)-1 {
				return true
			}
			if _, deeper := set.Children.Get(element); !deeper {
				return true
			}
		}
		sub, ok := set.Children.Get(element)
		if !ok {
			return false
		}
		set = sub
	}
	return !set.Empty()
}

// clusterManagers write fields that belong to nobody's desired state: defaults, revisions, allocations, finalizers.
var clusterManagers = []string{
	"kube-controller-manager", "kube-scheduler", "kube-apiserver", "kubelet", "cloud-controller-manager",
	"clusterrole-aggregation-controller", // fills in the rules of ClusterRoles with an aggregationRule
	"cainjector", "gitops-drift", HoldManager,
	KustomizeManager, HelmManager, "source-controller", "image-automation-controller",
}

// clusterManagerPrefixes are those of the managers that Flux's (status and finalizers) and cert-manager's controllers
// give each of their loops a name with.
var clusterManagerPrefixes = []string{"gotk-", "cert-manager-"}

// ClusterController reports whether the entry is one of a controller of Kubernetes or Flux. What kustomize-controller
// applied, or anybody updated in its name, is none: git alone says whether Flux wants it.
func (m Manager) ClusterController() bool {
	if m.Name == KustomizeManager && m.Subresource == "" {
		return false
	}
	return ClusterController(m.Name)
}

// ClusterController reports whether a manager is a controller of Kubernetes or Flux, judged by its name. The name is
// the client's word: use this to leave noise out of a report, never to let a write pass.
func ClusterController(manager string) bool {
	return slices.Contains(clusterManagers, manager) || slices.ContainsFunc(clusterManagerPrefixes, func(prefix string) bool {
		return strings.HasPrefix(manager, prefix)
	})
}
