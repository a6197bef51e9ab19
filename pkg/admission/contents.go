package admission

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var (
	namespaceKind = schema.GroupKind{Kind: "Namespace"}
	crdKind       = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
)

// contents is what goes with a namespace, or with the definition of a kind. The objects of a kind go without any request of
// their own, those of a namespace by requests of its controller, which is never judged.
type contents struct {
	holdings []Holding
	// flux says that Flux runs there.
	flux bool
}

func contentsReach(holdings []Holding, flux bool) reach {
	if len(holdings) == 0 && !flux {
		return nil
	}
	return &contents{holdings, flux}
}

// defines returns the kind that a CustomResourceDefinition defines.
func defines(crd *unstructured.Unstructured) schema.GroupKind {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	return schema.GroupKind{Group: group, Kind: kind}
}

func (c *contents) owner() ownership.Owner {
	if len(c.holdings) == 0 {
		return ownership.Owner{}
	}
	return c.holdings[0].Owner
}

func (c *contents) find(r *Request, _ *Facts) (found, error) {
	out := found{
		headline: fmt.Sprintf("%s holds %s", objectName(r.Object), counted(c.holdings)),
		closing:  "Deleting it deletes them too, and Flux would create them again. To remove them, delete them in git.",
	}
	if r.Object.GroupKind() == crdKind {
		out.headline = fmt.Sprintf("%s defines %s", objectName(r.Object), counted(c.holdings))
	}
	if c.flux {
		out.headline = fmt.Sprintf("%s holds Flux itself", objectName(r.Object))
		out.closing = "Deleting it ends Flux. To remove Flux, remove gitops-drift first and then run flux uninstall."
	}
	for _, h := range c.holdings {
		out.findings = append(out.findings, Finding{Kind: Contained, Note: h.line()})
	}
	if len(out.findings) == 0 {
		out.findings = []Finding{{Kind: Contained}}
	}
	return out, nil
}

// line is what a message says of one owner's objects.
func (h Holding) line() string {
	switch {
	case h.Count == 0:
		return fmt.Sprintf("what %s released", fluxName(h.Owner))
	case h.Count == 1 && h.Example.Kind == string(h.Owner.Kind) && h.Example.Namespace == h.Owner.Namespace && h.Example.Name == h.Owner.Name:
		return fluxName(h.Owner)
	case h.Count == 1:
		return fmt.Sprintf("%s of %s", objectName(h.Example), fluxName(h.Owner))
	}
	return fmt.Sprintf("%d objects of %s, such as %s", h.Count, fluxName(h.Owner), objectName(h.Example))
}

// counted says how many objects there are.
func counted(holdings []Holding) string {
	n := 0
	for _, h := range holdings {
		if h.Count == 0 {
			return "objects that Flux manages"
		}
		n += h.Count
	}
	if n == 1 {
		return "an object that Flux manages"
	}
	return fmt.Sprintf("%d objects that Flux manages", n)
}
