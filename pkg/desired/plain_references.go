package desired

import (
	_ "embed"
	"sync"

	"sigs.k8s.io/kustomize/api/filters/fieldspec"
	"sigs.k8s.io/kustomize/api/resource"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/yaml"
)

// referenceConfig is kustomize's list of the fields that name other objects
// (sigs.k8s.io/kustomize/api/internal/konfig/builtinpluginconsts/namereference.go).
//
//go:embed namereference.yaml
var referenceConfig []byte

var references = sync.OnceValues(func() ([]kustypes.FieldSpec, error) {
	var config struct {
		NameReference []struct {
			FieldSpecs []kustypes.FieldSpec `json:"fieldSpecs"`
		} `json:"nameReference"`
	}
	if err := yaml.Unmarshal(referenceConfig, &config); err != nil {
		return nil, err
	}
	var all []kustypes.FieldSpec
	for _, target := range config.NameReference {
		all = append(all, target.FieldSpecs...)
	}
	return all, nil
})

// checkReferences returns an error where kustomize finds something else than names in a field that names other objects.
// It does not change such a field where no object has changed its name (filters/nameref.Filter), but refuses the object.
func checkReferences(r *resource.Resource) error {
	all, err := references()
	if err != nil {
		return err
	}
	if _, err := r.GetMeta(); err != nil {
		return err
	}
	if err := checkSubjects(r); err != nil {
		return err
	}
	group, version := resid.ParseGroupVersion(r.GetApiVersion())
	gvk := resid.Gvk{Group: group, Version: version, Kind: r.GetKind()}
	for _, spec := range all {
		if !gvk.IsSelected(&spec.Gvk) {
			continue
		}
		filter := fieldspec.Filter{FieldSpec: kustypes.FieldSpec{Path: spec.Path}, SetValue: func(node *kyaml.RNode) error {
			return checkReference(node, true)
		}}
		if _, err := filter.Filter(&r.RNode); err != nil {
			return err
		}
	}
	return nil
}

// checkSubjects returns an error where kustomize does not understand the subjects of a RoleBinding
// (resmap.ResMap.SubsetThatCouldBeReferencedByResource).
func checkSubjects(r *resource.Resource) error {
	if r.GetKind() != "RoleBinding" {
		return nil
	}
	subjects, err := r.GetSlice("subjects")
	if err != nil {
		return nil //nolint:nilerr // kustomize takes it for none
	}
	for _, subject := range subjects {
		fields, ok := subject.(map[string]any)
		if !ok {
			return errNotPlain
		}
		for _, name := range []string{"kind", "namespace"} {
			if value, set := fields[name]; set {
				if _, ok := value.(string); !ok {
					return errNotPlain
				}
			}
		}
	}
	return nil
}

func checkReference(node *kyaml.RNode, sequences bool) error {
	if kyaml.IsMissingOrNull(node) {
		return nil
	}
	switch kind := node.YNode().Kind; {
	case kind == kyaml.ScalarNode:
		return nil
	case kind == kyaml.MappingNode:
		if name := node.Field("name"); name == nil || name.Value.YNode().Kind != kyaml.ScalarNode {
			return errNotPlain
		}
		if namespace := node.Field("namespace"); namespace != nil && namespace.Value.YNode().Kind != kyaml.ScalarNode {
			return errNotPlain
		}
		return nil
	case kind == kyaml.SequenceNode && sequences:
		return node.VisitElements(func(element *kyaml.RNode) error { return checkReference(element, false) })
	}
	return errNotPlain
}
