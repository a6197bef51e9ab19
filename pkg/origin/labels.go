package origin

import "strings"

// pods are the paths to the pod templates of Kubernetes' workloads, by kind, and to what they are made by.
var pods = map[string][]string{
	"ReplicationController": {"spec/template"}, "Deployment": {"spec/template"}, "ReplicaSet": {"spec/template"},
	"DaemonSet": {"spec/template"}, "StatefulSet": {"spec/template"}, "Job": {"spec/template"},
	"CronJob": {"spec/jobTemplate", "spec/jobTemplate/spec/template"},
}

// selectors are the paths of selectors by labels, by kind. The first of a kind in made is made where it is missing.
// Source: kustomize, builtinpluginconsts.
var (
	selectors = map[string][]string{
		"Service": {"spec/selector"}, "ReplicationController": {"spec/selector"},
		"Deployment": {"spec/selector/matchLabels"}, "ReplicaSet": {"spec/selector/matchLabels"},
		"DaemonSet": {"spec/selector/matchLabels"}, "StatefulSet": {"spec/selector/matchLabels"},
		"Job": {"spec/selector/matchLabels"}, "CronJob": {"spec/jobTemplate/spec/selector/matchLabels"},
		"PodDisruptionBudget": {"spec/selector/matchLabels"},
		"NetworkPolicy": {
			"spec/podSelector/matchLabels", "spec/ingress/from/podSelector/matchLabels", "spec/egress/to/podSelector/matchLabels",
		},
	}
	made = map[string]bool{"Service": true, "ReplicationController": true, "Deployment": true, "ReplicaSet": true, "DaemonSet": true, "StatefulSet": true}
)

// kind is the object's kind, empty for kinds that Kubernetes does not have.
func (o *object) builtIn() string {
	if gvk := o.gvk(); !strings.Contains(gvk.Group, ".") || strings.HasSuffix(gvk.Group, ".k8s.io") {
		return gvk.Kind
	}
	return ""
}

func (l labelling) apply(o *object) {
	kind := o.builtIn()
	for _, pair := range fieldsOf(l.pairs) {
		o.root.make("metadata", "labels").set(pair.name, pair.value)
		if l.templates || l.selectors {
			for _, path := range pods[kind] {
				set(o.root, path+"/metadata/labels", pair, true)
			}
		}
		if (l.volumes || l.selectors) && kind == "StatefulSet" {
			set(o.root, "spec/volumeClaimTemplates/metadata/labels", pair, true)
		}
		if l.selectors {
			for _, path := range selectors[kind] {
				set(o.root, path, pair, made[kind])
			}
			if kind == "Deployment" || kind == "StatefulSet" {
				pod := o.root.follow("spec", "template", "spec")
				spread(pod.get("affinity"), pair)
				spread(pod.get("topologySpreadConstraints"), pair)
			}
		}
		for _, spec := range l.fields {
			if of := spec.get("kind").scalar(); of == "" || of == o.root.get("kind").scalar() {
				set(o.root, strings.ReplaceAll(spec.get("path").scalar(), "[]", ""), pair, isTrue(spec.get("create")))
			}
		}
	}
}

// spread sets a label in every selector below n, but those of namespaces.
func spread(n *node, pair field) {
	for _, f := range fieldsOf(n) {
		if f.name == "labelSelector" {
			set(f.value, "matchLabels", pair, false)
		} else {
			spread(f.value, pair)
		}
	}
	for _, item := range items(n) {
		spread(item, pair)
	}
}

// annotate sets commonAnnotations.
func annotate(o *object, annotations *node) {
	for _, pair := range fieldsOf(annotations) {
		o.root.make("metadata", "annotations").set(pair.name, pair.value)
		for _, path := range pods[o.builtIn()] {
			set(o.root, path+"/metadata/annotations", pair, true)
		}
	}
}

// set writes a field into the maps at a path, through all items of lists on the way. With create, the last two maps of
// the path are made where what is above them is there.
func set(n *node, path string, f field, create bool) {
	switch {
	case n == nil:
	case n.kind == list:
		for _, item := range n.items {
			set(item, path, f, create)
		}
	case n.kind != mapping:
	case path == "":
		n.set(f.name, f.value)
	default:
		step, rest, _ := strings.Cut(path, "/")
		next := n.get(step)
		if next == nil && create && strings.Count(path, "/") < 2 {
			next = &node{kind: mapping, at: f.value.at}
			n.set(step, next)
		}
		set(next, rest, f, create)
	}
}
