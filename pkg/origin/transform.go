package origin

// transform does to an object what a layer says, in the order of kustomize's built-in transformers.
func (r *replay) transform(l *layer, objects []*object) []*object {
	kept := objects[:0]
	for _, o := range objects {
		if r.patch(l, l.patches, o) {
			kept = append(kept, o)
		}
	}
	objects = kept
	for _, o := range objects {
		o.place(l)
		for _, labels := range l.labels {
			labels.apply(o)
		}
		annotate(o, l.annotations)
	}
	for _, o := range objects {
		r.patch(l, l.late, o)
		for _, replica := range l.replicas {
			scale(o, replica)
		}
		for _, image := range l.images {
			image.apply(o.root)
		}
	}
	r.replace(l, objects)
	return objects
}

// patch applies patches to an object, and returns false where one deletes it.
func (r *replay) patch(l *layer, patches []patch, o *object) bool {
	for _, p := range patches {
		for _, doc := range r.documents(l, p) {
			switch {
			case doc.root.kind == list:
				if p.target == nil || !o.selected(p.target) {
					continue
				}
				o.rename()
				changed := o.root.copy()
				if patchJSON(changed, doc.root) {
					o.root = changed
				}
			case p.target != nil && o.selected(p.target), p.target == nil && o.called(doc.root):
				o.rename()
				before, version := o.name(), o.root.get("apiVersion")
				if o.root = merge(o.root, doc.root, schemaOf(o.gvk())); o.root == nil {
					return false
				}
				if !p.renames {
					o.keep(before, version)
				}
			}
		}
	}
	return true
}

// keep undoes what a patch did to version, kind and name: kustomize takes those of a patch for those of its target.
func (o *object) keep(before name, version *node) {
	metadata := o.root.make("metadata")
	o.root.set("apiVersion", version)
	if kind := o.root.get("kind"); kind.scalar() != before.kind {
		o.root.set("kind", newScalar(before.kind, Origin{}))
	}
	if old := metadata.get("name"); old.scalar() != before.name {
		metadata.set("name", newScalar(before.name, Origin{}))
	}
	if before.namespace == "" {
		metadata.remove("namespace")
	} else if metadata.get("namespace").scalar() != before.namespace {
		metadata.set("namespace", newScalar(before.namespace, Origin{}))
	}
}

// nameless are the kinds whose name kustomize never changes.
var nameless = map[string]bool{"CustomResourceDefinition": true, "APIService": true, "Namespace": true}

// place sets the namespace and the name.
func (o *object) place(l *layer) {
	if l.namespace != nil {
		o.rename()
		if o.root.get("kind").scalar() == "Namespace" {
			o.root.make("metadata").set("name", l.namespace)
		} else {
			o.root.make("metadata").set("namespace", l.namespace)
		}
		for _, subject := range items(o.root.get("subjects")) {
			if subject.get("kind").scalar() == "ServiceAccount" && subject.get("name").scalar() == "default" {
				subject.set("namespace", l.namespace)
			}
		}
	}
	if nameless[o.root.get("kind").scalar()] {
		return
	}
	for i, affix := range []*node{l.prefix, l.suffix} {
		if affix == nil {
			continue
		}
		o.rename()
		now := o.name().name
		if i == 0 {
			now = affix.text + now
		} else {
			now += affix.text
		}
		o.root.make("metadata").set("name", newScalar(now, affix.at))
	}
}

// scale sets the replicas of a workload that has, or had, the name.
func scale(o *object, replica *node) {
	switch o.root.get("kind").scalar() {
	case "Deployment", "ReplicationController", "ReplicaSet", "StatefulSet":
	default:
		return
	}
	count := replica.get("count")
	for _, n := range append([]name{o.name()}, o.names...) {
		if count != nil && n.name == replica.get("name").scalar() {
			o.root.make("spec").set("replicas", count)
			return
		}
	}
}

// make returns the map at a path, and makes it where it is missing.
func (n *node) make(path ...string) *node {
	for _, name := range path {
		next := n.get(name)
		if next == nil || next.kind != mapping {
			next = &node{kind: mapping}
			n.set(name, next)
		}
		n = next
	}
	return n
}
