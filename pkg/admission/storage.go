package admission

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var (
	secretKind    = schema.GroupKind{Kind: "Secret"}
	configMapKind = schema.GroupKind{Kind: "ConfigMap"}
)

// storagePrefix begins the names of Helm's records: sh.helm.release.v1.RELEASE.vREVISION, in Secrets or ConfigMaps.
const storagePrefix = "sh.helm.release.v1."

// stored is Helm's record of a release that Flux manages. Whoever installs, upgrades, rolls back or uninstalls with Helm
// writes one. Its content, which holds the release's Secrets, is not looked at.
type stored struct {
	release ownership.Owner
	name    string
}

func storageReach(r *Request, lookups Lookups) reach {
	name, ok := strings.CutPrefix(r.Object.Name, storagePrefix)
	if i := strings.LastIndex(name, ".v"); ok && i > 0 && r.Subresource == "" && helmOwned(r.Old, r.New) {
		name = name[:i]
		if release, ok := lookups.Release(r.Object.Namespace, name); ok {
			return &stored{release, name}
		}
	}
	return nil
}

// helmOwned reports whether one of the objects carries the label by which Helm finds its records.
func helmOwned(objects ...*unstructured.Unstructured) bool {
	for _, o := range objects {
		if o != nil && o.GetLabels()["owner"] == "helm" {
			return true
		}
	}
	return false
}

func (s *stored) owner() ownership.Owner { return s.release }

func (s *stored) find(r *Request, _ *Facts) (found, error) {
	return found{
		findings: []Finding{{Kind: Stored}},
		headline: fmt.Sprintf("%s is Helm's record of release %s, which is managed by Flux %s", objectName(r.Object), s.name, fluxName(s.release)),
		closing:  "What Helm does by hand works against Flux. Change the release in git.",
	}, nil
}
